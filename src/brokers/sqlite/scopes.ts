// What is used of limited scopes: a queue, a task, a partition of a queue. Only scopes with a rule are kept. Read when
// needed and written once a transaction.
import type { Limit } from '../../broker/contract.ts'
import { type RateState, rateRoom, takeRate } from '../../job/rates.ts'
import type { Rules } from './rules.ts'
import type { Part, Store } from './store.ts'

/** What decides which scopes a job counts in. */
export interface Placed {
  readonly queue: number
  readonly task: number
  readonly partition: string | null
}

export interface Scope {
  readonly key: string
  readonly queue: number | null
  readonly limit: Limit
  active: number
  starts: RateState
  /** The window that `starts` was counted with. */
  startsPerMs: number
  /** When the rate has more room; null where no lane waits for that. */
  openAt: number | null
  /** When nothing of it is used any more. */
  idleAt: number | null
  dirty: boolean
}

type ScopeRow = [active: number, rate: string, openAt: number | null, idleAt: number | null]

export class Scopes implements Part {
  readonly #store: Store
  readonly #rules: Rules
  readonly #scopes = new Map<string, Scope>()

  constructor(store: Store, rules: Rules) {
    this.#store = store
    this.#rules = rules
    store.parts.push(this)
  }

  queue(queue: number): Scope | undefined {
    return this.#get(`q ${queue}`, queue, this.#rules.of('queue', queue))
  }

  task(task: number): Scope | undefined {
    return this.#get(`t ${task}`, null, this.#rules.of('task', task))
  }

  partition(queue: number, partition: string): Scope | undefined {
    return this.#get(`p ${queue} ${partition}`, queue, this.#rules.of('partition', queue))
  }

  /** The limited scope of a key as it is stored. */
  byKey(key: string): Scope | undefined {
    const [kind, id, ...rest] = key.split(' ')
    if (kind === 'q') return this.queue(Number(id))
    return kind === 't' ? this.task(Number(id)) : this.partition(Number(id), rest.join(' '))
  }

  /** All limited scopes that a job counts in. */
  of({ queue, task, partition }: Placed): Scope[] {
    if (!this.#rules.any) return []
    const scopes = [this.queue(queue), this.task(task)]
    if (partition !== null) scopes.push(this.partition(queue, partition))
    return scopes.filter((scope) => scope !== undefined)
  }

  /** How many more jobs may start now. */
  room(scope: Scope): number {
    const { concurrency = Number.POSITIVE_INFINITY } = scope.limit
    return Math.max(0, Math.min(concurrency - scope.active, this.#rateRoom(scope)))
  }

  /** When the rate has more room, where the rate is what leaves least of it. */
  moreAt(scope: Scope): number | undefined {
    const { concurrency = Number.POSITIVE_INFINITY, rate } = scope.limit
    if (rate === undefined || concurrency - scope.active <= this.#rateRoom(scope)) return undefined
    return takeRate(rate, scope.starts, this.#store.now, Number.POSITIVE_INFINITY).retryAt
  }

  occupy(scope: Scope): void {
    scope.active += 1
    scope.dirty = true
    const { rate } = scope.limit
    if (rate === undefined) return
    if (scope.startsPerMs !== rate.perMs) scope.starts = []
    scope.startsPerMs = rate.perMs
    scope.starts = takeRate(rate, scope.starts, this.#store.now, 1).state
    scope.idleAt = this.#store.now + 2 * rate.perMs
  }

  free(scope: Scope): void {
    scope.active = Math.max(0, scope.active - 1)
    scope.dirty = true
  }

  setOpenAt(scope: Scope, at: number | null): void {
    if (scope.openAt === at) return
    scope.openAt = at
    scope.dirty = true
  }

  flush(): boolean {
    let wrote = false
    const { sql, now } = this.#store
    for (const scope of this.#scopes.values()) {
      if (!scope.dirty) continue
      wrote = true
      scope.dirty = false
      const { key, queue, active, starts, startsPerMs, openAt, idleAt } = scope
      if (active === 0 && openAt === null && (idleAt ?? 0) <= now) sql.deleteScope.run(key)
      else
        sql.saveScope.run(key, queue, active, JSON.stringify({ starts, perMs: startsPerMs }), openAt, idleAt)
    }
    return wrote
  }

  reset(): void {
    this.#scopes.clear()
  }

  #rateRoom(scope: Scope): number {
    const { rate } = scope.limit
    if (rate === undefined) return Number.POSITIVE_INFINITY
    // Starts counted with another window say nothing about this one.
    return scope.startsPerMs === rate.perMs ? rateRoom(rate, scope.starts, this.#store.now) : rate.count
  }

  #get(key: string, queue: number | null, limit: Limit | undefined): Scope | undefined {
    if (limit === undefined) return undefined
    const known = this.#scopes.get(key)
    if (known !== undefined) return known
    const row = this.#store.sql.readScope.get<ScopeRow>(key)
    const [active, rate, openAt, idleAt] = row ?? [0, '{"starts":[],"perMs":0}', null, null]
    const { starts, perMs } = JSON.parse(rate) as { starts: RateState; perMs: number }
    const scope = { key, queue, limit, active, starts, startsPerMs: perMs, openAt, idleAt, dirty: false }
    this.#scopes.set(key, scope)
    return scope
  }
}
