import { expect, test } from 'vitest'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import type { JobRecord } from '../job/record.ts'
import { silentLogger } from '../runtime/logger.ts'
import { ManualClock } from '../runtime/manual-clock.ts'
import { Watcher } from './watcher.ts'

class CountingBroker extends MemoryBroker {
  asked = 0

  override async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    this.asked += ids.length
    return ids.map(() => undefined)
  }
}

test.each([
  [10, 5],
  [10_000, 20],
])('%i jobs are asked for again, and no more than 5,000 in a second', async (jobs, seconds) => {
  const clock = new ManualClock()
  const broker = new CountingBroker()
  await broker.open()
  const watcher = new Watcher({ broker: async () => broker, logger: silentLogger }, clock)
  for (let i = 0; i < jobs; i += 1) {
    watcher.watch(`job-${i}`, { see: () => undefined, fail: () => undefined })
  }
  await expect.poll(() => broker.asked, { interval: 1 }).toBe(jobs)
  for (let ms = 0; ms < seconds * 1_000; ms += 10) {
    clock.advance(10)
    await new Promise(setImmediate)
  }
  expect(broker.asked).toBeGreaterThan(2 * jobs)
  expect(broker.asked - jobs).toBeLessThan(5_100 * seconds)
  watcher.failAll(new Error('over'))
  await broker.close()
})
