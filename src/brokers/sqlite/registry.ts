// Queues, limits, workers, schedules and counters: the small tables beside the jobs.
import { isDeepStrictEqual } from 'node:util'
import type {
  CounterRow,
  Limit,
  LimitRule,
  LimitScope,
  LogLevel,
  LogLine,
  QueueInfo,
  Schedule,
  Step,
  WorkerInfo,
} from '../../broker/contract.ts'
import type { JobSpec } from '../../job/record.ts'
import type { Rules } from './rules.ts'
import type { Scopes } from './scopes.ts'
import type { Store } from './store.ts'

type QueueRow = [number, number, number, number, number, number, number, number, number]
type ScheduleRow = [string, string, string, number, Uint8Array, number, number | null, number]

export class Registry {
  readonly #store: Store
  readonly #rules: Rules
  readonly #scopes: Scopes

  constructor(store: Store, rules: Rules, scopes: Scopes) {
    this.#store = store
    this.#rules = rules
    this.#scopes = scopes
  }

  // ── queues and limits ──────────────────────────────────────────────────────────────────────────────────────────

  queues(): QueueInfo[] {
    return this.#store.sql.listQueues.all<QueueRow>().map(([queue, paused, ...counts]) => {
      const [blocked, scheduled, ready, active, succeeded, failed, cancelled] = counts
      const limit = this.#rules.of('queue', queue)
      const partitionLimit = this.#rules.of('partition', queue)
      return {
        queue: this.#store.names.text(queue),
        paused: paused === 1,
        counts: { blocked, scheduled, ready, active, succeeded, failed, cancelled },
        ...(limit === undefined ? {} : { limit }),
        ...(partitionLimit === undefined ? {} : { partitionLimit }),
      }
    })
  }

  pause(name: string, paused: boolean): void {
    const queue = this.#store.names.id(name)
    this.#store.sql.pauseQueue.run(queue, paused ? 1 : 0)
    this.#store.counters.config += 1
    if (!paused) this.#store.effects.queues.add(queue)
  }

  limit(rules: readonly LimitRule[]): void {
    const { sql, names } = this.#store
    const touched: { kind: LimitScope['kind']; name: number; queue: string | undefined }[] = []
    for (const { scope, source, limit } of rules) {
      const name = names.id(scope.kind === 'task' ? scope.task : scope.queue)
      if (scope.kind !== 'task') sql.countJobs.run(name, 0, 0, 0, 0, 0, 0, 0)
      if (!this.#changes(scope, source, limit)) continue
      touched.push({ kind: scope.kind, name, queue: scope.kind === 'task' ? undefined : scope.queue })
      if (limit === null) sql.deleteRule.run(scope.kind, name, source)
      else {
        const { concurrency = null, rate } = limit
        sql.saveRule.run(scope.kind, name, source, concurrency, rate?.count ?? null, rate?.perMs ?? null)
      }
      this.#store.counters.config += 1
    }
    if (touched.length === 0) return
    this.#scopes.flush()
    this.#scopes.reset()
    this.#recount(touched)
    for (const { kind, name } of touched) this.#reopen(kind, name)
  }

  /** Declared rules are repeated at each start of a worker; what is the same already costs nothing. */
  #changes(scope: LimitScope, source: LimitRule['source'], limit: Limit | null): boolean {
    const there = this.#rules
      .all()
      .find((rule) => rule.source === source && isDeepStrictEqual(rule.scope, scope))?.limit
    return limit === null ? there !== undefined : !isDeepStrictEqual(there, present(limit))
  }

  /** Counts what is active in the scopes of rules that are new or changed, so that they are exact from now on. */
  #recount(touched: readonly { readonly kind: LimitScope['kind']; readonly name: number }[]): void {
    const { sql } = this.#store
    const active = new Map<string, number>()
    const add = (key: string): void => void active.set(key, (active.get(key) ?? 0) + 1)
    for (const [queue, task, partition] of sql.activePlaces.all<[number, number, string | null]>()) {
      add(`q ${queue}`)
      add(`t ${task}`)
      if (partition !== null) add(`p ${queue} ${partition}`)
    }
    for (const { kind, name } of touched) {
      const prefix = kind === 'partition' ? `p ${name} ` : `${kind === 'queue' ? 'q' : 't'} ${name}`
      const stored = sql.scopesUnder.all<[string]>(prefix, `${prefix}\u{10ffff}`).map(([key]) => key)
      const mine = (key: string): boolean => (kind === 'partition' ? key.startsWith(prefix) : key === prefix)
      for (const key of new Set([...stored, ...active.keys()].filter(mine))) {
        const scope = this.#scopes.byKey(key)
        if (scope === undefined) sql.deleteScope.run(key)
        else {
          scope.active = active.get(key) ?? 0
          scope.openAt = null
          scope.dirty = true
        }
      }
    }
  }

  /** Lanes that waited on a scope look again: they close again where there is no room. */
  #reopen(kind: LimitScope['kind'], name: number): void {
    const { sql, effects } = this.#store
    const prefix = kind === 'partition' ? `p ${name} ` : `${kind === 'queue' ? 'q' : 't'} ${name}`
    const end = kind === 'partition' ? `${prefix}\u{10ffff}` : `${prefix}\u0000`
    for (const [queue] of sql.openLanesUnder.all<[number]>(prefix, end)) effects.queues.add(queue)
    if (kind === 'queue') effects.queues.add(name)
  }

  limits(): LimitRule[] {
    return this.#rules.all()
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────────────

  beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): void {
    const { sql, now } = this.#store
    sql.saveWorker.run(worker.id, JSON.stringify(worker), now, now + ttlMs)
    this.#store.wrote()
  }

  leave(worker: string): void {
    if (this.#store.sql.deleteWorker.run(worker) > 0) this.#store.wrote()
  }

  workers(): WorkerInfo[] {
    const rows = this.#store.sql.listWorkers.all<[string, number]>(this.#store.now)
    return rows.map(([info, seenAt]) => ({ ...(JSON.parse(info) as Omit<WorkerInfo, 'seenAt'>), seenAt }))
  }

  // ── schedules ──────────────────────────────────────────────────────────────────────────────────────────────────

  putSchedule(schedule: Schedule): void {
    const { sql } = this.#store
    const { id, rule, nextAt, lastAt, paused } = schedule
    const { input, ...job } = schedule.job
    const before = this.#schedule(id)
    const kept = before !== undefined && isDeepStrictEqual(before.rule, JSON.parse(JSON.stringify(rule)))
    sql.saveSchedule.run(
      id,
      JSON.stringify(rule),
      JSON.stringify(job),
      input.codec,
      input.bytes,
      kept ? before.nextAt : nextAt,
      lastAt ?? before?.lastAt ?? null,
      paused ? 1 : 0,
    )
    this.#store.wrote()
  }

  schedules(): Schedule[] {
    return this.#store.sql.listSchedules.all<ScheduleRow>().map(readSchedule)
  }

  removeSchedule(id: string): boolean {
    const removed = this.#store.sql.deleteSchedule.run(id) > 0
    if (removed) this.#store.wrote()
    return removed
  }

  /** Moves a schedule on from a tick; false where it is not at that tick or is paused. */
  tick(id: string, tick: number, nextAt: number): boolean {
    const moved = this.#store.sql.tickSchedule.run(nextAt, tick, id, tick) > 0
    if (moved) this.#store.wrote()
    return moved
  }

  #schedule(id: string): Schedule | undefined {
    const row = this.#store.sql.readSchedule.get<ScheduleRow>(id)
    return row && readSchedule(row)
  }

  // ── what jobs leave behind ─────────────────────────────────────────────────────────────────────────────────────

  counters(fromAt: number, toAt: number): CounterRow[] {
    type Row = [number, number, number, number, number, number, number, number, number, number]
    const rows = this.#store.sql.readMinutes.all<Row>(Math.max(fromAt, this.#store.now - 86_400_000), toAt)
    return rows.map((row) => {
      const [minuteAt, queue, task, enqueued, succeeded, retried, failed, cancelled, crashed, ranMs] = row
      const { names } = this.#store
      const sums = { enqueued, succeeded, retried, failed, cancelled, crashed, ranMs }
      return { minuteAt, queue: names.text(queue), task: names.text(task), ...sums }
    })
  }

  logs(id: string, afterSeq: number): LogLine[] {
    const rows = this.#store.sql.readLogs.all<[number, number, number, LogLevel, string]>(id, afterSeq)
    return rows.map(([seq, at, token, level, text]) => ({ seq, at, token, level, text }))
  }

  steps(id: string): Step[] {
    const rows = this.#store.sql.readSteps.all<[string, number, number, Uint8Array]>(id)
    return rows.map(([name, at, codec, bytes]) => ({ name, at, value: { codec, bytes } }))
  }
}

function readSchedule([id, rule, job, codec, bytes, nextAt, lastAt, paused]: ScheduleRow): Schedule {
  return {
    id,
    rule: JSON.parse(rule) as Schedule['rule'],
    job: { ...(JSON.parse(job) as Omit<JobSpec, 'id' | 'input'>), input: { codec, bytes } },
    nextAt,
    paused: paused === 1,
    ...(lastAt === null ? {} : { lastAt }),
  }
}

function present(limit: Limit): Limit {
  return {
    ...(limit.concurrency === undefined ? {} : { concurrency: limit.concurrency }),
    ...(limit.rate === undefined ? {} : { rate: { count: limit.rate.count, perMs: limit.rate.perMs } }),
  }
}
