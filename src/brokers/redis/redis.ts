// The Redis broker. A namespace, or a shard of one, is a set of keys with one hash tag; each call of the contract is one
// script on it, so that it is atomic and one trip. The scripts stand in `lua/`, what they take and answer in the
// `wire-…` files, the connections in `client.ts`. `docs/brokers/redis.md` has the table of keys.
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
} from '../../broker/contract.ts'
import type { ReachableBroker, Way } from '../../broker/reaching.ts'
import { ShardedBroker } from '../../broker/shards/sharded.ts'
import { OffstageError } from '../../errors/error.ts'
import type { JobRecord, JobSpec } from '../../job/record.ts'
import type { Clock } from '../../runtime/clock.ts'
import { createRedisClient, type RedisClient } from './client/client.ts'
import { checkKeys, noteLayout } from './keys.ts'
import { Messages } from './messages.ts'
import { type RedisOptions, readOptions, type Settings } from './options.ts'
import * as records from './records.ts'
import * as registry from './registry.ts'
import { wayTo } from './reopen.ts'
import { Signals } from './signals.ts'
import type { Space } from './space.ts'
import { Kinds } from './wire/kinds.ts'

export type { RedisOptions, TlsOptions } from './options.ts'

/**
 * A broker on Redis 6.2 or newer, or Valkey.
 *
 * @param options a URL (`redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://`) or options
 * @throws OPTION_INVALID
 */
export function redis(options: string | RedisOptions = {}): Broker {
  return redisBroker(readOptions(options))
}

export function redisBroker(settings: Settings): Broker {
  const { prefix, namespace, shards, clock } = settings
  const client = createRedisClient(settings)
  let users = shards
  const release = async (): Promise<void> => {
    users -= 1
    if (users === 0) await client.close()
  }
  // A slash is in no name, so that no shard is taken for another namespace.
  const base = (shard?: number): string =>
    `${prefix}{${shard === undefined ? namespace : `${namespace}/${shard}`}}:`
  const reach = (): Way | string => wayTo(settings)
  const common = { client, release, namespace, clock, shards, reach }
  if (shards === 1) return new RedisBroker({ ...common, base: base(), others: base(0) })
  const all = Array.from(
    { length: shards },
    (_, i) => new RedisBroker({ ...common, base: base(i), others: base() }),
  )
  return new ShardedBroker({ name: 'redis', namespace, shards: all, clock, reach })
}

export interface Shard {
  /** Shared by the shards of a namespace. */
  readonly client: RedisClient
  /** Closes the client with the last of those who share it. */
  readonly release: () => Promise<void>
  /** The base of all keys. */
  readonly base: string
  readonly namespace: string
  readonly clock: Clock
  /** Over how many shards the namespace is spread. Default 1. */
  readonly shards?: number | undefined
  /** The base of keys that have to be absent: those of the namespace if it were spread, or not. */
  readonly others?: string | undefined
  /** How another thread gets there. Default: not at all. */
  readonly reach?: (() => Way | string) | undefined
}

export class RedisBroker implements ReachableBroker {
  readonly name = 'redis'
  readonly namespace: string
  readonly capabilities: Capabilities = {
    durability: 'process',
    shared: true,
    wakesOthers: true,
    outages: true,
    records: true,
    transactions: false,
  }
  readonly #client: RedisClient
  readonly #release: () => Promise<void>
  readonly #shards: number
  readonly #others: string
  readonly #reach: (() => Way | string) | undefined
  readonly #space: Space
  readonly #signals: Signals
  readonly #messages: Messages
  #opening: Promise<void> | undefined
  #noting: Promise<void> | undefined
  #state: 'new' | 'open' | 'closed' = 'new'

  constructor({ client, release, base, namespace, clock, shards = 1, others = `${base}/`, reach }: Shard) {
    this.#release = release
    this.#reach = reach
    this.namespace = namespace
    this.#client = client
    this.#shards = shards
    this.#others = others
    this.#space = { client, base, namespace, kinds: new Kinds() }
    this.#signals = new Signals(this.#space, clock)
    this.#messages = new Messages(this.#space, this.#signals, clock)
  }

  async open(): Promise<void> {
    if (this.#state === 'closed') throw closedError('was closed')
    this.#opening ??= this.#open()
    try {
      await this.#opening
    } finally {
      if (this.#state !== 'open') this.#opening = undefined
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await this.#signals.close()
    await this.#release()
  }

  reach(): Way | string {
    return this.#reach?.() ?? 'its broker was made of parts'
  }

  async health(): Promise<BrokerHealth> {
    const { base } = this.#opened()
    const facts = await this.#client.facts(base)
    const { engine, address, persistence, warnings, advice, ...others } = facts
    const [seconds, micros] = (await this.#client.command(base, 'TIME', [])) as [Buffer, Buffer]
    const shown = Object.entries(others).filter(([, value]) => value !== undefined)
    return {
      now: Number(seconds.toString()) * 1_000 + Math.floor(Number(micros.toString()) / 1_000),
      location: address,
      engine,
      durability: persistence,
      warnings: [...warnings, ...advice],
      facts: Object.fromEntries(shown) as { [name: string]: string | number },
    }
  }

  // ── the message half ───────────────────────────────────────────────────────────────────────────────────────────

  async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const space = this.#opened()
    this.#noting ??= noteLayout(space, this.#shards)
    // On the same connection before the jobs; whoever only looks leaves nothing behind.
    this.#noting.catch(() => {
      this.#noting = undefined
    })
    return this.#messages.enqueue(groups)
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    this.#opened()
    return this.#messages.reserve(request)
  }

  async settle(request: SettleRequest): Promise<Settled> {
    this.#opened()
    return this.#messages.settle(request)
  }

  async extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    this.#opened()
    return this.#messages.extend(leases, leaseMs)
  }

  async wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#state === 'open') await this.#signals.wait(queues, signal)
  }

  async maintain(): Promise<MaintainReport> {
    this.#opened()
    return this.#messages.maintain()
  }

  // ── the record half ────────────────────────────────────────────────────────────────────────────────────────────

  async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    return records.get(this.#opened(), ids)
  }

  async list(request: ListRequest): Promise<JobPage> {
    return records.list(this.#opened(), request)
  }

  async cancel(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'cancel', selection)
  }

  async retry(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'retry', selection)
  }

  async remove(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'remove', selection)
  }

  async promote(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'promote', selection)
  }

  async publish(workflow: string): Promise<boolean> {
    return registry.publish(this.#opened(), workflow)
  }

  async queues(): Promise<readonly QueueInfo[]> {
    return registry.queues(this.#opened())
  }

  async pause(queue: string, paused: boolean): Promise<void> {
    return registry.pause(this.#opened(), queue, paused)
  }

  async limit(rules: readonly LimitRule[]): Promise<void> {
    return registry.limit(this.#opened(), rules)
  }

  async limits(): Promise<readonly LimitRule[]> {
    return registry.limits(this.#opened())
  }

  async beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
    return registry.beat(this.#opened(), worker, ttlMs)
  }

  async leave(worker: string): Promise<void> {
    return registry.leave(this.#opened(), worker)
  }

  async workers(): Promise<readonly WorkerInfo[]> {
    return registry.workers(this.#opened())
  }

  async putSchedule(schedule: Schedule): Promise<void> {
    return registry.putSchedule(this.#opened(), schedule)
  }

  async schedules(): Promise<readonly Schedule[]> {
    return registry.schedules(this.#opened())
  }

  async removeSchedule(id: string): Promise<boolean> {
    return registry.removeSchedule(this.#opened(), id)
  }

  async fire(tick: {
    schedule: string
    tick: number
    nextAt: number
    job?: JobSpec | undefined
  }): Promise<boolean> {
    return registry.fire(this.#opened(), tick)
  }

  async write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> {
    return registry.write(this.#opened(), notes)
  }

  async logs(id: string, afterSeq?: number): Promise<readonly LogLine[]> {
    return registry.logs(this.#opened(), id, afterSeq)
  }

  async steps(id: string): Promise<readonly Step[]> {
    return registry.steps(this.#opened(), id)
  }

  async events(listener: (events: readonly JobEvent[]) => void, signal: AbortSignal): Promise<void> {
    if (this.#state === 'open') await this.#signals.listen(listener, signal)
  }

  async counters(fromAt: number, toAt: number): Promise<readonly CounterRow[]> {
    return registry.counters(this.#opened(), fromAt, toAt)
  }

  async #open(): Promise<void> {
    await this.#client.open()
    await checkKeys(this.#space, this.#shards, this.#others)
    if (this.#state === 'new') this.#state = 'open'
  }

  #opened(): Space {
    if (this.#state === 'open') return this.#space
    throw closedError(this.#state === 'new' ? 'is not open yet' : 'was closed')
  }
}

function closedError(what: string): OffstageError {
  return new OffstageError('BROKER_CLOSED', `the Redis broker ${what}`)
}
