import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { task, turns } from '../../test/support/worker-kit.ts'
import { memory } from '../brokers/memory/memory.ts'
import { encodeJson } from '../job/codec.ts'
import { silentLogger } from '../runtime/logger.ts'
import { ManualClock } from '../runtime/manual-clock.ts'
import type { Attempt } from './attempt.ts'
import { Claims } from './claims.ts'
import { workerSettings } from './options.ts'
import { Pace } from './pace.ts'
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
    { worker: 'w', broker: new PatientBroker(broker, clock, 1_000), clock, logger: silentLogger, settings },
    new Map([[work.name, work]]),
    new Pace(1, 100),
    { execute: (attempt) => void running.push(attempt), giveBack: () => {}, onChunk: () => {} },
  )
  let made = 0
  const offer = (count: number): void => {
    const jobs = Array.from({ length: count }, () => {
      made += 1
      return {
        id: `job-${made}`,
        version: 1,
        task: work.name,
        queue: 'default',
        priority: 5,
        input: encodeJson(made),
        token: made,
        failures: 0,
        crashes: 0,
        suspect: false,
        createdAt: 0,
      }
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
