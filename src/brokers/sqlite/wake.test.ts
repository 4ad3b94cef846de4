import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeJson } from '../../job/codec.ts'
import { defaultRetention } from '../../job/defaults.ts'
import type { JobSpec } from '../../job/record.ts'
import { systemClock } from '../../runtime/clock.ts'
import { type SqliteBroker, sqlite } from './sqlite.ts'
import { WakeFile } from './wake-file.ts'

const request = {
  queues: ['mail'],
  max: 10,
  leaseMs: 60_000,
  worker: 'w',
  starting: 10,
  suspects: 1,
} as const

function spec(id: string): JobSpec {
  const input = encodeJson(id)
  return { id, task: 'send', queue: 'mail', priority: 5, input, retention: defaultRetention, maxCrashes: 3 }
}

let folder: string
let producer: SqliteBroker
let consumer: SqliteBroker

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-wake-'))
  const file = join(folder, 'jobs.db')
  producer = sqlite({ file })
  consumer = sqlite({ file })
  await producer.open()
  await consumer.open()
})
afterEach(async () => {
  await producer.close()
  await consumer.close()
  rmSync(folder, { recursive: true, force: true })
})

test('upkeep and signs of life do not swallow the news of work that another process wrote', async () => {
  for (let round = 0; round < 20; round += 1) {
    await consumer.reserve(request)
    const woken = consumer.wake(['mail'], AbortSignal.timeout(10_000)).then(() => performance.now())
    // Makes sure that the wait has reached the thread.
    await consumer.queues()
    const startedAt = performance.now()
    let enqueued = false
    const enqueue = producer.enqueue([[spec(`job-${round}`)]]).then(() => {
      enqueued = true
    })
    while (!enqueued) await consumer.maintain()
    await enqueue
    await consumer.maintain()
    expect((await woken) - startedAt).toBeLessThan(9_000)
  }
})

test('the file for waking does not grow with the touches', async () => {
  const size = (): number => statSync(join(folder, 'jobs.db-wake')).size
  for (let n = 0; n < 20; n += 1) {
    const woken = consumer.wake(['mail'], AbortSignal.timeout(10_000))
    await producer.enqueue([[spec(`job-${n}`)]])
    await woken
    await consumer.reserve(request)
  }
  expect(size()).toBeLessThanOrEqual(1)
})

test.each([
  ['removed', (path: string) => rmSync(path)],
  ['moved away', (path: string) => renameSync(path, `${path}-old`)],
])('who touched the file before it was %s is heard by those who watch the new one', async (_, harm) => {
  const file = join(folder, 'other.db')
  let heard = 0
  const near = new WakeFile(file, systemClock, () => undefined)
  const far = new WakeFile(file, systemClock, () => {
    heard += 1
  })
  try {
    far.watch(true)
    near.touch()
    await vi.waitFor(() => expect(heard).toBeGreaterThan(0))
    harm(`${file}-wake`)
    await vi.waitFor(() => expect(existsSync(`${file}-wake`)).toBe(true))
    heard = 0
    near.touch()
    await vi.waitFor(() => expect(heard).toBeGreaterThan(0))
  } finally {
    near.close()
    far.close()
  }
})
