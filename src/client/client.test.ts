import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { GroupAnswer } from '../broker/contract.ts'
import type { PlacingBroker } from '../broker/placing.ts'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import { OffstageError } from '../errors/error.ts'
import { decodeJson } from '../job/codec.ts'
import type { JobSpec } from '../job/record.ts'
import { subscribe } from '../runtime/channels.ts'
import { systemClock } from '../runtime/clock.ts'
import { silentLogger } from '../runtime/logger.ts'
import { makeCall } from '../task/call.ts'
import type { Definition } from '../task/definition.ts'
import type { Middleware } from '../task/middleware.ts'
import { type ErasedOptions, resolveDefinition } from '../task/resolve.ts'
import { Client } from './client.ts'

/** Counts trips, holds them back, and fails or loses the answers of some. */
class TrippingBroker extends MemoryBroker {
  readonly trips: number[][] = []
  readonly failures: { before?: Error; after?: Error }[] = []
  hold: Promise<void> | undefined

  override async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    this.trips.push(groups.map((group) => group.length))
    await this.hold
    const failure = this.failures.shift()
    if (failure?.before !== undefined) throw failure.before
    const answers = await super.enqueue(groups)
    if (failure?.after !== undefined) throw failure.after
    return answers
  }
}

const away = (): OffstageError => new OffstageError('BROKER_UNAVAILABLE', 'away')

let broker: TrippingBroker
let middleware: Middleware[]
let client: Client

beforeEach(async () => {
  broker = new TrippingBroker()
  await broker.open()
  middleware = []
  client = new Client({
    broker: async () => broker,
    clock: systemClock,
    logger: silentLogger,
    middleware,
    maxPayloadBytes: 1_000,
  })
})

afterEach(async () => {
  await client.close(new Error('closed'))
  await broker.close()
})

function task(options: object = {}): Definition {
  return resolveDefinition({ name: 'mail', ...options } as ErasedOptions, {})
}

async function inputs(): Promise<unknown[]> {
  const { jobs } = await broker.list({ order: 'oldest', limit: 1_000 })
  return jobs.map(({ input }) => decodeJson(input))
}

describe('one job', () => {
  test('is stored, and its handle says its id', async () => {
    const job = await client.enqueue(task(), { to: 'a' }, { id: 'own' })
    expect(job).toMatchObject({ id: 'own', duplicate: false })
    expect(await inputs()).toEqual([{ to: 'a' }])
  })

  test('a duplicate is said, by id and by unique key, with the id of the one that is there', async () => {
    const unique = task({ unique: { by: (input: { to: string }) => input.to } })
    await client.enqueue(unique, { to: 'a' }, { id: 'first' })
    expect(await client.enqueue(unique, { to: 'b' }, { id: 'first' })).toMatchObject({
      id: 'first',
      duplicate: true,
    })
    expect(await client.enqueue(unique, { to: 'a' })).toMatchObject({ id: 'first', duplicate: true })
    expect(await inputs()).toHaveLength(1)
  })

  test('an id of another task is refused', async () => {
    await client.enqueue(task(), 1, { id: 'x' })
    await expect(client.enqueue(task({ name: 'other' }), 1, { id: 'x' })).rejects.toMatchObject({
      code: 'ID_TAKEN',
      details: { id: 'x' },
    })
  })

  test('nothing reaches the broker where the call is refused', async () => {
    const checked = task({ input: z.object({ to: z.string() }) })
    await expect(client.enqueue(checked, {})).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(client.enqueue(task(), 1n)).rejects.toMatchObject({ code: 'NOT_JSON' })
    await expect(client.enqueue(task(), 'x'.repeat(1_000))).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    })
    await expect(client.enqueue(task(), 1, { delay: -1 })).rejects.toMatchObject({ code: 'DURATION_INVALID' })
    expect(broker.trips).toEqual([])
  })

  test('is told to listeners', async () => {
    const heard: unknown[] = []
    const off = subscribe('offstage:enqueue', (message) => heard.push(message))
    await client.enqueue(task({ queue: 'q' }), 1, { id: 'a' })
    off()
    expect(heard).toEqual([{ id: 'a', task: 'mail', queue: 'q', duplicate: false }])
  })
})

describe('trips', () => {
  test('single calls of one turn share a trip, and those made meanwhile the next', async () => {
    let release = (): void => undefined
    broker.hold = new Promise((resolve) => {
      release = resolve
    })
    const first = Array.from({ length: 3 }, (_, n) => client.enqueue(task(), n))
    await expect.poll(() => broker.trips).toEqual([[1, 1, 1]])
    const second = Array.from({ length: 2 }, (_, n) => client.enqueue(task(), n))
    const third = client.enqueueCalls([makeCall(task(), 1, undefined), makeCall(task(), 2, undefined)])
    await expect
      .poll(() => broker.trips)
      .toEqual([
        [1, 1, 1],
        [1, 1, 2],
      ])
    release()
    await Promise.all([...first, ...second, third])
    expect(await inputs()).toHaveLength(7)
  })

  test('a trip that the broker could not take is repeated', async () => {
    broker.failures.push({ before: away() }, { before: new OffstageError('STORE_FAILED', 'busy') })
    const job = await client.enqueue(task(), 1)
    expect(job.duplicate).toBe(false)
    expect(broker.trips).toHaveLength(3)
    expect(await inputs()).toEqual([1])
  })

  test('a trip whose answer was lost is repeated without harm, and a generated id is no duplicate', async () => {
    broker.failures.push({ after: away() })
    expect(await client.enqueue(task(), 1)).toMatchObject({ duplicate: false })
    expect(await inputs()).toEqual([1])
    broker.failures.push({ after: away() })
    // Whether this id was there before cannot be told any more.
    expect(await client.enqueue(task(), 1, { id: 'own' })).toMatchObject({ id: 'own', duplicate: true })
  })

  test.each(['STORE_FULL', 'STORE_READONLY', 'BROKER_CLOSED'] as const)(
    '%s is said at once',
    async (code) => {
      broker.failures.push({ before: new OffstageError(code, 'no') })
      await expect(client.enqueue(task(), 1)).rejects.toMatchObject({ code })
      expect(broker.trips).toHaveLength(1)
      expect(await client.enqueue(task(), 2)).toMatchObject({ duplicate: false })
    },
  )
})

describe('many jobs', () => {
  test('travel in chunks, each with options of its own', async () => {
    const jobs = await client.enqueueMany(
      task(),
      Array.from({ length: 2_500 }, (_, n) => n),
      (n, i) => ({
        id: `job-${n}-${i}`,
      }),
    )
    expect(jobs).toHaveLength(2_500)
    expect(jobs[2_499]).toMatchObject({ id: 'job-2499-2499', duplicate: false })
    expect(broker.trips.flat()).toEqual([1_000, 1_000, 500])
  })

  test('take any iterable, and none at all', async () => {
    const jobs = await client.enqueueMany(task(), new Set([1, 2]), { priority: 9 })
    expect(jobs).toHaveLength(2)
    expect(await inputs()).toEqual([1, 2])
    expect(await client.enqueueMany(task(), [])).toEqual([])
    await expect(client.enqueueMany(task(), 5 as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  test('all are checked before the first is sent, and the wrong one is named', async () => {
    const checked = task({ input: z.number() })
    await expect(client.enqueueMany(checked, [1, 2, 'x', 4])).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('at index 2: '),
      details: { index: 2 },
    })
    const slow = task({ input: z.number().refine(async (n) => n < 3) })
    await expect(client.enqueueMany(slow, [1, 2, 3])).rejects.toMatchObject({ details: { index: 2 } })
    expect(broker.trips).toEqual([])
  })

  test('duplicates are said, also among themselves', async () => {
    const jobs = await client.enqueueMany(task(), ['a', 'b', 'a'], (input) => ({ id: input }))
    expect(jobs.map(({ duplicate }) => duplicate)).toEqual([false, false, true])
  })

  test('one id for several is a mistake', async () => {
    await expect(client.enqueueMany(task(), [1, 2], { id: 'same' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
    expect(await client.enqueueMany(task(), [1], { id: 'same' })).toHaveLength(1)
  })

  test('a refused chunk is said with how many were stored', async () => {
    await client.enqueue(task({ name: 'other' }), 1, { id: '1500' })
    const many = client.enqueueMany(
      task(),
      Array.from({ length: 2_500 }, (_, n) => n),
      (n) => ({ id: `${n}` }),
    )
    await expect(many).rejects.toMatchObject({
      code: 'ID_TAKEN',
      details: { id: '1500', stored: 1_500, all: 2_500 },
    })
  })
})

describe('a broker that places ids', () => {
  /** Its jobs live in rooms, by the end of their ids. */
  class PlacingMemory extends TrippingBroker implements PlacingBroker {
    readonly places = new Set<string>()

    shardOf(id: string): number {
      return id.endsWith('hall') ? 0 : 1
    }

    place(spec: JobSpec): string {
      const room = spec.unique === undefined ? 'hall' : 'cellar'
      this.places.add(room)
      return spec.id.endsWith(room) ? spec.id : `${spec.id}-${room}`
    }
  }

  let placing: PlacingMemory

  beforeEach(async () => {
    placing = new PlacingMemory()
    broker = placing
    await broker.open()
  })

  test('is asked for ids that were made here, and the handle has them', async () => {
    const handle = await client.enqueue(task(), 1)
    expect(handle.id).toMatch(/-hall$/)
    expect(await handle.state()).toBe('ready')
    const unique = await client.enqueue(task({ unique: { by: String } }), 1)
    expect(unique.id).toMatch(/-cellar$/)
  })

  test('is not asked for ids of users', async () => {
    expect((await client.enqueue(task(), 1, { id: 'mine' })).id).toBe('mine')
    const many = await client.enqueueMany(task(), [1, 2], (n) => (n === 1 ? { id: 'own' } : {}))
    expect(many.map(({ id }) => id.replace(/^.*-/, ''))).toEqual(['own', 'hall'])
    expect([...placing.places]).toEqual(['hall'])
  })

  test('gets the same ids again after an answer that was lost', async () => {
    placing.failures.push({ after: away() })
    const handle = await client.enqueue(task(), 1)
    expect(handle.duplicate).toBe(false)
    expect(await inputs()).toHaveLength(1)
    expect(broker.trips).toHaveLength(2)
  })
})

describe('a shard that is away', () => {
  test('holds up the calls that need it, and no others', async () => {
    const left = { away: 3 }
    const enqueue = broker.enqueue.bind(broker)
    broker.enqueue = async (groups) => {
      const needed = groups.map((group) => group.some(({ id }) => id === 'needs-it') && left.away-- > 0)
      const answers = [...(await enqueue(groups.filter((_, i) => needed[i] === false)))]
      return needed.map((away): GroupAnswer => {
        const answered = away ? undefined : answers.shift()
        return answered ?? { ok: false, code: 'BROKER_UNAVAILABLE', id: 'needs-it', message: 'away' }
      })
    }
    const ended: string[] = []
    const calls = ['needs-it', 'other'].map((id) =>
      client.enqueue(task(), 1, { id }).then((handle) => ended.push(handle.id)),
    )
    await Promise.all(calls)
    expect(ended).toEqual(['other', 'needs-it'])
    expect(await inputs()).toHaveLength(2)
  })
})

describe('calls of several tasks', () => {
  test('are stored all or none', async () => {
    await client.enqueue(task({ name: 'other' }), 1, { id: 'taken' })
    const good = makeCall(task(), 1, undefined)
    await expect(client.enqueueCalls([good, makeCall(task(), 2, { id: 'taken' })])).rejects.toMatchObject({
      code: 'ID_TAKEN',
    })
    expect(await inputs()).toHaveLength(1)
    const handles = await client.enqueueCalls([good, makeCall(task({ name: 'other' }), 2, { id: 'x' })])
    expect(handles[1]?.id).toBe('x')
    expect(await client.enqueueCalls([])).toEqual([])
  })

  test('the wrong one is named', async () => {
    const calls = [makeCall(task(), 1, undefined), makeCall(task(), { a: [1n] }, undefined)]
    await expect(client.enqueueCalls(calls)).rejects.toThrow('at index 1: input.a[0] is a BigInt')
  })
})

describe('middleware', () => {
  test('wraps each call and the trip, and carries headers', async () => {
    const log: string[] = []
    middleware.push({
      async enqueue(call, next) {
        log.push(`${call.task} ${String(call.input)} in`)
        call.options = { ...call.options, headers: { trace: 't' } }
        await next()
        log.push(`${call.task} out, ${(await inputs()).length} stored`)
      },
    })
    await client.enqueueCalls([makeCall(task(), 1, undefined), makeCall(task(), 2, { id: 'x' })])
    expect(log).toEqual(['mail 1 in', 'mail 2 in', 'mail out, 2 stored', 'mail out, 2 stored'])
    const [record] = await broker.get(['x'])
    expect(record?.headers).toEqual({ trace: 't' })
    expect(await client.enqueueMany(task(), [])).toEqual([])
  })

  test('what one throws, the caller gets, and nothing is stored', async () => {
    middleware.push({
      async enqueue(call, next) {
        if (call.input === 2) throw new Error('not this one')
        await next()
      },
    })
    await expect(client.enqueueMany(task(), [1, 2, 3])).rejects.toThrow('not this one')
    expect(broker.trips).toEqual([])
    expect(await client.enqueue(task(), 1)).toMatchObject({ duplicate: false })
  })

  test('one that keeps an error to itself hides it from nobody', async () => {
    middleware.push({ enqueue: (_, next) => next().catch(() => undefined) })
    await expect(client.enqueue(task(), 1n)).rejects.toMatchObject({ code: 'NOT_JSON' })
    await expect(client.enqueueMany(task(), [1, 2n, 3])).rejects.toMatchObject({ code: 'NOT_JSON' })
    broker.failures.push({ before: new OffstageError('STORE_FULL', 'full') })
    await expect(client.enqueue(task(), 1)).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await inputs()).toEqual([])
  })

  test('what one lets through after the call was refused is not sent', async () => {
    const late: (() => Promise<void>)[] = []
    middleware.push({ enqueue: async (_, next) => void late.push(next) })
    await expect(client.enqueue(task(), 1)).rejects.toThrow('without calling next()')
    await expect(late[0]?.()).rejects.toThrow('without calling next()')
    expect(broker.trips).toEqual([])
  })

  test("does not change the caller's options", async () => {
    middleware.push({
      enqueue(call, next) {
        call.options.priority = 9
        return next()
      },
    })
    const options = { id: 'a', priority: 1 }
    await client.enqueue(task(), 1, options)
    expect(options.priority).toBe(1)
    expect((await broker.get(['a']))[0]?.priority).toBe(9)
  })
})

describe('closing', () => {
  const closed = new Error('closed')

  test('waits for calls that are still being checked', async () => {
    const schema = z.number().refine(async () => {
      await new Promise(setImmediate)
      return true
    })
    const one = client.enqueue(task({ input: schema }), 1)
    const many = client.enqueueMany(
      task(),
      Array.from({ length: 3_000 }, (_, n) => n),
    )
    await client.close(closed)
    expect((await one).duplicate).toBe(false)
    expect(await many).toHaveLength(3_000)
  })

  test('takes no new calls, so that those who go on calling cannot hold it up', async () => {
    let going = true
    let refused = 0
    const caller = async (): Promise<void> => {
      while (going) {
        await client.enqueue(task(), 1).catch(() => (refused += 1))
        await new Promise(setImmediate)
      }
    }
    const callers = Array.from({ length: 8 }, caller)
    await client.close(closed)
    const { length } = await inputs()
    await expect.poll(() => refused).toBeGreaterThan(8)
    going = false
    await Promise.all(callers)
    expect(await inputs()).toHaveLength(length)
    await expect(client.enqueueMany(task(), [])).rejects.toBe(closed)
  })
})
