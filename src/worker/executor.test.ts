import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deferred, task, turns, WorkerKit, watchUnhandled } from '../../test/support/worker-kit.ts'
import { NonRetryable, Snooze } from '../errors/control.ts'
import { codeOf, OffstageError } from '../errors/error.ts'
import { decodeJson, encodeJson } from '../job/codec.ts'
import { type AttemptMessage, subscribe } from '../runtime/channels.ts'
import type { TaskContext } from '../task/context.ts'

let kit: WorkerKit
let unhandled: () => readonly unknown[]

beforeEach(async () => {
  kit = await new WorkerKit().open()
  unhandled = watchUnhandled()
})
afterEach(async () => {
  await kit.close()
  await turn()
  expect(unhandled()).toEqual([])
})

const ended = async (id: string): Promise<boolean> => (await kit.job(id)).endedAt !== undefined
const state = async (id: string): Promise<string> => (await kit.job(id)).state

describe('a job that works', () => {
  test.each([
    ['a plain handler', () => ({ ok: true })],
    ['an async one', async () => ({ ok: true })],
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what the case is about.
    ['a thenable', () => ({ then: (done: (value: unknown) => void) => done({ ok: true }) })],
  ])('%s', async (_, run) => {
    const id = await kit.enqueue()
    await kit.started([task(run)])
    await kit.until(() => ended(id))
    const job = await kit.job(id)
    expect(job.state).toBe('succeeded')
    expect(job.result && decodeJson(job.result)).toEqual({ ok: true })
  })

  test('the handler gets its input and what it needs to know', async () => {
    let seen: unknown
    await kit.started([
      task((input, { job, clock }) => {
        seen = { input, ...job, at: clock.now() }
        return null
      }),
    ])
    const id = await kit.enqueue({
      value: { to: 'ada' },
      headers: { trace: 'x' },
      tags: ['a'],
      priority: 7,
      partition: 'p',
    })
    await kit.until(() => ended(id))
    expect(seen).toMatchObject({
      input: { to: 'ada' },
      id,
      task: 'work',
      queue: 'default',
      partition: 'p',
      priority: 7,
      attempt: 1,
      headers: { trace: 'x' },
      tags: ['a'],
      progress: undefined,
    })
  })

  test('readInput and writeOutput may be asynchronous', async () => {
    const id = await kit.enqueue({ value: 20 })
    await kit.started([
      task(async (n) => (n as number) + 1, {
        readInput: async (payload) => (decodeJson(payload) as number) * 2,
        writeOutput: async (value) => encodeJson([value]),
      }),
    ])
    await kit.until(() => ended(id))
    expect((await kit.job(id)).result).toEqual(encodeJson([41]))
  })

  test('start and end are published', async () => {
    const heard: [string, AttemptMessage & { outcome?: string }][] = []
    const stops = (['offstage:start', 'offstage:end', 'offstage:settle'] as const).map((name) =>
      subscribe(name, (message) => void heard.push([name, message])),
    )
    const id = await kit.enqueue()
    const worker = await kit.started([task(() => null)])
    await kit.until(() => ended(id))
    await kit.until(() => heard.length === 3)
    for (const stop of stops) stop()
    const common = { id, task: 'work', queue: 'default', attempt: 1, worker: worker.id }
    expect(heard).toMatchObject([
      ['offstage:start', common],
      ['offstage:end', { ...common, outcome: 'succeeded' }],
      ['offstage:settle', { ...common, outcome: 'succeeded', answer: 'ok' }],
    ])
  })

  test('middleware wraps the handler, the first outermost', async () => {
    const order: string[] = []
    const around = (name: string) => ({
      async run({ task }: { task: string }, next: () => Promise<unknown>) {
        order.push(`${name} ${task}`)
        const result = await next()
        order.push(`${name} end`)
        return [result]
      },
    })
    const id = await kit.enqueue()
    await kit.started([task(() => 'x')], {}, [around('a'), {}, around('b')])
    await kit.until(() => ended(id))
    expect(order).toEqual(['a work', 'b work', 'b end', 'a end'])
    expect((await kit.job(id)).result).toEqual(encodeJson([['x']]))
  })
})

describe('a job that fails', () => {
  test('is tried again, and is a dead letter when its attempts are used up', async () => {
    const attempts: number[] = []
    const id = await kit.enqueue()
    await kit.started([
      task((_, { job }) => {
        attempts.push(job.attempt)
        throw new Error(`attempt ${job.attempt}`)
      }),
    ])
    await kit.until(() => ended(id))
    expect(attempts).toEqual([1, 2, 3])
    expect(await kit.job(id)).toMatchObject({
      state: 'failed',
      reason: 'attempts-exhausted',
      failures: 3,
      error: { message: 'attempt 3' },
    })
  })

  test("the job's own policy wins", async () => {
    const id = await kit.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
    await kit.started([task(() => Promise.reject(new Error('x')))])
    await kit.until(() => ended(id))
    expect((await kit.job(id)).failures).toBe(1)
  })

  const circular = new Error('circular')
  circular.cause = circular
  const throwing = {
    get name(): string {
      throw new Error('name')
    },
    get code(): string {
      throw new Error('code')
    },
    get message(): string {
      throw new Error('message')
    },
    toString(): string {
      throw new Error('toString')
    },
  }
  const hostile: readonly [string, unknown][] = [
    ['a string', 'text'],
    ['null', null],
    ['undefined', undefined],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
    ['a frozen error', Object.freeze(new Error('cold'))],
    ['a circular cause', circular],
    ['getters that throw', throwing],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('trap')
          },
        },
      ),
    ],
    ['NUL and lone surrogates', new Error('a\u0000\ud800')],
    ['five megabytes', new Error('x'.repeat(5_000_000))],
    ['no prototype', Object.create(null)],
  ]
  test.each(hostile)('throwing %s hurts nobody else', async (_, thrown) => {
    const retry = { attempts: 1, baseMs: 1, maxMs: 1 }
    const bad = [await kit.enqueue({ task: 'bad', retry }), await kit.enqueue({ task: 'worse', retry })]
    const good = await kit.enqueue()
    await kit.started([
      task(() => 'fine'),
      task(
        () => {
          throw thrown
        },
        { name: 'bad' },
      ),
      task(() => Promise.reject(thrown), { name: 'worse' }),
    ])
    await kit.until(async () => (await Promise.all([good, ...bad].map(ended))).every(Boolean))
    expect(await state(good)).toBe('succeeded')
    for (const id of bad) {
      const { state, error } = await kit.job(id)
      expect(state).toBe('failed')
      expect(error?.message.length).toBeLessThanOrEqual(4_096)
      expect(error?.message).not.toContain('\u0000')
    }
  })

  test('a result whose then throws is a failed attempt', async () => {
    const id = await kit.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
    const value = {
      // biome-ignore lint/suspicious/noThenProperty: a hostile thenable is what the case is about.
      get then(): never {
        throw new Error('then')
      },
    }
    await kit.started([task(() => value)])
    await kit.until(() => ended(id))
    expect((await kit.job(id)).error?.message).toBe('then')
  })

  test('NonRetryable, and a snooze that burns nothing', async () => {
    const gone = await kit.enqueue({ task: 'gone' })
    const later = await kit.enqueue({ task: 'later' })
    let snoozes = 0
    await kit.started([
      task(
        () => {
          throw new NonRetryable('gone')
        },
        { name: 'gone' },
      ),
      task(
        () => {
          if (snoozes++ < 5) throw new Snooze('1s')
          return null
        },
        { name: 'later' },
      ),
    ])
    await kit.until(() => ended(later))
    expect(await kit.job(gone)).toMatchObject({ state: 'failed', reason: 'non-retryable' })
    expect(await kit.job(later)).toMatchObject({ state: 'succeeded', failures: 0 })
  })

  test('a logger that throws is no reason to stop', async () => {
    const id = await kit.enqueue({ task: 'unknown' })
    const good = await kit.enqueue()
    const warnings: string[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', onWarning)
    const worker = kit.worker([task((_, { log }) => log.info('x'))])
    for (const level of ['debug', 'info', 'warn', 'error'] as const) {
      kit.logs.push = () => {
        throw new Error(level)
      }
    }
    await worker.start()
    await kit.until(() => ended(good))
    process.off('warning', onWarning)
    Reflect.deleteProperty(kit.logs, 'push')
    expect(await state(id)).toBe('scheduled')
    expect(warnings).toContain('the logger threw at level warn')
  })
})

describe('input and output', () => {
  test('bytes that do not parse end the job at once with the reason', async () => {
    const id = await kit.enqueue({ input: { codec: 0, bytes: new Uint8Array([0xff, 0x00]) } })
    const codec = await kit.enqueue({ input: { codec: 99, bytes: new Uint8Array([1]) } })
    const good = await kit.enqueue()
    let ran = 0
    await kit.started([task(() => ++ran)])
    await kit.until(() => ended(good))
    for (const bad of [id, codec]) {
      expect(await kit.job(bad)).toMatchObject({
        state: 'failed',
        reason: 'unreadable',
        failures: 0,
        error: { code: 'PAYLOAD_UNREADABLE' },
      })
    }
    expect(ran).toBe(1)
  })

  test('an input or output that breaks its schema ends the job', async () => {
    const refuse = (code: 'INPUT_INVALID' | 'OUTPUT_INVALID') => (): never => {
      throw new OffstageError(code, code)
    }
    const ids = [await kit.enqueue({ task: 'in' }), await kit.enqueue({ task: 'out' })]
    await kit.started([
      task(() => null, { name: 'in', readInput: refuse('INPUT_INVALID') }),
      task(() => null, { name: 'out', writeOutput: async () => refuse('OUTPUT_INVALID')() }),
    ])
    await kit.until(async () => (await Promise.all(ids.map(ended))).every(Boolean))
    for (const id of ids)
      expect(await kit.job(id)).toMatchObject({ state: 'failed', reason: 'non-retryable' })
  })
})

describe('an unknown task or version', () => {
  test('is put back, said once a minute, and is a dead letter after unknownAfter', async () => {
    const ids = [await kit.enqueue({ task: 'new-one' }), await kit.enqueue({ task: 'new-one' })]
    await kit.started([task(() => null)], { unknownAfter: '3m' })
    await kit.pass(50_000, 50)
    expect(kit.logged("has no task 'new-one'")).toHaveLength(1)
    for (const id of ids)
      expect(await kit.job(id)).toMatchObject({ state: 'scheduled', failures: 0, crashes: 0 })
    await kit.pass(170_000, 50)
    for (const id of ids) {
      expect(await kit.job(id)).toMatchObject({
        state: 'failed',
        reason: 'unknown-task',
        error: { code: 'TASK_UNKNOWN' },
      })
    }
    expect(kit.logged("has no task 'new-one'").length).toBeLessThanOrEqual(4)
  })

  test('runs once a worker knows it', async () => {
    const id = await kit.enqueue({ task: 'new-one' })
    const newer = await kit.enqueue({ version: 99 })
    await kit.started([task(() => null)])
    await kit.until(async () => (await state(id)) === 'scheduled' && (await state(newer)) === 'scheduled')
    expect(kit.logged('has version 99')).toHaveLength(1)
    await kit.started([task(() => 'done', { name: 'new-one' })], { queues: ['default'] })
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
  })
})

describe('timeouts', () => {
  test('the signal is aborted, and a handler that heeds it fails its attempt', async () => {
    const id = await kit.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
    let reason: unknown
    await kit.started([
      task(
        (_, { signal }) =>
          new Promise((__, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(new Error('aborted'))
            })
          }),
        { timeoutMs: 1_000 },
      ),
    ])
    const tookMs = await kit.until(() => ended(id))
    expect(tookMs).toBeGreaterThanOrEqual(1_000)
    expect(tookMs).toBeLessThan(1_100)
    expect(codeOf(reason)).toBe('ATTEMPT_TIMEOUT')
    expect(await kit.job(id)).toMatchObject({
      state: 'failed',
      error: { code: 'ATTEMPT_TIMEOUT', cause: { message: 'aborted' } },
    })
  })

  test('a value within the patience counts', async () => {
    const id = await kit.enqueue({ timeoutMs: 100 })
    await kit.started([
      task((_, { clock }) => new Promise((resolve) => clock.schedule(500, () => resolve(1)))),
    ])
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
  })

  test.each(['returns', 'throws'])(
    'a handler that does not heed it is given up; later it %s unheard',
    async (how) => {
      const id = await kit.enqueue({ timeoutMs: 1_000, retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
      const late = deferred<string>()
      let ctx: TaskContext | undefined
      const worker = await kit.started(
        [
          task((_, context) => {
            ctx = context
            return late.promise
          }),
        ],
        { concurrency: 1 },
      )
      const tookMs = await kit.until(() => ended(id))
      expect(tookMs).toBeGreaterThanOrEqual(6_000)
      expect(tookMs).toBeLessThan(6_200)
      expect(worker.active).toBe(0)
      expect(await kit.job(id)).toMatchObject({ state: 'failed', error: { code: 'ATTEMPT_TIMEOUT' } })
      expect(kit.logged('did not heed its signal')).toHaveLength(1)
      const writes = kit.count('write')
      ctx?.progress({ late: true })
      ctx?.log.info('late')
      await kit.pass(1_000)
      expect(kit.count('write')).toBe(writes)
      if (how === 'returns') late.resolve('late')
      else late.reject(new Error('late'))
      await turns()
      expect(kit.logged('after its attempt had been ended')).toHaveLength(1)
      expect((await kit.job(id)).result).toBeUndefined()
    },
  )

  test('no timer without a timeout, and none is left after one that was not needed', async () => {
    await kit.started([task(() => null)], { maintain: false })
    await kit.pass(100)
    const before = kit.clock.waiting
    const ids = [await kit.enqueue({ timeoutMs: 60_000 }), await kit.enqueue()]
    await kit.until(async () => (await Promise.all(ids.map(ended))).every(Boolean))
    await kit.pass(2_000)
    expect(kit.clock.waiting).toBe(before)
  })
})

describe('cancel of a running job', () => {
  test('the signal is aborted soon, and the job is cancelled', async () => {
    const id = await kit.enqueue()
    let reason: unknown
    await kit.started([
      task(
        (_, { signal }) =>
          new Promise((__, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(signal.reason)
            })
          }),
      ),
    ])
    await kit.until(async () => (await state(id)) === 'active')
    await kit.pass(1_000)
    await kit.memory.cancel({ ids: [id] })
    const tookMs = await kit.until(() => ended(id))
    expect(tookMs).toBeLessThan(300)
    expect(codeOf(reason)).toBe('JOB_CANCELLED')
    expect(await kit.job(id)).toMatchObject({ state: 'cancelled', reason: 'by-request' })
  })

  test('a cancel that comes while leases are being renewed is heard', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task((_, { signal }) => new Promise((__, reject) => signal.addEventListener('abort', () => reject(1)))),
    ])
    await kit.until(async () => (await state(id)) === 'active')
    const reply = deferred()
    let held = 0
    kit.break('extend', async (_, through) => {
      const answers = await through()
      held += 1
      await reply.promise
      return answers
    })
    await kit.until(() => held === 1)
    await kit.memory.cancel({ ids: [id] })
    await turns()
    reply.resolve()
    expect(await kit.until(() => ended(id))).toBeLessThan(300)
  })

  test('a job that ends well nevertheless succeeded', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(
        (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('done'))),
      ),
    ])
    await kit.until(async () => (await state(id)) === 'active')
    await kit.memory.cancel({ ids: [id] })
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
  })

  test('one that does not listen is given up', async () => {
    const id = await kit.enqueue()
    await kit.started([task(() => new Promise(() => undefined))], { abandonAfter: '2s' })
    await kit.until(async () => (await state(id)) === 'active')
    await kit.memory.cancel({ ids: [id] })
    const tookMs = await kit.until(() => ended(id))
    expect(tookMs).toBeLessThan(2_400)
    expect(await state(id)).toBe('cancelled')
  })
})
