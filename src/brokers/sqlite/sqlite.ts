// The SQLite broker, as the main thread sees it: each call becomes a message to the thread that owns the file. Jobs live
// in one file, which several processes may use at once.
import type {
  Broker,
  BrokerHealth,
  Capabilities,
  CounterRow,
  ExtendAnswer,
  GroupAnswer,
  HeldLease,
  JobEvent,
  JobPage,
  JobSelection,
  LimitRule,
  ListRequest,
  LogLine,
  MaintainReport,
  Note,
  QueueInfo,
  Reserved,
  ReserveRequest,
  Schedule,
  SelectionAnswer,
  Settled,
  SettleRequest,
  Step,
  Success,
  TransactingBroker,
  WorkerInfo,
} from '../../broker/contract.ts'
import type { ReachableBroker, Way } from '../../broker/reaching.ts'
import { OffstageError } from '../../errors/error.ts'
import type { JobRecord, JobSpec } from '../../job/record.ts'
import { type CallOptions, Channel } from './channel.ts'
import type { PlainCall } from './core.ts'
import { type Line, threadLine } from './line.ts'
import { readOptions, type Settings, type SqliteOptions } from './options.ts'
import type { Request } from './protocol.ts'
import { wayTo } from './reopen.ts'
import { Waiters } from './waiters.ts'
import { type ClaimColumns, unpackClaims } from './wire-claims.ts'
import { packOutcomes, type SettledColumns, unpackSettled } from './wire-outcomes.ts'
import { packSpecs } from './wire-specs.ts'
import type { Within } from './within.ts'

export type { SqliteOptions } from './options.ts'

/**
 * A broker that keeps its jobs in one SQLite file: `sqlite('sqlite:./jobs.db')`, `sqlite({ file: 'jobs.db' })`.
 *
 * @throws OPTION_INVALID
 */
export function sqlite(options: string | SqliteOptions): SqliteBroker {
  return new SqliteBroker(readOptions(options))
}

type Listener = (events: readonly JobEvent[]) => void

export class SqliteBroker implements TransactingBroker, ReachableBroker {
  readonly name = 'sqlite'
  readonly namespace: string
  readonly capabilities: Capabilities
  readonly #settings: Settings
  readonly #line: Line | undefined
  readonly #waiters: Waiters
  #within: Promise<Within> | undefined
  readonly #listeners = new Set<Listener>()
  #channel: Channel | undefined
  #opening: Promise<void> | undefined
  #restarting: Promise<void> | undefined
  #closed = false

  /** @param line to a thread that has the file already; default a new one */
  constructor(settings: Settings, line?: Line) {
    const inMemory = settings.file === ':memory:'
    this.#settings = settings
    this.#line = line
    this.namespace = settings.namespace
    this.capabilities = {
      durability: inMemory ? 'none' : settings.durability === 'full' ? 'machine' : 'process',
      shared: !inMemory,
      wakesOthers: !inMemory,
      outages: false,
      records: true,
      transactions: !inMemory,
      exclusiveTransactions: !inMemory || undefined,
    }
    this.#waiters = new Waiters((waiting) => this.#channel?.tell({ waiting }))
  }

  open(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError('was closed'))
    this.#opening ??= this.#start().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #start(): Promise<void> {
    const { file, durability, namespace, engine, clock } = this.#settings
    const line = this.#line ?? threadLine({ file, durability, namespace, engine })
    const channel = new Channel(line, clock, ({ news, events }) => {
      if (news === 'all') this.#waiters.tellAll()
      else if (news !== undefined) this.#waiters.tell(news)
      if (events !== undefined)
        for (const listener of [...this.#listeners]) queueMicrotask(() => listener(events))
    })
    try {
      await channel.call('open', [])
      this.#channel = channel
    } catch (error) {
      await channel.close()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#waiters.close()
    this.#listeners.clear()
    await Promise.allSettled([this.#opening, this.#restarting])
    const channel = this.#channel
    this.#channel = undefined
    await channel?.close()
  }

  health(): Promise<BrokerHealth> {
    return this.#send('health', [])
  }

  reach(): Way | string {
    if (this.#channel === undefined) return 'its broker is not open'
    return wayTo(this.#settings, this.#channel)
  }

  // ── the message half ───────────────────────────────────────────────────────────────────────────────────────────

  enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const specs = packSpecs(groups)
    return this.#send('enqueue', [specs], { transfer: specs.bytes })
  }

  reserve(request: ReserveRequest): Promise<Reserved> {
    const read = (columns: ClaimColumns): Reserved => this.#reserved(request, unpackClaims(columns))
    return this.#send('reserve', [request], { read })
  }

  settle({ outcomes, started, next }: SettleRequest): Promise<Settled> {
    const columns = packOutcomes(outcomes)
    const read = (settled: SettledColumns): Settled => {
      const answer = unpackSettled(settled)
      if (next !== undefined && answer.next !== undefined) this.#reserved(next, answer.next)
      return answer
    }
    return this.#send('settle', [{ outcomes: columns, started, next }], { transfer: columns.bytes, read })
  }

  extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    return this.#plain('extend', leases, leaseMs)
  }

  wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#channel === undefined) return Promise.resolve()
    return this.#waiters.wait(queues, signal)
  }

  maintain(): Promise<MaintainReport> {
    return this.#plain('maintain')
  }

  /** What was taken empties the news that it answers. */
  #reserved(request: ReserveRequest, reserved: Reserved): Reserved {
    if (reserved.jobs.length < request.max) this.#waiters.drained(request.queues)
    return reserved
  }

  // ── inside the user's transaction ──────────────────────────────────────────────────────────────────────────────

  /** @param tx a `DatabaseSync` of node:sqlite or a `Database` of better-sqlite3 on the same file, after BEGIN */
  async enqueueWithin(tx: unknown, groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    return (await this.#inside()).enqueue(tx, groups)
  }

  /** @param tx as for `enqueueWithin` */
  async settleWithin(tx: unknown, success: Success): Promise<'ok' | 'lost'> {
    return (await this.#inside()).settle(tx, success)
  }

  /** Loaded at its first use: the parts of the broker live in its thread otherwise. */
  async #inside(): Promise<Within> {
    if (this.#channel === undefined) throw closedError(this.#closed ? 'was closed' : 'is not open yet')
    if (!this.capabilities.transactions)
      throw new OffstageError('TX_UNSUPPORTED', 'no other connection reaches what SQLite keeps in memory')
    this.#within ??= import('./within.ts').then(({ Within }) => {
      const { file, clock } = this.#settings
      return new Within(file, clock, () => this.#channel?.tell({ look: true }))
    })
    return this.#within
  }

  // ── the record half ────────────────────────────────────────────────────────────────────────────────────────────

  async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    const records = await this.#send<readonly (JobRecord | undefined)[]>('get', [ids])
    return records.map((record) => record && { ...record, namespace: this.namespace })
  }

  async list(request: ListRequest): Promise<JobPage> {
    const page = await this.#send<JobPage>('list', [request])
    return { ...page, jobs: page.jobs.map((record) => ({ ...record, namespace: this.namespace })) }
  }

  cancel(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#plain('cancel', selection)
  }

  retry(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#plain('retry', selection)
  }

  remove(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#plain('remove', selection)
  }

  promote(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#plain('promote', selection)
  }

  publish(workflow: string): Promise<boolean> {
    return this.#plain('publish', workflow)
  }

  queues(): Promise<readonly QueueInfo[]> {
    return this.#plain('queues')
  }

  pause(queue: string, paused: boolean): Promise<void> {
    return this.#plain('pause', queue, paused)
  }

  limit(rules: readonly LimitRule[]): Promise<void> {
    return this.#plain('limit', rules)
  }

  limits(): Promise<readonly LimitRule[]> {
    return this.#plain('limits')
  }

  beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
    return this.#plain('beat', worker, ttlMs)
  }

  leave(worker: string): Promise<void> {
    return this.#plain('leave', worker)
  }

  workers(): Promise<readonly WorkerInfo[]> {
    return this.#plain('workers')
  }

  putSchedule(schedule: Schedule): Promise<void> {
    return this.#plain('putSchedule', schedule)
  }

  schedules(): Promise<readonly Schedule[]> {
    return this.#plain('schedules')
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#plain('removeSchedule', id)
  }

  fire(tick: Parameters<Broker['fire']>[0]): Promise<boolean> {
    const { schedule, tick: at, nextAt, job } = tick
    return this.#send('fire', [{ schedule, tick: at, nextAt }, packSpecs(job === undefined ? [] : [[job]])])
  }

  write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> {
    return this.#plain('write', notes)
  }

  logs(id: string, afterSeq?: number): Promise<readonly LogLine[]> {
    return this.#plain('logs', id, afterSeq)
  }

  steps(id: string): Promise<readonly Step[]> {
    return this.#plain('steps', id)
  }

  async events(listener: Listener, signal: AbortSignal): Promise<void> {
    if (this.#channel === undefined || signal.aborted) return
    // The same function may listen twice.
    const mine: Listener = (events) => listener(events)
    this.#listeners.add(mine)
    if (this.#listeners.size === 1) this.#channel.tell({ listening: true })
    const stop = (): void => {
      if (this.#listeners.delete(mine) && this.#listeners.size === 0)
        this.#channel?.tell({ listening: false })
    }
    signal.addEventListener('abort', stop, { once: true })
  }

  counters(fromAt: number, toAt: number): Promise<readonly CounterRow[]> {
    return this.#plain('counters', fromAt, toAt)
  }

  #plain<C extends PlainCall>(call: C, ...args: Parameters<Broker[C]>): ReturnType<Broker[C]> {
    return this.#send(call, args) as ReturnType<Broker[C]>
  }

  #send<T>(call: Request['call'], args: readonly unknown[], options?: CallOptions<T>): Promise<T> {
    if (this.#channel === undefined)
      return Promise.reject(closedError(this.#closed ? 'was closed' : 'is not open yet'))
    if (this.#channel.died && this.capabilities.shared && this.#line === undefined)
      return this.#again().then(() => this.#send(call, args, options))
    return this.#channel.call<T>(call, args, options)
  }

  /** The thread died (out of memory, say). What it committed is in the file, so a new one goes on from there. */
  #again(): Promise<void> {
    this.#restarting ??= this.#start()
      .then(() => {
        if (this.#waiters.waiting) this.#channel?.tell({ waiting: true })
        if (this.#listeners.size > 0) this.#channel?.tell({ listening: true })
      })
      .finally(() => {
        this.#restarting = undefined
      })
    return this.#restarting
  }
}

function closedError(what: string): OffstageError {
  return new OffstageError('BROKER_CLOSED', `the SQLite broker ${what}`)
}
