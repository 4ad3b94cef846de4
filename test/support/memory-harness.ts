// The memory broker as the laws' suite and the properties want it: on a clock that is moved, or on the system's.
import { type MemoryBroker, memory } from '../../src/brokers/memory/memory.ts'
import type { BrokerHarness } from '../../src/laws/index.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'

export function memoryHarness(): BrokerHarness {
  const clock = new ManualClock()
  return {
    name: 'memory, on a clock that is moved',
    capabilities: memory().capabilities,
    open: () => opened(memory({ clock })),
    advance: (ms) => clock.advance(ms),
  }
}

export function realTimeMemoryHarness(): BrokerHarness {
  return {
    name: 'memory, in real time',
    capabilities: memory().capabilities,
    open: () => opened(memory()),
  }
}

async function opened(broker: MemoryBroker): Promise<MemoryBroker> {
  await broker.open()
  return broker
}
