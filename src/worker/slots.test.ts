import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { task, turns } from '../../test/support/worker-kit.ts'
import { memory } from '../brokers/memory/memory.ts'
import { encodeJson } from '../job/codec.ts'
import { silentLogger } from '../runtime/logger.ts'
import { ManualClock } from '../runtime/manual-clock.ts'
import type { Attempt } from './attempt.ts'
import { Claims } from './claims.ts'
import { workerSettings } from './options.ts'
import { HORIZON_MS, Pace } from './pace.ts'
import { PatientBroker } from './patient.ts'
import { Slots } from './slots.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

test('a line that is never empty lets go of the claims that have left it', async () => {
  const work = task(() => null)
  const clock = new ManualClock()
  const settings = workerSettings({ concurrency: 1 }, [work])
  const broker = memory()
  const claims = new Claims()
  const running: Attempt[] = []
  const slots = new Slots(
    {
      worker: 'w',
      broker: new PatientBroker(broker, clock, 1_000),
      clock,
      logger: silentLogger,
      settings,
      concurrency: { now: 1 },
    },
    new Map([[work.name, work]]),
    new Pace(100),
    {
      execute: (attempt) => void running.push(attempt),
      giveBack: () => {},
      onChunk: () => {},
      onClose: () => {},
    },
  )
  let made = 0
  const offer = (count: number): void => {
    const jobs = Array.from({ length: count }, () => {
      made += 1
      return reserved(work.name, made)
    })
    slots.offer(claims.add({ jobs, now: 0 }, 0, 1_000_000))
    slots.fill()
  }
  offer(10)
  const first: WeakRef<Attempt['claim']>[] = []
  for (let round = 0; round < 50; round += 1) {
    offer(1)
    const attempt = running.pop()
    if (attempt === undefined) throw new Error('nothing runs')
    if (round < 20) first.push(new WeakRef(attempt.claim))
    claims.delete(attempt.claim)
    slots.freed(attempt, 1)
    await turns(1)
  }
  expect(slots.waiting).toBeGreaterThan(0)
  gc()
  // The engine may hold on to the odd one for a moment.
  expect(first.filter((claim) => claim.deref() !== undefined).length).toBeLessThan(3)
})

describe('what waits and does not start', () => {
  /** One slot, held by a job that does not end, and nine jobs behind it; a loop that may be held. */
  function stuck() {
    const work = task(() => null)
    const clock = new ManualClock()
    const loop = { heldMs: 0 }
    const env = {
      worker: 'w',
      broker: new PatientBroker(memory(), clock, 1_000),
      clock: {
        now: () => clock.now(),
        monotonic: () => clock.monotonic() + loop.heldMs,
        schedule: (ms: number, run: () => void) => clock.schedule(ms, run),
      },
      logger: silentLogger,
      settings: workerSettings({ concurrency: 1 }, [work]),
      concurrency: { now: 1 },
    }
    const back: string[] = []
    const slots = new Slots(env, new Map([[work.name, work]]), new Pace(100), {
      execute: () => {},
      giveBack: ({ id }) => void back.push(id),
      onChunk: () => {},
      onClose: () => {},
    })
    const jobs = Array.from({ length: 10 }, (_, i) => reserved(work.name, i))
    slots.offer(new Claims().add({ jobs, now: 0 }, 0, 1_000_000))
    slots.fill()
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms)
      await turns(2)
    }
    return { slots, loop, back, pass }
  }

  test('goes back, from the end of the line, beyond twice what has started lately', async () => {
    const { slots, back, pass } = stuck()
    await pass(HORIZON_MS - 1)
    expect(back).toEqual([])
    await pass(1)
    expect([back, slots.waiting]).toEqual([
      ['job-3', 'job-4', 'job-5', 'job-6', 'job-7', 'job-8', 'job-9'],
      2,
    ])
    await pass(HORIZON_MS)
    expect([back.length, slots.waiting]).toEqual([9, 0])
  })

  test('stays where it was the loop that was held', async () => {
    const { slots, loop, back, pass } = stuck()
    loop.heldMs = 300
    await pass(HORIZON_MS)
    expect([back, slots.waiting]).toEqual([[], 9])
    await pass(HORIZON_MS)
    expect(slots.waiting).toBe(0)
  })

  test('all of it goes back when the worker stops', () => {
    const { slots, back } = stuck()
    slots.close()
    expect([back.length, slots.waiting, slots.running.size]).toEqual([9, 0, 1])
  })
})

function reserved(name: string, i: number) {
  return {
    id: `job-${i}`,
    version: 1,
    task: name,
    queue: 'default',
    priority: 5,
    input: encodeJson(i),
    token: i + 1,
    failures: 0,
    crashes: 0,
    suspect: false,
    createdAt: 0,
  }
}
