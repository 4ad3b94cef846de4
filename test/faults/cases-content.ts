// Hostile content: bytes that nobody can read, tasks and versions that nobody knows, values and errors out of the
// ordinary, more than is allowed. The loop goes on and each ends as what it is.
import { expect } from 'vitest'
import type { App, Logger } from '../../src/index.ts'
import { json, spec } from '../../src/laws/factories.ts'
import { only } from './reading.ts'
import type { Arena, FaultCase } from './suite.ts'
import { until } from './time.ts'

const MAX_BYTES = 100_000
const HUGE = 5_000_000

export const contentCases: readonly FaultCase[] = [
  {
    title: 'F35: malformed bytes are dead letters at once, unknown tasks and versions are put back',
    star: true,
    run: unreadable,
  },
  {
    title: 'F36: values come back as they were or are refused, and the failure path never throws',
    star: true,
    run: hostile,
  },
  { title: 'F37: more than is allowed is refused before it is sent, and errors are cut', run: tooLarge },
]

async function unreadable({ fleet, atEnd }: Arena): Promise<void> {
  const broker = await fleet.open()
  atEnd(() => broker.close())
  const bytes = (...list: number[]): { codec: number; bytes: Uint8Array } => ({
    codec: 0,
    bytes: Uint8Array.from(list),
  })
  const job = (id: string, fields: Parameters<typeof spec>[0]): ReturnType<typeof spec> =>
    spec({ id, queue: 'default', ...fields })
  const answers = await broker.enqueue([
    [job('half', { input: bytes(0x7b, 0x22) })],
    [job('no-utf8', { input: bytes(0xff, 0xfe, 0) })],
    [job('codec', { input: { codec: 99, bytes: Uint8Array.of(1) } })],
    [job('newer', { version: 99 })],
    [job('later', { task: 'later', input: json({ n: 1, workMs: 0, fails: 0, pad: '' }) })],
    [job('never', { task: 'never' })],
  ])
  expect(answers.every(({ ok }) => ok)).toBe(true)
  const stateOf = async (id: string): Promise<readonly unknown[]> => {
    const [record] = await broker.get([id])
    return [record?.state, record?.reason]
  }
  const becomes = (id: string, ...state: readonly string[]): Promise<true> =>
    until(`${id} is ${state.join(', ')}`, async () => {
      const now = await stateOf(id)
      return state.every((part, i) => now[i] === part) || undefined
    })

  // Long enough for a process to start on a busy machine, before which nothing may be given up.
  const old = await fleet.worker({ concurrency: 4, unknownAfter: '10s' })
  for (const id of ['half', 'no-utf8', 'codec']) await becomes(id, 'failed', 'unreadable')
  for (const id of ['newer', 'later', 'never']) await becomes(id, 'scheduled')
  await fleet.enqueue({ seed: 35, prefix: 'next', count: 20 })
  await fleet.until('the loop goes on', (history) => only(history, 'ran').length >= 20)
  // A worker of the next release takes its place, and knows one of them.
  await fleet.worker({ concurrency: 4, unknownAfter: '10s' }, { knows: 'later' })
  fleet.fault('term', old)
  expect(await old.ended).toBe(0)
  await becomes('later', 'succeeded')
  for (const id of ['newer', 'never']) await becomes(id, 'failed', 'unknown-task')
  for (const id of ['half', 'newer', 'later', 'never']) {
    const [record] = await broker.get([id])
    expect([id, record?.failures, record?.crashes]).toEqual([id, 0, 0])
  }
  expect(await fleet.stop()).toEqual([0])
}

/** An app with a worker in this process, and what it logged as errors. */
async function appOn(
  { fleet, atEnd }: Arena,
  define: (app: App) => void,
): Promise<{ readonly app: App; readonly errors: readonly unknown[] }> {
  const errors: unknown[] = []
  const quiet = (): void => undefined
  const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: (first) => void errors.push(first) }
  const app = await fleet.app({ logger, maxPayloadBytes: MAX_BYTES })
  atEnd(() => app.close())
  define(app)
  await app.worker({ concurrency: 8 }).start()
  return { app, errors }
}

async function hostile(arena: Arena): Promise<void> {
  const throws: { readonly [name: string]: () => unknown } = {
    undefined: () => undefined,
    null: () => null,
    text: () => 'a\0b',
    'a lone surrogate': () => new Error('\ud800'),
    BigInt: () => 10n,
    symbol: () => Symbol('s'),
    'no prototype': () => Object.create(null),
    cycle: () => {
      const error = new Error('round')
      error.cause = error
      return error
    },
    'a getter that throws': () =>
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no message for you')
        },
      }),
    'a proxy that throws': () =>
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('no')
          },
        },
      ),
  }
  const results: { readonly [name: string]: () => unknown } = {
    BigInt: () => 2n ** 53n,
    cycle: () => {
      const round: { self?: unknown } = {}
      round.self = round
      return round
    },
    function: () => () => 1,
    NaN: () => Number.NaN,
    deep: () => nested(300),
    'toJSON that throws': () => ({
      toJSON: () => {
        throw new Error('no')
      },
    }),
  }
  const retry = { attempts: 1 }
  const { app, errors } = await appOn(arena, (made) => {
    made.task<unknown>({ name: 'echo', retry, run: (value) => value })
    made.task<string>({
      name: 'throw',
      retry,
      run: (name) => {
        throw throws[name]?.()
      },
    })
    made.task<string>({ name: 'return', retry, run: (name) => results[name]?.() })
  })
  const [echo, fail, give] = app.tasks
  if (echo === undefined || fail === undefined || give === undefined) throw new Error('no tasks')

  for (const value of SAME) {
    const job = await echo.enqueue(value)
    expect(await job.result({ timeout: '10s' })).toEqual(value)
  }
  for (const value of refusedInputs())
    await expect(echo.enqueue(value), String(typeof value)).rejects.toMatchObject({ code: 'NOT_JSON' })
  for (const name of Object.keys(throws)) {
    const job = await fail.enqueue(name)
    await expect(job.result({ timeout: '10s' }), name).rejects.toMatchObject({ code: 'JOB_FAILED' })
  }
  for (const name of Object.keys(results)) {
    const job = await give.enqueue(name)
    await expect(job.result({ timeout: '10s' }), name).rejects.toMatchObject({ code: 'JOB_FAILED' })
  }
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
  expect(errors).toEqual([])
  const last = await echo.enqueue('still there')
  expect(await last.result({ timeout: '10s' })).toBe('still there')
}

const SAME: readonly unknown[] = [
  'a\0b',
  '\ud800 alone, and \udc00',
  JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  2 ** 53 - 1,
  9_007_199_254_740_992,
  1e308,
  5e-324,
  undefined,
  null,
  '',
  [],
  {},
  { '': [{ 'a\nb': '🦊' }] },
  nested(200),
]

function refusedInputs(): unknown[] {
  const round: { self?: unknown } = {}
  round.self = round
  return [10n, round, [undefined], Number.NaN, () => 1, Symbol('s'), new Map(), nested(300)]
}

function nested(depth: number): unknown {
  let value: unknown = 'deep'
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { in: value }
  return value
}

async function tooLarge(arena: Arena): Promise<void> {
  const retry = { attempts: 1 }
  const { app, errors } = await appOn(arena, (made) => {
    made.task<string>({ name: 'echo', retry, run: (text) => text.length })
    made.task<null>({ name: 'large-result', retry, run: () => 'x'.repeat(HUGE) })
    made.task<null>({
      name: 'large-error',
      retry,
      run: () => {
        throw new Error('x'.repeat(HUGE))
      },
    })
  })
  const [echo, result, error] = app.tasks
  if (echo === undefined || result === undefined || error === undefined) throw new Error('no tasks')
  const broker = await app.broker()
  const before = await broker.queues()
  await expect(echo.enqueue('x'.repeat(MAX_BYTES))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  expect(await broker.queues()).toEqual(before)
  const largest = await echo.enqueue('x'.repeat(MAX_BYTES - 2))
  expect(await largest.result({ timeout: '10s' })).toBe(MAX_BYTES - 2)
  for (const [task, part] of [
    [result, 'at most'],
    [error, 'xxx'],
  ] as const) {
    const job = await task.enqueue(null)
    await expect(job.result({ timeout: '10s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    const [record] = await broker.get([job.id])
    expect(record?.error?.message).toContain(part)
    expect(JSON.stringify(record?.error).length).toBeLessThan(20_000)
  }
  expect(errors).toEqual([])
}
