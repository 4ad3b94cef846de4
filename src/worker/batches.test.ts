import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Deferred,
  deferred,
  task,
  turns,
  WorkerKit,
  watchUnhandled,
} from '../../test/support/worker-kit.ts'
import { NonRetryable, RetryAfter, Snooze } from '../errors/control.ts'
import { codeOf } from '../errors/error.ts'
import { decodeJson, encodeJson } from '../job/codec.ts'
import type { BatchContext, BatchItem } from '../task/context.ts'
import type { RunnableTask } from '../task/runnable.ts'

let kit: WorkerKit
let unhandled: () => readonly unknown[]

beforeEach(async () => {
  kit = await new WorkerKit().open()
  unhandled = watchUnhandled()
})
afterEach(async () => {
  await kit.close()
  await turns()
  expect(unhandled()).toEqual([])
})

type RunBatch = (items: readonly BatchItem[], ctx: BatchContext) => unknown

function batchTask(run: RunBatch, fields: Partial<RunnableTask> & { size?: number; withinMs?: number } = {}) {
  const { size = 10, withinMs = 50, ...rest } = fields
  return task(() => undefined, { run: undefined, batch: { size, withinMs, run }, ...rest })
}

/** Every call of the handler: how many items it got, and when. */
function recorded(): { readonly sizes: number[]; readonly at: number[]; readonly run: RunBatch } {
  const sizes: number[] = []
  const at: number[] = []
  const run: RunBatch = (items, { clock }) => {
    sizes.push(items.length)
    at.push(clock.monotonic())
    return items.map(({ input }) => input)
  }
  return { sizes, at, run }
}

const once = { attempts: 1, baseMs: 1, maxMs: 1 }
const state = async (id: string): Promise<string> => (await kit.job(id)).state
const ended = async (id: string): Promise<boolean> => (await kit.job(id)).endedAt !== undefined
const allEnded = async (ids: readonly string[]): Promise<boolean> =>
  (await Promise.all(ids.map(ended))).every(Boolean)

async function enqueue(count: number, fields: Parameters<WorkerKit['enqueue']>[0] = {}): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i += 1) ids.push(await kit.enqueue({ value: i, ...fields }))
  return ids
}

describe('a batch leaves', () => {
  test('at once when it has its size', async () => {
    const { sizes, at, run } = recorded()
    const ids = await enqueue(20)
    await kit.started([batchTask(run, { size: 10, withinMs: 60_000 })], { concurrency: 30 })
    await kit.until(() => allEnded(ids))
    expect(sizes).toEqual([10, 10])
    expect(at).toEqual([0, 0])
    const results = await Promise.all(ids.map((id) => kit.job(id)))
    expect(results.map(({ result }) => result && decodeJson(result))).toEqual(ids.map((_, i) => i))
  })

  test('a while after its first item, with what has come', async () => {
    const { sizes, run } = recorded()
    await kit.started([batchTask(run, { withinMs: 500 })], { concurrency: 30 })
    const ids = await enqueue(2)
    await kit.pass(300)
    ids.push(...(await enqueue(1)))
    await kit.pass(180)
    expect(sizes).toEqual([])
    await kit.pass(40)
    expect(sizes).toEqual([3])
    await kit.until(() => allEnded(ids))
  })

  test('at once when its items hold all slots, since nothing more can come', async () => {
    const { sizes, at, run } = recorded()
    const ids = await enqueue(12)
    await kit.started([batchTask(run, { size: 100, withinMs: 60_000 })], { concurrency: 4 })
    await kit.until(() => allEnded(ids), 1_000)
    expect(sizes).toEqual([4, 4, 4])
    expect(at.every((ms) => ms < 1_000)).toBe(true)
    expect(kit.logged('none will have more; raise concurrency')).toHaveLength(1)
  })

  test('not while other attempts hold slots, which may come free', async () => {
    const { sizes, run } = recorded()
    const gate = deferred()
    await enqueue(1, { task: 'hold' })
    const ids = await enqueue(3)
    const tasks = [batchTask(run, { withinMs: 1_000 }), task(() => gate.promise, { name: 'hold' })]
    await kit.started(tasks, { concurrency: 4 })
    await kit.pass(900)
    expect(sizes).toEqual([])
    gate.resolve()
    ids.push(...(await enqueue(1)))
    await kit.until(() => allEnded(ids), 500)
    expect(sizes).toEqual([4])
  })

  test('when the worker stops', async () => {
    const { sizes, run } = recorded()
    const worker = await kit.started([batchTask(run, { withinMs: 60_000 })], { concurrency: 30 })
    const ids = await enqueue(3)
    await kit.until(() => worker.active === 3)
    let stopped = false
    void worker.stop().then(() => {
      stopped = true
    })
    await kit.until(() => stopped, 1_000)
    expect(sizes).toEqual([3])
    expect(await Promise.all(ids.map(state))).toEqual(['succeeded', 'succeeded', 'succeeded'])
  })

  test('tasks gather apart, and a second batch runs beside the first', async () => {
    const mine = recorded()
    const gate = deferred()
    let begun = 0
    const slow = batchTask(
      async (items) => {
        begun += 1
        await gate.promise
        return items.map(() => null)
      },
      { name: 'slow', size: 2, withinMs: 60_000 },
    )
    await kit.started([batchTask(mine.run, { size: 3 }), slow], { concurrency: 30 })
    const slowIds = await enqueue(4, { task: 'slow' })
    const ids = await enqueue(3)
    await kit.until(() => allEnded(ids))
    expect(begun).toBe(2)
    expect(mine.sizes).toEqual([3])
    gate.resolve()
    await kit.until(() => allEnded(slowIds))
  })
})

describe('each item succeeds or fails on its own', () => {
  test('results, errors, and what errors ask for', async () => {
    const answers: readonly unknown[] = [
      { ok: true },
      new Error('try again'),
      new NonRetryable('gone'),
      new RetryAfter('1h'),
      new Snooze('2h'),
      undefined,
    ]
    const ids = await enqueue(answers.length)
    await kit.started([batchTask(() => Promise.resolve(answers), { size: answers.length })])
    await kit.until(async () =>
      (await Promise.all(ids.map(state))).every((of) => of !== 'ready' && of !== 'active'),
    )
    const jobs = await Promise.all(ids.map((id) => kit.job(id)))
    expect(jobs.map(({ state: of }) => of)).toEqual([
      'succeeded',
      'scheduled',
      'failed',
      'scheduled',
      'scheduled',
      'succeeded',
    ])
    expect(jobs.map(({ failures }) => failures)).toEqual([0, 1, 1, 1, 0, 0])
    expect(jobs[0]?.result && decodeJson(jobs[0].result)).toEqual({ ok: true })
    expect(jobs[2]).toMatchObject({ reason: 'non-retryable', error: { message: 'gone' } })
    expect(jobs[3]?.runAt).toBeGreaterThanOrEqual(kit.clock.now() + 3_590_000)
  })

  test('those that failed come again without the others', async () => {
    const calls: number[][] = []
    const ids = await enqueue(4)
    const run: RunBatch = (items) => {
      calls.push(items.map(({ input }) => input as number))
      return items.map(({ input, job }) => (job.attempt === 1 && Number(input) > 1 ? new Error('no') : input))
    }
    await kit.started([batchTask(run, { size: 4 })])
    await kit.until(() => allEnded(ids))
    expect(calls[0]).toEqual([0, 1, 2, 3])
    expect(calls.slice(1).flat().sort()).toEqual([2, 3])
    expect(await Promise.all(ids.map(state))).toEqual(Array(4).fill('succeeded'))
  })

  test('a bad input or a bad result is that of its item alone', async () => {
    const ids = await enqueue(4, { retry: once })
    const picky = batchTask((items) => items.map(({ input }) => (input === 2 ? 1n : input)), {
      size: 3,
      readInput: (payload) => {
        const value = decodeJson(payload)
        if (value === 1) throw new NonRetryable('unreadable')
        return value
      },
      writeOutput: (value) => {
        if (typeof value === 'bigint') throw Object.assign(new Error('big'), { code: 'NOT_JSON' })
        return encodeJson(value)
      },
    })
    await kit.started([picky])
    await kit.until(() => allEnded(ids))
    expect(await Promise.all(ids.map(state))).toEqual(['succeeded', 'failed', 'failed', 'succeeded'])
  })

  test.each([
    ['no list', () => ({}), 'BATCH_ANSWER_INVALID', 'answered an object; a list of 3'],
    ['nothing', () => undefined, 'BATCH_ANSWER_INVALID', 'answered undefined'],
    ['too few', () => [1, 2], 'BATCH_ANSWER_INVALID', "'work' answered a list of 2; a list of 3 is needed"],
    ['too many', () => [1, 2, 3, 4], 'BATCH_ANSWER_INVALID', 'a list of 4'],
    [
      'what allSettled gives',
      () => Promise.allSettled([1, Promise.reject(new Error('no')), 3]),
      'BATCH_ANSWER_INVALID',
      'what Promise.allSettled gives',
    ],
    [
      'a throw',
      () => {
        throw new TypeError('oh')
      },
      undefined,
      'oh',
    ],
    ['a rejection of no error', () => Promise.reject('just text'), undefined, 'just text'],
  ])('%s fails all of them', async (_, run, code, message) => {
    const ids = await enqueue(3, { retry: once })
    await kit.started([batchTask(run, { size: 3 })])
    await kit.until(() => allEnded(ids))
    for (const id of ids) {
      const { error, reason } = await kit.job(id)
      expect(reason).toBe('attempts-exhausted')
      expect(codeOf(error)).toBe(code)
      expect(error?.message).toContain(message)
    }
  })

  test('holes in the list are results like undefined', async () => {
    const ids = await enqueue(2)
    await kit.started([batchTask(() => new Array(2), { size: 2 })])
    await kit.until(() => allEnded(ids))
    expect(await Promise.all(ids.map(state))).toEqual(['succeeded', 'succeeded'])
  })
})

describe('one item that has to stop', () => {
  /** A handler that answers when it is told to. */
  function gated() {
    const gate: Deferred = deferred()
    const seen: { items: readonly BatchItem[]; ctx?: BatchContext } = { items: [] }
    const run: RunBatch = async (items, ctx) => {
      seen.items = items
      seen.ctx = ctx
      await gate.promise
      return items.map(({ input }) => input)
    }
    return { gate, seen, run }
  }

  test('before the batch has left does not run', async () => {
    const { sizes, run } = recorded()
    await kit.started([batchTask(run, { withinMs: 20_000 })], { concurrency: 30, lease: '3s' })
    const [first = '', second = '', third = ''] = await enqueue(3)
    await kit.pass(500)
    await kit.memory.cancel({ ids: [second] })
    await kit.until(async () => (await state(second)) === 'cancelled', 3_000)
    expect(sizes).toEqual([])
    await kit.until(() => allEnded([first, third]), 25_000)
    expect(sizes).toEqual([2])
  })

  test('as the only one takes its batch along', async () => {
    const { sizes, run } = recorded()
    await kit.started([batchTask(run, { withinMs: 5_000 })], { concurrency: 30, lease: '1s' })
    const [id = ''] = await enqueue(1)
    await kit.pass(200)
    await kit.memory.cancel({ ids: [id] })
    await kit.until(() => ended(id), 2_000)
    await kit.pass(10_000, 50)
    expect(sizes).toEqual([])
    const later = await kit.enqueue()
    await kit.until(() => ended(later))
    expect(sizes).toEqual([1])
  })

  test('while it runs: its own signal fires, its attempt is given up, and the others go on', async () => {
    const { gate, seen, run } = gated()
    const worker = await kit.started([batchTask(run, { size: 3 })], { lease: '1s', abandonAfter: '1s' })
    const ids = await enqueue(3)
    await kit.until(() => seen.items.length === 3)
    await kit.memory.cancel({ ids: ids.slice(1, 2) })
    await kit.until(() => ended(ids[1] ?? ''))
    expect(await state(ids[1] ?? '')).toBe('cancelled')
    expect(seen.items.map(({ signal }) => codeOf(signal.reason))).toEqual([
      undefined,
      'JOB_CANCELLED',
      undefined,
    ])
    expect(seen.ctx?.signal.aborted).toBe(false)
    expect([worker.active, worker.abandoned]).toEqual([2, 1])
    gate.resolve()
    await kit.until(() => allEnded(ids))
    expect(await Promise.all(ids.map(state))).toEqual(['succeeded', 'cancelled', 'succeeded'])
    expect(worker.abandoned).toBe(0)
  })

  test('all of them: the signal of the whole fires with the last', async () => {
    const { gate, seen, run } = gated()
    await kit.started([batchTask(run, { size: 2 })], { abandonAfter: '1m' })
    await enqueue(1, { timeoutMs: 300, retry: once })
    await enqueue(1, { timeoutMs: 700, retry: once })
    await kit.until(() => seen.items.length === 2)
    await kit.pass(500)
    expect(seen.ctx?.signal.aborted).toBe(false)
    await kit.pass(300)
    expect(codeOf(seen.ctx?.signal.reason)).toBe('ATTEMPT_TIMEOUT')
    gate.resolve()
    await turns()
  })

  test('the end of the grace stops the whole, and gives the items back', async () => {
    const { gate, seen, run } = gated()
    const worker = await kit.started([batchTask(run, { size: 2 })])
    const ids = await enqueue(2)
    await kit.until(() => seen.items.length === 2)
    let stopped = false
    void worker.stop({ grace: '1s' }).then(() => {
      stopped = true
    })
    await kit.pass(900)
    expect(seen.ctx?.signal.aborted).toBe(false)
    await kit.until(() => stopped)
    expect(codeOf(seen.ctx?.signal.reason)).toBe('WORKER_STOPPED')
    expect(await Promise.all(ids.map(state))).toEqual(['ready', 'ready'])
    gate.resolve()
    await turns()
    expect(worker.abandoned).toBe(0)
  })

  test('timeouts count from the start of the call, not from joining', async () => {
    const { gate, seen, run } = gated()
    await kit.started([batchTask(run, { withinMs: 5_000, timeoutMs: 1_000 })], { concurrency: 30 })
    const [id = ''] = await enqueue(1, { retry: once })
    await kit.until(() => seen.items.length === 1, 5_200)
    await kit.pass(900)
    expect(seen.items[0]?.signal.aborted).toBe(false)
    await kit.pass(200)
    expect(codeOf(seen.items[0]?.signal.reason)).toBe('ATTEMPT_TIMEOUT')
    gate.resolve()
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
  })

  test('a lease that is lost is that of one item', async () => {
    const { gate, seen, run } = gated()
    await kit.started([batchTask(run, { size: 2 })], { lease: '1s', abandonAfter: 100 })
    const ids = await enqueue(2)
    await kit.until(() => seen.items.length === 2)
    kit.break('extend', (args) => {
      const [leases] = args as [readonly { readonly id: string }[]]
      return Promise.resolve(leases.map(({ id }) => (id === ids[0] ? 'lost' : 'ok')))
    })
    await kit.until(() => seen.items[0]?.signal.aborted === true)
    expect(codeOf(seen.items[0]?.signal.reason)).toBe('LEASE_LOST')
    expect(seen.items[1]?.signal.aborted).toBe(false)
    kit.heal('extend')
    gate.resolve()
    await kit.until(() => ended(ids[1] ?? ''))
    expect(await state(ids[1] ?? '')).toBe('succeeded')
  })
})

test('progress and log lines are those of their items', async () => {
  const ids = await enqueue(2)
  const run: RunBatch = (items) =>
    items.map(({ input, progress, log, job }) => {
      progress({ at: input })
      log.info(`line of ${job.id}`)
      return null
    })
  await kit.started([batchTask(run, { size: 2 })])
  await kit.until(() => allEnded(ids))
  for (const [i, id] of ids.entries()) {
    const { progress } = await kit.job(id)
    expect(progress && decodeJson(progress)).toEqual({ at: i })
    expect(kit.logged(`line of ${id}`)).toMatchObject([{ fields: { job: id } }])
  }
})

test('middleware wraps each item, which is the context it sees', async () => {
  const ids = await enqueue(3)
  const seen: unknown[] = []
  const run: RunBatch = (items) => {
    seen.push(...items)
    return items.map(({ input }) => input)
  }
  const contexts: unknown[] = []
  const around = {
    async run({ ctx }: { ctx: unknown }, next: () => Promise<unknown>) {
      contexts.push(ctx)
      return { wrapped: await next() }
    },
  }
  await kit.started([batchTask(run, { size: 3 })], {}, [around])
  await kit.until(() => allEnded(ids))
  expect(seen).toEqual(contexts)
  const { result } = await kit.job(ids[2] ?? '')
  expect(result && decodeJson(result)).toEqual({ wrapped: 2 })
})

test('an attempt that a middleware has ended meanwhile is left out', async () => {
  const { sizes, run } = recorded()
  const hasty = {
    async run({ ctx }: { ctx: { job: { id: string } } }, next: () => Promise<unknown>) {
      const running = next()
      return ctx.job.id === 'job-1' ? 'done' : running
    },
  }
  const ids = await enqueue(3)
  await kit.started([batchTask(run, { withinMs: 1_000 })], { concurrency: 30 }, [hasty])
  await kit.until(() => allEnded(ids))
  expect(sizes).toEqual([2])
})
