// Limits and what they bound: the rules by scope, and for each scope (a queue, a task, a partition of a queue) how many
// jobs are active and when jobs started. Active jobs are counted with or without a rule, so that a later one is exact.
import type { Limit, LimitRule, LimitScope } from '../../broker/contract.ts'
import { type RateState, rateRoom, takeRate } from '../../job/rates.ts'
import type { JobSpec } from '../../job/record.ts'
import { Heap } from './heap.ts'
import type { Lane, Rotation } from './lanes.ts'

export interface Scope {
  readonly key: string
  readonly rule: string
  active: number
  starts: RateState
  /** The window that `starts` was counted with. */
  startsPerMs: number
  /** When the last start has left the window. */
  fadedAt: number
  /** Lanes that have found no room here, by whose turn it is. */
  readonly waiting: Map<Rotation, Heap<Lane>>
  /** When the rate has more room; absent where nobody waits for that. */
  retryAt: number | undefined
}

type RuleSources = { [S in LimitRule['source']]?: Limit } & { readonly scope: LimitScope }

export function ruleKey(scope: LimitScope): string {
  return scope.kind === 'task' ? `task\n${scope.task}` : `${scope.kind}\n${scope.queue}`
}

export class Scopes {
  readonly #rules = new Map<string, RuleSources>()
  readonly #scopes = new Map<string, Scope>()
  readonly #fading = new Heap<Scope>((a, b) => a.fadedAt < b.fadedAt)

  /** The rule in force: what a person has set, else what code has declared. */
  rule(key: string): Limit | undefined {
    const rule = this.#rules.get(key)
    return rule?.set ?? rule?.declared
  }

  hasTaskRule(task: string): boolean {
    return this.#rules.has(`task\n${task}`)
  }

  setRule({ scope, source, limit }: LimitRule): void {
    const key = ruleKey(scope)
    const sources: RuleSources = this.#rules.get(key) ?? { scope: { ...scope } }
    if (limit === null) delete sources[source]
    else sources[source] = structuredClone(limit)
    if (sources.set === undefined && sources.declared === undefined) this.#rules.delete(key)
    else this.#rules.set(key, sources)
  }

  rules(): LimitRule[] {
    return [...this.#rules.values()].flatMap(({ scope, ...limits }) =>
      (['declared', 'set'] as const).flatMap((source) => {
        const limit = limits[source]
        return limit === undefined ? [] : [{ scope, source, limit }]
      }),
    )
  }

  /** The scopes that a rule bounds and that are in use. */
  under(rule: string): Scope[] {
    return [...this.#scopes.values()].filter((scope) => scope.rule === rule)
  }

  queue(queue: string): Scope {
    return this.#scope(`queue\n${queue}`, `queue\n${queue}`)
  }

  task(task: string): Scope {
    return this.#scope(`task\n${task}`, `task\n${task}`)
  }

  partition(queue: string, partition: string): Scope {
    return this.#scope(`partition\n${queue}\n${partition}`, `partition\n${queue}`)
  }

  /** All the scopes that a job counts in. */
  of({ queue, task, partition }: JobSpec): Scope[] {
    const scopes = [this.queue(queue), this.task(task)]
    if (partition !== undefined) scopes.push(this.partition(queue, partition))
    return scopes
  }

  /** How many more jobs may start now. */
  room(scope: Scope, now: number): number {
    const { concurrency = Number.POSITIVE_INFINITY } = this.rule(scope.rule) ?? {}
    return Math.max(0, Math.min(concurrency - scope.active, this.#rateRoom(scope, now)))
  }

  /** When the rate has more room, where the rate is what leaves least of it. */
  moreAt(scope: Scope, now: number): number | undefined {
    const { concurrency = Number.POSITIVE_INFINITY, rate } = this.rule(scope.rule) ?? {}
    if (rate === undefined || concurrency - scope.active <= this.#rateRoom(scope, now)) return undefined
    return takeRate(rate, scope.starts, now, Number.POSITIVE_INFINITY).retryAt
  }

  occupy(scope: Scope, now: number): void {
    scope.active += 1
    const rate = this.rule(scope.rule)?.rate
    if (rate === undefined) return
    if (scope.startsPerMs !== rate.perMs) scope.starts = []
    scope.startsPerMs = rate.perMs
    scope.starts = takeRate(rate, scope.starts, now, 1).state
    scope.fadedAt = now + 2 * rate.perMs
    this.#fading.set(scope)
  }

  /** Forgets a scope that holds nothing. */
  drop(scope: Scope, now: number): void {
    if (scope.active > 0 || scope.waiting.size > 0 || scope.fadedAt > now) return
    this.#fading.delete(scope)
    this.#scopes.delete(scope.key)
  }

  /** Forgets up to `max` scopes whose last start has left the window. */
  fade(now: number, max: number): void {
    for (let i = 0; i < max; i += 1) {
      const scope = this.#fading.peek()
      if (scope === undefined || scope.fadedAt > now) return
      this.#fading.delete(scope)
      this.drop(scope, now)
    }
  }

  #rateRoom(scope: Scope, now: number): number {
    const rate = this.rule(scope.rule)?.rate
    if (rate === undefined) return Number.POSITIVE_INFINITY
    // Starts counted with another window say nothing about this one.
    return scope.startsPerMs === rate.perMs ? rateRoom(rate, scope.starts, now) : rate.count
  }

  #scope(key: string, rule: string): Scope {
    let scope = this.#scopes.get(key)
    if (scope === undefined) {
      scope = {
        key,
        rule,
        active: 0,
        starts: [],
        startsPerMs: 0,
        fadedAt: 0,
        waiting: new Map(),
        retryAt: undefined,
      }
      this.#scopes.set(key, scope)
    }
    return scope
  }
}
