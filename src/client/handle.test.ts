import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobEvent, Outcome } from '../broker/contract.ts'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import { OffstageError } from '../errors/error.ts'
import { encodeJson } from '../job/codec.ts'
import type { JobRecord } from '../job/record.ts'
import { storedError } from '../job/stored-error.ts'
import { silentLogger } from '../runtime/logger.ts'
import { resolveDefinition } from '../task/resolve.ts'
import { TestClock } from '../testing/clock.ts'
import { Client } from './client.ts'
import type { JobSnapshot } from './snapshot.ts'

/** Counts what is asked, and can keep its events to itself. */
class AskedBroker extends MemoryBroker {
  asked: number[] = []
  mute = false
  listeners = 0
  failure: Error | undefined

  override async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    this.asked.push(ids.length)
    if (this.failure !== undefined) throw this.failure
    return super.get(ids)
  }

  override async events(listener: (events: readonly JobEvent[]) => void, signal: AbortSignal): Promise<void> {
    this.listeners += 1
    signal.addEventListener('abort', () => {
      this.listeners -= 1
    })
    return super.events((events) => (this.mute ? undefined : listener(events)), signal)
  }
}

const definition = resolveDefinition({ name: 'mail' }, {})
let broker: AskedBroker
let client: Client
let clock: TestClock

beforeEach(async () => {
  clock = new TestClock()
  broker = new AskedBroker({ clock })
  await broker.open()
  client = new Client({
    broker: async () => broker,
    clock,
    logger: silentLogger,
    middleware: [],
    maxPayloadBytes: 1_000,
  })
})

afterEach(async () => {
  await client.close(new OffstageError('APP_CLOSED', 'closed'))
  await broker.close()
})

async function claim(): Promise<{ id: string; token: number }> {
  const { jobs } = await broker.reserve({
    queues: ['default'],
    max: 1,
    leaseMs: 60_000,
    worker: 'w',
    starting: 1,
    suspects: 0,
  })
  const [job] = jobs
  if (job === undefined) throw new Error('nothing to claim')
  return { id: job.id, token: job.token }
}

type Ending = Outcome extends infer O ? (O extends Outcome ? Omit<O, 'id' | 'token'> : never) : never

async function end(ending: Ending): Promise<void> {
  const lease = await claim()
  await broker.settle({ outcomes: [{ ...lease, ...ending } as Outcome] })
}

const succeed = (value: unknown): Promise<void> => end({ kind: 'succeeded', result: encodeJson(value) })

describe('result', () => {
  test('of a job that has ended already', async () => {
    const job = await client.enqueue(definition, 1)
    await succeed({ id: 7 })
    expect(await job.result()).toEqual({ id: 7 })
    expect(await client.handle(job.id).result()).toEqual({ id: 7 })
  })

  test('of a job that ends later, by an event', async () => {
    const job = await client.enqueue(definition, 1)
    const result = job.result()
    await expect.poll(() => broker.listeners).toBe(1)
    await succeed(undefined)
    expect(await result).toBeUndefined()
    await expect.poll(() => broker.listeners).toBe(0)
  })

  test('of a job that ends later, by asking, where events are lost', async () => {
    broker.mute = true
    const job = await client.enqueue(definition, 1)
    const result = job.result()
    await expect.poll(() => broker.asked.length).toBeGreaterThan(0)
    await succeed('late')
    expect(await result).toBe('late')
  })

  test('of many jobs: one question for all of them', async () => {
    const jobs = await client.enqueueMany(
      definition,
      Array.from({ length: 1_200 }, (_, n) => n),
    )
    for (let i = 0; i < jobs.length; i++) await succeed(i)
    const results = await Promise.all(jobs.map((job) => job.result()))
    expect(results[1_199]).toBe(1_199)
    expect(broker.asked).toEqual([500, 500, 200])
  })

  test('of a job in a broker that refuses to tell events', async () => {
    broker.events = () => Promise.reject(new OffstageError('BROKER_UNSUPPORTED', 'no events'))
    const job = await client.enqueue(definition, 1)
    const result = job.result()
    await expect.poll(() => broker.asked.length).toBeGreaterThan(0)
    await succeed('asked')
    expect(await result).toBe('asked')
  })

  test('of a dead letter: the cause is its last error', async () => {
    const job = await client.enqueue(definition, 1)
    const thrown = Object.assign(new TypeError('no such page', { cause: new Error('404') }), {
      code: 'E_PAGE',
    })
    await end({ kind: 'failed', reason: 'non-retryable', error: storedError(thrown) })
    const error: unknown = await job.result().catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'JOB_FAILED',
      message: `job '${job.id}' of task 'mail' failed (non-retryable): no such page`,
      details: { id: job.id, task: 'mail', reason: 'non-retryable' },
      cause: { name: 'TypeError', message: 'no such page', code: 'E_PAGE', cause: { message: '404' } },
    })
    expect((error as { cause: Error }).cause.stack).toBe(thrown.stack)
  })

  test('of a cancelled job, and of none', async () => {
    const job = await client.enqueue(definition, 1)
    expect(await job.cancel()).toBe(true)
    await expect(job.result()).rejects.toMatchObject({
      code: 'JOB_CANCELLED',
      details: { reason: 'by-request' },
    })
    await expect(client.handle('nobody').result()).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  test('stops waiting at its timeout, by the clock of the app', async () => {
    const job = await client.enqueue(definition, 1)
    const result = job.result({ timeout: '1m' })
    const outcome = expect(result).rejects.toMatchObject({ code: 'RESULT_TIMEOUT', retryable: true })
    await clock.advance('59s')
    await clock.advance('1s')
    await outcome
    await expect.poll(() => broker.listeners).toBe(0)
    await expect(job.result({ timout: 1 } as object)).rejects.toThrow("did you mean 'timeout'?")
    await expect(job.result({ timeout: 'soon' })).rejects.toMatchObject({ code: 'DURATION_INVALID' })
  })

  test('stops waiting at its signal', async () => {
    const job = await client.enqueue(definition, 1)
    const controller = new AbortController()
    const result = job.result({ signal: controller.signal })
    controller.abort(new Error('gone home'))
    await expect(result).rejects.toThrow('gone home')
    await expect(job.result({ signal: controller.signal })).rejects.toThrow('gone home')
  })

  test('goes on while the broker is away, and ends when it is closed', async () => {
    const job = await client.enqueue(definition, 1)
    broker.failure = new OffstageError('BROKER_UNAVAILABLE', 'away')
    const result = job.result()
    await expect.poll(() => broker.asked.length).toBeGreaterThan(1)
    broker.failure = undefined
    await succeed(1)
    expect(await result).toBe(1)
    const other = (await client.enqueue(definition, 2)).result()
    await client.close(new OffstageError('APP_CLOSED', 'closed'))
    await expect(other).rejects.toMatchObject({ code: 'APP_CLOSED' })
  })

  test('ends with an error that asking again cannot mend', async () => {
    const job = await client.enqueue(definition, 1)
    broker.failure = new OffstageError('STORE_CORRUPT', 'broken')
    await expect(job.result()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  })

  test('nothing is asked while nobody waits', async () => {
    const job = await client.enqueue(definition, 1)
    await succeed(1)
    await job.result()
    const asked = broker.asked.length
    await client.enqueue(definition, 2)
    await new Promise(setImmediate)
    expect(broker.asked).toHaveLength(asked)
    expect(broker.listeners).toBe(0)
  })
})

describe('a typed handle', () => {
  test('knows jobs of its task only', async () => {
    const job = await client.enqueue(definition, 1)
    const other = client.handle(job.id, 'other')
    const notFound = { code: 'JOB_NOT_FOUND', message: `job '${job.id}' is of task 'mail', not 'other'` }
    await expect(other.result()).rejects.toMatchObject(notFound)
    await expect(other.record()).rejects.toMatchObject(notFound)
    await expect(other.state()).rejects.toMatchObject(notFound)
    await expect(other.cancel()).rejects.toMatchObject(notFound)
    expect(await client.handle(job.id).state()).toBe('ready')
  })
})

describe('steering', () => {
  test('cancel, retry, promote, remove say whether the state allowed it', async () => {
    const job = await client.enqueue(definition, 1, { delay: '1h' })
    expect(await job.state()).toBe('scheduled')
    expect(await job.promote()).toBe(true)
    expect(await job.promote()).toBe(false)
    expect(await job.retry()).toBe(false)
    expect(await job.cancel()).toBe(true)
    expect(await job.cancel()).toBe(false)
    expect(await job.retry()).toBe(true)
    expect(await job.state()).toBe('ready')
    const lease = await claim()
    expect(await job.remove()).toBe(false)
    await broker.settle({ outcomes: [{ ...lease, kind: 'succeeded', result: encodeJson(1) }] })
    expect(await job.remove()).toBe(true)
    expect(await job.record()).toBeUndefined()
    for (const call of ['cancel', 'retry', 'promote', 'remove', 'state'] as const) {
      await expect(client.handle(job.id)[call]()).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    }
  })

  test('record and logs', async () => {
    const job = await client.enqueue(definition, { to: 'a' })
    const lease = await claim()
    await broker.write([
      { ...lease, kind: 'progress', value: encodeJson({ done: 1 }) },
      { ...lease, kind: 'log', level: 'info', text: 'sending' },
      { ...lease, kind: 'log', level: 'warn', text: 'slow' },
    ])
    expect(await job.record()).toMatchObject({ state: 'active', input: { to: 'a' }, progress: { done: 1 } })
    const logs = await job.logs()
    expect(logs.map(({ text }) => text)).toEqual(['sending', 'slow'])
    expect(await job.logs(logs[0]?.seq)).toHaveLength(1)
  })

  test('a payload that cannot be read is said, and hides nothing else', async () => {
    const bytes = new TextEncoder().encode('{broken')
    await broker.enqueue([
      [
        {
          id: 'bad',
          task: 'mail',
          queue: 'default',
          priority: 5,
          input: { codec: 0, bytes },
          retention: definition.retention,
          maxCrashes: 3,
        },
      ],
    ])
    expect(await client.handle('bad').record()).toMatchObject({
      state: 'ready',
      input: undefined,
      unreadable: ['input'],
    })
  })
})

describe('events', () => {
  test('tell state and progress until the end', async () => {
    const job = await client.enqueue(definition, 1)
    const seen: JobSnapshot[] = []
    const reading = (async () => {
      for await (const snapshot of job.events()) seen.push(snapshot)
    })()
    await expect.poll(() => seen.length).toBe(1)
    const lease = await claim()
    await expect.poll(() => seen.length).toBe(2)
    await broker.write([{ ...lease, kind: 'progress', value: encodeJson(50) }])
    await expect.poll(() => seen.length).toBe(3)
    await broker.settle({ outcomes: [{ ...lease, kind: 'succeeded', result: encodeJson('done') }] })
    await reading
    expect(seen.map(({ state, progress, result }) => [state, progress, result])).toEqual([
      ['ready', undefined, undefined],
      ['active', undefined, undefined],
      ['active', 50, undefined],
      ['succeeded', 50, 'done'],
    ])
    await expect.poll(() => broker.listeners).toBe(0)
  })

  test('end with the signal, and when the reader stops', async () => {
    const job = await client.enqueue(definition, 1)
    const controller = new AbortController()
    for await (const { state } of job.events({ signal: controller.signal })) {
      expect(state).toBe('ready')
      controller.abort()
    }
    for await (const { state } of job.events()) {
      expect(state).toBe('ready')
      break
    }
    await expect.poll(() => broker.listeners).toBe(0)
  })

  test('throw where there is no job, and when the app is closed', async () => {
    await expect(client.handle('nobody').events().next()).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    const events = (await client.enqueue(definition, 1)).events()
    await events.next()
    const next = events.next()
    await client.close(new OffstageError('APP_CLOSED', 'closed'))
    await expect(next).rejects.toMatchObject({ code: 'APP_CLOSED' })
  })
})
