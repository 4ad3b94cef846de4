// A namespace over several shards as the laws' suite wants it: over memory brokers, on a clock that is moved.
import type { Capabilities, LimitRule } from '../../src/broker/contract.ts'
import { type Placement, placement } from '../../src/broker/shards/place.ts'
import { ShardedBroker, type ShardedOptions } from '../../src/broker/shards/sharded.ts'
import { MemoryBroker } from '../../src/brokers/memory/memory.ts'
import type { BrokerHarness } from '../../src/laws/index.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'

const name = 'sharded'
const namespace = 'default'

/** Jobs are spread by their ids. */
export function spreadHarness(shards: number): BrokerHarness {
  const clock = new ManualClock()
  return {
    name: `${shards} shards in memory`,
    capabilities: { ...new MemoryBroker().capabilities, shards },
    open: () =>
      opened(new ShardedBroker({ ...memoryShards(shards, clock), name, namespace, suspectsEveryMs: 0 })),
    advance: (ms) => clock.advance(ms),
  }
}

/**
 * All jobs belong together and live in one of several shards, where each call has to find them: every law holds, and
 * limits, which are not divided here, as well.
 */
export function togetherHarness(shards: number, shard: number): BrokerHarness {
  const clock = new ManualClock()
  return {
    name: `one of ${shards} shards in memory`,
    capabilities: new MemoryBroker().capabilities,
    open: () =>
      opened(new Together({ ...memoryShards(shards, clock), name, namespace, suspectsEveryMs: 0 }, shard)),
    advance: (ms) => clock.advance(ms),
  }
}

class Together extends ShardedBroker {
  /** There is nothing between shards here that would be weaker. */
  override readonly capabilities: Capabilities = new MemoryBroker().capabilities
  readonly #shard: ShardedOptions['shards'][number] | undefined

  constructor(options: ShardedOptions, shard: number) {
    super({ ...options, placement: together(options.shards.length, shard) })
    this.#shard = options.shards[shard]
  }

  override async limit(rules: readonly LimitRule[]): Promise<void> {
    await this.#shard?.limit(rules)
  }
}

function together(shards: number, shard: number): Placement {
  return { ...placement(shards), shardOf: () => shard, place: ({ id }) => id, refusal: () => undefined }
}

function memoryShards(count: number, clock: ManualClock): Pick<ShardedOptions, 'shards' | 'clock'> {
  return { shards: Array.from({ length: count }, () => new MemoryBroker({ clock })), clock }
}

async function opened(broker: ShardedBroker): Promise<ShardedBroker> {
  await broker.open()
  return broker
}
