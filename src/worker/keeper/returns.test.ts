import { beforeEach, expect, test } from 'vitest'
import type { SettleRequest } from '../../broker/message.ts'
import { MemoryBroker } from '../../brokers/memory/memory.ts'
import { request, specs } from '../../laws/factories.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { workerSettings } from '../options.ts'
import { PatientBroker } from '../patient.ts'
import { Returns } from './returns.ts'

let clock: ManualClock
let broker: MemoryBroker
let failures: number
let settled: SettleRequest[]
let warnings: number
let returns: Returns

beforeEach(async () => {
  clock = new ManualClock()
  broker = new MemoryBroker({ clock })
  failures = 0
  settled = []
  warnings = 0
  await broker.open()
  const settle = broker.settle.bind(broker)
  broker.settle = (asked) => {
    settled.push(asked)
    failures -= 1
    return failures >= 0 ? Promise.reject(new Error('cut')) : settle(asked)
  }
  const task = { name: 'a', queue: 'default', retry: { attempts: 1, baseMs: 1, maxMs: 1 } }
  const runnable = {
    ...task,
    readInput: () => 1,
    writeOutput: () => ({ codec: 0, bytes: new Uint8Array() }),
    run: () => 1,
  }
  returns = new Returns({
    broker: new PatientBroker(broker, clock, 15_000),
    clock,
    logger: {
      ...silentLogger,
      warn: () => {
        warnings += 1
      },
    },
    settings: workerSettings({ lease: '15s' }, [runnable]),
  })
})

/** Lets time pass until nothing is under way. */
async function ended(): Promise<void> {
  let over = false
  void returns.stop().then(() => {
    over = true
  })
  for (let turn = 0; !over; turn += 1) {
    if (turn > 10_000) throw new Error('it goes on and on')
    clock.advance(10)
    await new Promise(setImmediate)
  }
}

test('jobs go back to their places, as many a trip as one may have', async () => {
  await broker.enqueue([specs(600, 'a'), specs(600, 'b')])
  const first = await broker.reserve(request({ worker: 'w', max: 1_000 }))
  const second = await broker.reserve(request({ worker: 'w', max: 1_000 }))
  returns.add([...first.jobs, ...second.jobs])
  await ended()
  expect(settled.map(({ outcomes }) => outcomes.length)).toEqual([1_000, 200])
  const again = await broker.reserve(request({ max: 1_000 }))
  expect(again.jobs.map(({ id }) => id)).toEqual(first.jobs.map(({ id }) => id))
})

test('a broker that is away is asked again, with one line for it, until the leases have ended', async () => {
  await broker.enqueue([specs(2, 'a')])
  const { jobs } = await broker.reserve(request({ worker: 'w', max: 2 }))
  failures = 3
  returns.add(jobs)
  await ended()
  expect([settled.length, warnings]).toEqual([4, 1])
  expect((await broker.reserve(request({ max: 2 }))).jobs).toHaveLength(2)

  failures = Number.POSITIVE_INFINITY
  const startedAt = clock.monotonic()
  returns.add(jobs)
  await ended()
  expect(clock.monotonic() - startedAt).toBeLessThan(17_000)
})
