// What tests of a sharded namespace work with: shards in memory that count their calls and can be taken away.
import type {
  GroupAnswer,
  JobPage,
  ListRequest,
  MaintainReport,
  Reserved,
  ReserveRequest,
  Settled,
  SettleRequest,
} from '../../src/broker/contract.ts'
import { placement } from '../../src/broker/shards/place.ts'
import { ShardedBroker } from '../../src/broker/shards/sharded.ts'
import { MemoryBroker } from '../../src/brokers/memory/memory.ts'
import { OffstageError } from '../../src/errors/error.ts'
import type { JobSpec } from '../../src/job/record.ts'
import { spec } from '../../src/laws/factories.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'

/** A shard that may be away: then its calls reject, or are never answered. */
export class TestShard extends MemoryBroker {
  readonly calls: string[] = []
  readonly reserves: ReserveRequest[] = []
  readonly lists: ListRequest[] = []
  state: 'there' | 'away' | 'hanging' = 'there'

  override open(): Promise<void> {
    return this.#call('open', () => super.open())
  }

  override enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    return this.#call('enqueue', () => super.enqueue(groups))
  }

  override reserve(request: ReserveRequest): Promise<Reserved> {
    this.reserves.push(request)
    return this.#call('reserve', () => super.reserve(request))
  }

  override settle(request: SettleRequest): Promise<Settled> {
    if (request.next !== undefined) this.reserves.push(request.next)
    return this.#call('settle', () => super.settle(request))
  }

  override extend(...args: Parameters<MemoryBroker['extend']>): ReturnType<MemoryBroker['extend']> {
    return this.#call('extend', () => super.extend(...args))
  }

  override get(ids: readonly string[]): ReturnType<MemoryBroker['get']> {
    return this.#call('get', () => super.get(ids))
  }

  override list(request: ListRequest): Promise<JobPage> {
    this.lists.push(request)
    return this.#call('list', () => super.list(request))
  }

  override maintain(): Promise<MaintainReport> {
    return this.#call('maintain', () => super.maintain())
  }

  override health(): ReturnType<MemoryBroker['health']> {
    return this.#call('health', () => super.health())
  }

  async #call<T>(name: string, run: () => Promise<T>): Promise<T> {
    this.calls.push(name)
    if (this.state === 'away') throw new OffstageError('BROKER_UNAVAILABLE', 'the node is away')
    if (this.state === 'hanging') return new Promise(() => undefined)
    return run()
  }
}

export interface Kit {
  readonly broker: ShardedBroker
  readonly shards: readonly TestShard[]
  readonly clock: ManualClock
  /** The calls that the shards got since the last look, by shard. */
  calls(): string[][]
  /** A job that lives in that shard. */
  jobIn(shard: number, fields?: Partial<JobSpec>): JobSpec
}

export async function shardedKit(count = 4): Promise<Kit> {
  const clock = new ManualClock()
  const shards = Array.from({ length: count }, () => new TestShard({ clock }))
  const broker = new ShardedBroker({ name: 'sharded', namespace: 'default', shards, clock })
  await broker.open()
  for (const { calls } of shards) calls.splice(0)
  const { shardOf } = placement(count)
  return {
    broker,
    shards,
    clock,
    calls: () => shards.map(({ calls }) => calls.splice(0)),
    jobIn: (shard, fields = {}) => {
      for (let n = 0; ; n += 1) {
        const job = spec({ ...fields, ...(fields.id !== undefined && { id: `${fields.id}~${n}` }) })
        if (shardOf(job.id) === shard) return job
      }
    },
  }
}
