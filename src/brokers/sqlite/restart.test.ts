// Proves that a broker whose thread died goes on with a new one.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MessagePort, Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { JobEvent } from '../../broker/contract.ts'
import { encodeJson } from '../../job/codec.ts'
import { defaultRetention } from '../../job/defaults.ts'
import type { JobSpec } from '../../job/record.ts'
import { type SqliteBroker, sqlite } from './sqlite.ts'

const threads: Worker[] = []
vi.mock(import('../../runtime/threads.ts'), async (original) => {
  const module = await original()
  return {
    ...module,
    startThread: (...args) => {
      const thread = module.startThread(...args)
      threads.push(thread)
      return thread
    },
  }
})

let folder: string
let broker: SqliteBroker

beforeEach(async () => {
  threads.length = 0
  folder = mkdtempSync(join(tmpdir(), 'offstage-restart-'))
  broker = sqlite({ file: join(folder, 'jobs.db') })
  await broker.open()
})
afterEach(async () => {
  await broker.close()
  rmSync(folder, { recursive: true, force: true })
})

function spec(id: string): JobSpec {
  const input = encodeJson(id)
  return { id, task: 'send', queue: 'mail', priority: 5, input, retention: defaultRetention, maxCrashes: 3 }
}

test('the calls under way are rejected as worth repeating, and the next ones find a new thread', async () => {
  await broker.enqueue([[spec('before')]])
  const ended = threads[0]?.terminate()
  await expect(broker.enqueue([[spec('during')]])).rejects.toMatchObject({
    code: 'STORE_FAILED',
    retryable: true,
  })
  await ended
  await broker.enqueue([[spec('after')]])
  const [before, after] = await broker.get(['before', 'after'])
  expect([before?.state, after?.state]).toEqual(['ready', 'ready'])
  expect(threads).toHaveLength(2)
})

test('a way to a thread that has died ends at once, so that another can be asked for', async () => {
  await threads[0]?.terminate()
  const way = broker.reach()
  if (typeof way === 'string') throw new Error(way)
  const { port } = way.data as { readonly port: MessagePort }
  await once(port, 'close')
})

test('many calls at once start one thread, and who listened still hears', async () => {
  const heard: JobEvent[] = []
  let hear: () => void = () => undefined
  const listening = new AbortController()
  await broker.events((events) => {
    heard.push(...events)
    hear()
  }, listening.signal)
  await threads[0]?.terminate()
  await Promise.all([broker.queues(), broker.maintain(), broker.workers()])
  expect(threads).toHaveLength(2)
  const told = new Promise<void>((resolve) => {
    hear = resolve
  })
  await broker.enqueue([[spec('job')]])
  await told
  expect(heard.map(({ id }) => id)).toContain('job')
  listening.abort()
})

test('a closed broker stays closed', async () => {
  await threads[0]?.terminate()
  await broker.close()
  await expect(broker.queues()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  expect(threads).toHaveLength(1)
})
