// One namespace over several shards, each of them a complete broker of its own: what shares a shard keeps every law,
// and docs/brokers/redis-shards.md says what gets weaker between shards. Here each call of the contract is tied to how
// it goes over the shards; the rules stand in the files beside this one.

import { OffstageError } from '../../errors/error.ts'
import type { JobRecord, JobSpec } from '../../job/record.ts'
import { type Clock, sleep, systemClock } from '../../runtime/clock.ts'
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
  WorkerInfo,
} from '../contract.ts'
import type { PlacingBroker } from '../placing.ts'
import type { ReachableBroker, Way } from '../reaching.ts'
import { all, allThere, eachShare, settle, shareOut } from './claims.ts'
import { enqueue } from './enqueue.ts'
import { divideRule, mergeRules } from './limits.ts'
import { mergeCounters, mergeQueues } from './merge.ts'
import { MAX_SHARDS, type Placement, placement } from './place.ts'
import { SUSPECTS_EVERY_MS, Sweep, Turns } from './reserve.ts'
import { list, type Steering, steer } from './select.ts'
import { Shard } from './shard.ts'
import { healthOf, Upkeep } from './upkeep.ts'

/** The least time that a renewal waits for one shard. */
const MIN_RENEWAL_MS = 250

export interface ShardedOptions {
  /** `redis`, … For messages only. */
  readonly name: string
  readonly namespace: string
  /**
   * Each on a store of its own, in an order that is the same in every process and never changes: a job's place among
   * them is told from its id. Opened and closed with this broker.
   */
  readonly shards: readonly Broker[]
  /** For pauses and patience. Default the system's. */
  readonly clock?: Clock | undefined
  /** Where jobs live. Default by their ids and keys; tests put everything into one of several shards. */
  readonly placement?: Placement | undefined
  /** The longest time between two looks for suspects through all shards. */
  readonly suspectsEveryMs?: number | undefined
  /** How another thread gets to all of them. Default: not at all. */
  readonly reach?: (() => Way | string) | undefined
}

export class ShardedBroker implements PlacingBroker, ReachableBroker {
  readonly name: string
  readonly namespace: string
  readonly capabilities: Capabilities
  readonly #shards: readonly Shard[]
  /** Workers and schedules are kept here. */
  readonly #first: Shard
  readonly #placement: Placement
  readonly #clock: Clock
  /** Those that have called while they rested, and have not been asked since. */
  readonly #called = new Set<Shard>()
  readonly #turns: Turns
  readonly #suspectsEveryMs: number
  readonly #reach: (() => Way | string) | undefined
  /** Monotonic: when to look for suspects through all shards again. */
  #suspectsAt = Number.NEGATIVE_INFINITY
  readonly #upkeep = new Upkeep()
  #state: 'new' | 'open' | 'closed' = 'new'

  /** @throws OPTION_INVALID */
  constructor({ name, namespace, shards, clock = systemClock, ...options }: ShardedOptions) {
    const [first] = shards
    if (first === undefined || shards.length > MAX_SHARDS) {
      const said = `shards is ${shards.length}; a namespace has 1 to ${MAX_SHARDS}`
      throw new OffstageError('OPTION_INVALID', said, { details: { path: 'shards' } })
    }
    this.name = name
    this.namespace = namespace
    this.capabilities = { ...first.capabilities, shards: shards.length }
    this.#shards = shards.map((broker, index) => new Shard(index, broker, clock))
    this.#first = this.#shards[0] as Shard
    this.#placement = options.placement ?? placement(shards.length)
    this.#clock = clock
    this.#suspectsEveryMs = options.suspectsEveryMs ?? SUSPECTS_EVERY_MS
    this.#reach = options.reach
    // Processes that start together do not all begin with the same shard.
    this.#turns = new Turns(shards.length, Math.floor(Math.random() * shards.length))
  }

  reach(): Way | string {
    return this.#reach?.() ?? 'its shards were handed in'
  }

  /** Rejects where no shard can be reached; one that is away is opened when it is back. */
  async open(): Promise<void> {
    if (this.#state === 'closed') throw this.#closedError()
    const opened = this.#shards.map((shard) => shard.open())
    await allThere(this.#shards, opened, true)
    this.#state = 'open'
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    await all(this.#shards.map(({ broker }) => broker.close()))
  }

  place(spec: JobSpec): string {
    return this.#placement.place(spec)
  }

  shardOf(id: string): number {
    return this.#placement.shardOf(id)
  }

  async health(): Promise<BrokerHealth> {
    return healthOf(this.#opened())
  }

  // ── the message half ───────────────────────────────────────────────────────────────────────────────────────────

  async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    return enqueue(this.#placement, this.#opened(), groups)
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    const sweep = await new Sweep(request, this.#order()).run()
    await this.#searchSuspects(sweep)
    return sweep.answer()
  }

  async settle(request: SettleRequest): Promise<Settled> {
    const order = request.next === undefined ? [] : this.#order()
    const { settled, sweep } = await settle(this.#opened(), this.#placement.shardOf, request, order)
    if (sweep === undefined) return settled
    await sweep.rest()
    await this.#searchSuspects(sweep)
    // Outcomes that were recorded are answered, also where no shard could be asked for the next jobs.
    return sweep.answered ? { ...settled, next: sweep.answer() } : settled
  }

  async extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    const shares = shareOut(this.#opened(), this.#placement.shardOf, leases, ({ id }) => id)
    // A shard that is away must not keep the renewal of the others until their leases end.
    const maxMs = Math.max(MIN_RENEWAL_MS, Math.ceil(leaseMs / 6))
    const extend = (shard: Shard, own: readonly HeldLease[]): Promise<readonly ExtendAnswer[]> =>
      shard.callSoon((broker) => broker.extend(own, leaseMs), { maxMs })
    return eachShare(this.#shards, shares, extend, 'away')
  }

  async wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#state !== 'open') return
    // The first to call ends the waits in the others.
    const over = new AbortController()
    const stop = (): void => over.abort()
    signal.addEventListener('abort', stop, { once: true })
    const ended = new Promise<void>((resolve) => {
      over.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    for (const shard of this.#shards) if (shard.opened) void this.#hear(shard, queues, over)
    await ended
    signal.removeEventListener('abort', stop)
  }

  async maintain(): Promise<MaintainReport> {
    return this.#upkeep.step(this.#opened(), this.#awake())
  }

  // ── the record half: jobs ──────────────────────────────────────────────────────────────────────────────────────

  async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    const shares = shareOut(this.#opened(), this.#placement.shardOf, ids, (id) => id)
    const get = (shard: Shard, own: readonly string[]): Promise<readonly (JobRecord | undefined)[]> =>
      shard.callSoon((broker) => broker.get(own))
    const records = await eachShare(this.#shards, shares, get)
    return records.map((record) => record && this.#own(record))
  }

  async list(request: ListRequest): Promise<JobPage> {
    const page = await list(this.#opened(), request)
    return { ...page, jobs: page.jobs.map((record) => this.#own(record)) }
  }

  cancel(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#steer('cancel', selection)
  }

  retry(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#steer('retry', selection)
  }

  remove(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#steer('remove', selection)
  }

  promote(selection: JobSelection): Promise<SelectionAnswer> {
    return this.#steer('promote', selection)
  }

  publish(workflow: string): Promise<boolean> {
    return this.#of(workflow, (broker) => broker.publish(workflow))
  }

  // ── the record half: queues, limits, workers, schedules ────────────────────────────────────────────────────────

  async queues(): Promise<readonly QueueInfo[]> {
    return mergeQueues(await this.#each((broker) => broker.queues()))
  }

  async pause(queue: string, paused: boolean): Promise<void> {
    await this.#each((broker) => broker.pause(queue, paused))
  }

  async limit(rules: readonly LimitRule[]): Promise<void> {
    const divided = rules.map((rule) => divideRule(rule, this.#shards.length))
    await this.#each((broker, shard) => broker.limit(divided.map((shares) => shares[shard] as LimitRule)))
  }

  async limits(): Promise<readonly LimitRule[]> {
    return mergeRules(await this.#each((broker) => broker.limits()))
  }

  beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
    return this.#atFirst((broker) => broker.beat(worker, ttlMs))
  }

  leave(worker: string): Promise<void> {
    return this.#atFirst((broker) => broker.leave(worker))
  }

  workers(): Promise<readonly WorkerInfo[]> {
    return this.#atFirst((broker) => broker.workers())
  }

  putSchedule(schedule: Schedule): Promise<void> {
    return this.#atFirst((broker) => broker.putSchedule(schedule))
  }

  schedules(): Promise<readonly Schedule[]> {
    return this.#atFirst((broker) => broker.schedules())
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#atFirst((broker) => broker.removeSchedule(id))
  }

  /**
   * In one step where the job lives beside the schedules. Else the job is enqueued first and then the schedule moved:
   * whoever is interrupted between them, or comes second, enqueues the same id again, which stores nothing.
   *
   * @throws SHARD_MISMATCH
   */
  async fire(tick: Parameters<Broker['fire']>[0]): Promise<boolean> {
    const { job } = tick
    const said = job && this.#placement.refusal(job)
    if (said !== undefined) throw new OffstageError('SHARD_MISMATCH', said, { details: { id: job?.id } })
    const here = job === undefined || this.#placement.shardOf(job.id) === this.#first.index
    if (here) return this.#atFirst((broker) => broker.fire(tick))
    const schedule = (await this.schedules()).find(({ id }) => id === tick.schedule)
    if (schedule === undefined || schedule.paused || schedule.nextAt !== tick.tick) return false
    await this.enqueue([[job]])
    return this.#atFirst((broker) => broker.fire({ ...tick, job: undefined }))
  }

  // ── the record half: what attempts write, what listeners hear ──────────────────────────────────────────────────

  async write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> {
    const shares = shareOut(this.#opened(), this.#placement.shardOf, notes, ({ id }) => id)
    const write = (shard: Shard, own: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> =>
      shard.call((broker) => broker.write(own))
    return eachShare(this.#shards, shares, write)
  }

  logs(id: string, afterSeq?: number): Promise<readonly LogLine[]> {
    return this.#of(id, (broker) => broker.logs(id, afterSeq))
  }

  steps(id: string): Promise<readonly Step[]> {
    return this.#of(id, (broker) => broker.steps(id))
  }

  async events(listener: (events: readonly JobEvent[]) => void, signal: AbortSignal): Promise<void> {
    const opened = this.#shards.filter((shard) => shard.opened)
    await Promise.all(opened.map(({ broker }) => broker.events(listener, signal)))
  }

  async counters(fromAt: number, toAt: number): Promise<readonly CounterRow[]> {
    return mergeCounters(await this.#each((broker) => broker.counters(fromAt, toAt)))
  }

  // ── over the shards ────────────────────────────────────────────────────────────────────────────────────────────

  #opened(): readonly Shard[] {
    if (this.#state !== 'open') throw this.#closedError()
    return this.#shards
  }

  #closedError(): OffstageError {
    const what = this.#state === 'new' ? 'is not open yet' : 'was closed'
    return new OffstageError('BROKER_CLOSED', `the ${this.name} broker ${what}`)
  }

  async #atFirst<T>(call: (broker: Broker) => Promise<T>): Promise<T> {
    this.#opened()
    return this.#first.call(call)
  }

  async #each<T>(call: (broker: Broker, shard: number) => Promise<T>): Promise<T[]> {
    return all(this.#opened().map((shard, i) => shard.call((broker) => call(broker, i))))
  }

  async #of<T>(id: string, call: (broker: Broker) => Promise<T>): Promise<T> {
    return (this.#opened()[this.#placement.shardOf(id)] as Shard).call(call)
  }

  async #steer(call: Steering, selection: JobSelection): Promise<SelectionAnswer> {
    return steer(this.#opened(), this.#placement.shardOf, call, selection)
  }

  /** The shards that may be claimed from, in the order of asking. */
  #order(): Shard[] {
    const awake = this.#awake()
    return this.#turns.order().flatMap((index) => awake.find((shard) => shard.index === index) ?? [])
  }

  /** All but those that failed lately; all where none is left. */
  #awake(): readonly Shard[] {
    const awake = this.#opened().filter(({ rests }) => !rests)
    return awake.length === 0 ? this.#opened() : awake
  }

  async #hear(shard: Shard, queues: readonly string[], over: AbortController): Promise<void> {
    const { signal } = over
    // Also while it rests: a call that nobody waits for may be one for a cancel, of which no claim will tell.
    if (!this.#called.has(shard)) await shard.broker.wake(queues, signal)
    if (!signal.aborted) this.#called.add(shard)
    // Until then nobody asks it, so what it called for would lead nowhere.
    while (shard.rests && !signal.aborted) await sleep(this.#clock, shard.restsForMs, { signal, ref: true })
    if (signal.aborted) return
    this.#called.delete(shard)
    this.#turns.call(shard.index)
    over.abort()
  }

  async #searchSuspects(sweep: Sweep): Promise<void> {
    if (sweep.lacksSuspect) {
      const now = this.#clock.monotonic()
      if (now < this.#suspectsAt) return sweep.askAgainIn(this.#suspectsAt - now)
      this.#suspectsAt = now + this.#suspectsEveryMs
      await sweep.searchSuspects()
    }
    // Where one was there may be more: what a worker held is lost together.
    if (sweep.foundSuspect) this.#suspectsAt = Number.NEGATIVE_INFINITY
  }

  /** A shard may have a name of its own for its part of the namespace. */
  #own(record: JobRecord): JobRecord {
    return record.namespace === this.namespace ? record : { ...record, namespace: this.namespace }
  }
}
