import { expect, test } from 'vitest'
import type { PlacingBroker } from '../broker/placing.ts'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import { OffstageError } from '../errors/error.ts'
import type { JobRecord, JobSpec } from '../job/record.ts'
import { spec } from '../laws/factories.ts'
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

/** Jobs whose ids begin with `away` live in a shard that does not answer. */
class ShardedBroker extends MemoryBroker implements PlacingBroker {
  place({ id }: JobSpec): string {
    return id
  }

  shardOf(id: string): number {
    return id.startsWith('away') ? 1 : 0
  }

  override get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    if (!ids.some((id) => id.startsWith('away'))) return super.get(ids)
    return Promise.reject(new OffstageError('BROKER_UNAVAILABLE', 'the shard is away'))
  }
}

test('jobs whose shard is away keep no others from being seen', async () => {
  const clock = new ManualClock()
  const broker = new ShardedBroker({ clock })
  await broker.open()
  await broker.enqueue([[spec({ id: 'there' })]])
  const watcher = new Watcher({ broker: async () => broker, logger: silentLogger }, clock)
  const seen: string[] = []
  for (const id of ['away-1', 'there', 'away-2', 'gone']) {
    const see = (record: JobRecord | undefined): void => void seen.push(`${id}: ${record?.state}`)
    watcher.watch(id, { see, fail: () => seen.push(`${id} failed`) })
  }
  await expect
    .poll(() => new Set(seen), { interval: 1 })
    .toEqual(new Set(['there: ready', 'gone: undefined']))
  await broker.cancel({ ids: ['there'] })
  await expect
    .poll(
      () => {
        clock.advance(20)
        return new Set(seen)
      },
      { interval: 1 },
    )
    .toEqual(new Set(['there: ready', 'gone: undefined', 'there: cancelled']))
  watcher.failAll(new Error('over'))
  await broker.close()
})
