import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeJson } from '../../job/codec.ts'
import { defaultRetention } from '../../job/defaults.ts'
import { type SqliteBroker, sqlite } from './sqlite.ts'

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
  const request = {
    queues: ['mail'],
    max: 10,
    leaseMs: 60_000,
    worker: 'w',
    starting: 10,
    suspects: 1,
  } as const
  for (let round = 0; round < 20; round += 1) {
    await consumer.reserve(request)
    const woken = consumer.wake(['mail'], AbortSignal.timeout(10_000)).then(() => performance.now())
    // Makes sure that the wait has reached the thread.
    await consumer.queues()
    const startedAt = performance.now()
    const job = {
      id: `job-${round}`,
      task: 'send',
      queue: 'mail',
      priority: 5,
      input: encodeJson(round),
      retention: defaultRetention,
      maxCrashes: 3,
    }
    let enqueued = false
    const enqueue = producer.enqueue([[job]]).then(() => {
      enqueued = true
    })
    while (!enqueued) await consumer.maintain()
    await enqueue
    await consumer.maintain()
    expect((await woken) - startedAt).toBeLessThan(9_000)
  }
})
