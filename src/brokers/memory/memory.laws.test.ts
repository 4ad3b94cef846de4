// The laws on the memory broker: all of them with a clock that the suite moves, and law 7 with real time and timers.
import { describe, test } from 'vitest'
import { type BrokerHarness, laws, runCase, skipReason } from '../../laws/index.ts'
import type { Clock } from '../../runtime/clock.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { MemoryBroker } from './memory.ts'

const clock = new ManualClock()
const moved: BrokerHarness = { ...harness('memory', clock), advance: (ms) => clock.advance(ms) }
const inRealTime = harness('memory in real time')

function harness(name: string, clock?: Clock): BrokerHarness {
  const open = async (): Promise<MemoryBroker> => {
    const broker = new MemoryBroker({ clock })
    await broker.open()
    return broker
  }
  return { name, capabilities: new MemoryBroker().capabilities, open }
}

for (const [judged, which] of [
  [moved, laws],
  [inRealTime, laws.filter(({ number }) => number === 7)],
] as const) {
  describe.each(which)(`${judged.name}: law $number, $name`, ({ cases }) => {
    for (const lawCase of cases) {
      const reason = skipReason(lawCase, judged)
      const name = reason === undefined ? lawCase.name : `${lawCase.name} (${reason})`
      test.skipIf(reason !== undefined)(name, () => runCase(lawCase, judged))
    }
  })
}
