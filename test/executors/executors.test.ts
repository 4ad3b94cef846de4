// Tasks in threads and in processes, through the worker of an app: they do what they would do inline, and what ends a
// thread or a process ends one attempt.
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Kind, Kit, recordOf } from './kit.ts'
import { app, lines, strict, twin, type Where } from './tasks.ts'
import { isAlive, until } from './until.ts'

const kit = new Kit()
beforeAll(() => kit.start({ threads: { max: 2 }, processes: { max: 2 } }))
beforeEach(() => void lines.splice(0))
afterAll(() => kit.close())

const kinds = ['thread', 'process'] as const

describe.each(kinds)('in a %s', (kind) => {
  test('a handler runs elsewhere, and the place is used again', async () => {
    const first = (await kit.result(kind, 'where')) as Where
    const second = (await kit.result(kind, 'where')) as Where
    if (kind === 'thread') expect(first).toEqual({ pid: process.pid, thread: expect.any(Number) })
    else expect(first.pid).not.toBe(process.pid)
    expect(first).not.toEqual(await kit.result('inline', 'where'))
    expect(second).toEqual(first)
  })

  test.each([
    [{ a: [1, 'ü', null, true], b: { c: 1.5 } }],
    ['\u0000\ud83d\ude00'],
    ['x'.repeat(100_000)],
    [null],
    [undefined],
  ])('input and result cross as they are: %j', async (value) => {
    expect(await kit.result(kind, 'echo', value)).toEqual(value)
  })

  test('the input goes through the schema there, with its transforms', async () => {
    const job = await twin[kind].enqueue({ deed: 'echo', at: '2026-01-02' as never })
    expect(await job.result({ timeout: '20s' })).toEqual({ isDate: true, year: 2026 })
  })

  test('it knows its job as inline', async () => {
    const options = { headers: { a: 'b' }, tags: ['t'], priority: 7, partition: 'p' }
    const [there, inline] = await Promise.all(
      [kind, 'inline' as const].map((one) => kit.result(one, 'about', undefined, options)),
    )
    const own = { id: expect.any(String), task: kind, queue: kind, token: expect.any(Number) }
    expect(there).toEqual({ ...(inline as object), ...own, createdAt: expect.any(Number) })
    expect(there).toMatchObject({ attempt: 1, priority: 7, partition: 'p', headers: { a: 'b' }, tags: ['t'] })
    expect(await kit.result(kind, 'clock')).toBe(true)
  })

  test('progress and log lines cross over, the latest progress before the end', async () => {
    const job = await kit.enqueue(kind, 'notes')
    expect(await job.result({ timeout: '20s' })).toBe('noted')
    expect((await recordOf(job)).progress).toEqual({ done: 10_000 })
    expect((await job.logs()).map(({ level, text }) => [level, text])).toEqual([
      ['info', 'half'],
      ['warn', 'way'],
    ])
    const said = lines.filter(({ fields }) => fields.job === job.id)
    expect(said.map(({ level, text }) => [level, text])).toEqual([
      ['info', 'half'],
      ['warn', 'way'],
    ])
    expect(said[0]?.fields).toEqual({ job: job.id, task: kind, attempt: 1 })
  })

  test('middleware of the module wraps the handler where it runs', async () => {
    const wrapped = await kit.result(kind, 'echo', 1, { headers: { wrap: 'yes' } })
    expect(wrapped).toEqual({ wrapped: 1, in: await kit.result(kind, 'where') })
  })

  test.each([
    'error',
    'string',
    'null',
    'undefined',
    'object',
    'hostile',
    'proxy',
    'nonRetryable',
    'retryAfter',
    'snooze',
    'cycle',
    'bigint',
    'func',
    'large',
  ])('%s ends the attempt as inline', async (deed) => {
    const [there, inline] = await Promise.all(
      [kind, 'inline' as const].map(async (one) => {
        const job = await kit.ended(one, deed)
        const [attempt] = job.attempts
        const { runAt = 0, createdAt } = job
        // A back-off has jitter, a delay that was asked for has none.
        const waitsMinutes =
          deed === 'retryAfter' || deed === 'snooze' ? Math.round((runAt - createdAt) / 60_000) : 0
        return {
          state: job.state,
          reason: job.reason,
          outcome: attempt?.outcome,
          error: plain(attempt?.error),
          waitsMinutes,
        }
      }),
    )
    expect(there).toEqual(inline)
    expect(inline?.outcome).not.toBe('succeeded')
  })

  test('class name, code, cause and stack cross over', async () => {
    const { error } = await kit.ended(kind, 'error')
    expect(error).toMatchObject({
      name: 'Refused',
      code: 'E_REFUSED',
      message: 'no',
      cause: { name: 'TypeError', message: 'because' },
    })
    expect(error?.stack).toContain('tasks.ts')
    expect(error?.cause?.stack).toContain('tasks.ts')
  })

  test('what is not input of the schema is a dead letter', async () => {
    // As an older release may have enqueued it.
    const broker = await app.broker()
    const job = await kit.enqueue(kind, 'echo', 1, { delay: '1h' })
    const [record] = await broker.get([job.id])
    expect(record).toBeDefined()
    const spec = {
      id: `${job.id}-bad`,
      task: kind,
      queue: kind,
      priority: 5,
      maxCrashes: 3,
      retention: { succeededMs: 1e6, failedMs: 1e6, cancelledMs: 1e6 },
    }
    const bytes = (text: string) => ({ codec: 0, bytes: new TextEncoder().encode(text) })
    await broker.enqueue([
      [{ ...spec, input: bytes('{"deed":1}') }],
      [{ ...spec, id: `${job.id}-worse`, input: bytes('{"deed":') }],
    ])
    const bad = await kit.attempted(app.job(`${job.id}-bad`))
    expect(bad).toMatchObject({ state: 'failed', reason: 'non-retryable', error: { code: 'INPUT_INVALID' } })
    const worse = await kit.attempted(app.job(`${job.id}-worse`))
    expect(worse).toMatchObject({
      state: 'failed',
      reason: 'unreadable',
      error: { code: 'PAYLOAD_UNREADABLE' },
    })
  })

  test('ctx.complete is refused with what to do', async () => {
    const { error } = await kit.ended(kind, 'complete')
    expect(error).toMatchObject({ code: 'TX_UNSUPPORTED', message: expect.stringContaining('run it inline') })
  })

  test('to enqueue into a broker that is not shared is refused, since nobody would see it', async () => {
    const { error } = await kit.ended(kind, 'enqueue', 1)
    expect(error).toMatchObject({ code: 'BROKER_UNSUPPORTED', message: expect.stringContaining('memory') })
  })

  test.each(['twice', 'rejectsLate'])('a promise that settles twice (%s) counts once', async (deed) => {
    expect(await kit.result(kind, deed)).toBe('first')
  })

  test.each(['spin', 'never'])('a timeout ends a handler that does not heed it (%s)', async (deed) => {
    // In a place that is there already, since starting one may take longer than that.
    await kit.result(kind, 'echo')
    const file = kit.file()
    const job = await kit.ended(kind, deed, file, { timeout: '1s' })
    expect(job.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' })
    // Nothing goes on without a slot, as an inline handler would.
    expect(kit.worker.abandoned).toBe(0)
    if (kind === 'process' && deed === 'spin') {
      const pid = Number(await kit.wrote(file))
      await until('the process is gone', () => !isAlive(pid))
    }
    // All places are still there: as many at once as there are.
    const go = kit.file()
    const waiting = [kit.result(kind, 'wait', go), kit.result(kind, 'wait', go)]
    await kit.result('inline', 'hash', 'x')
    writeFileSync(go, 'go')
    const places = (await Promise.all(waiting)) as Where[]
    expect(new Set(places.map((place) => JSON.stringify(place))).size).toBe(2)
  })

  test('a cancelled handler that does not heed it is ended', async () => {
    const file = kit.file()
    const job = await kit.enqueue(kind, 'spin', file)
    await kit.wrote(file)
    await job.cancel()
    await until('it is cancelled', async () => (await job.state()) === 'cancelled')
  })

  const crashes: [deed: string, how: string][] = [
    ['exit', 'it exited with code 7'],
    ['uncaught', 'thrown by nobody'],
    ['uncaughtNull', kind === 'thread' ? 'uncaught error: null' : 'it exited with code'],
    ['unhandled', 'rejected for nobody'],
  ]
  // In a thread it would be the end of the process.
  if (kind === 'process') crashes.push(['segfault', 'it was ended by SIGSEGV'])

  test.each(crashes)('a crash (%s) is the failure of that attempt, and the next runs', async (deed, how) => {
    const go = kit.file()
    const neighbour = await kit.enqueue(kind, 'wait', go)
    const job = await kit.ended(kind, deed)
    writeFileSync(go, 'go')
    expect(job).toMatchObject({
      state: 'scheduled',
      failures: 1,
      crashes: 0,
      error: { code: 'EXECUTOR_CRASHED' },
    })
    expect(`${job.error?.message} ${job.error?.cause?.message}`).toContain(how)
    if (deed === 'uncaught' || deed === 'unhandled') {
      expect(job.error?.cause).toMatchObject({ name: 'Refused', code: 'E_REFUSED' })
    }
    expect(await kit.result(kind, 'echo', 'alive')).toBe('alive')
    await neighbour.result({ timeout: '20s' })
    expect((await recordOf(neighbour)).attempts).toHaveLength(1)
  })
})

test('a process leaves the signals of a terminal to its worker', async () => {
  expect(await kit.result('process', 'signals')).toBe('still there')
})

test('a result that does not match its schema is a dead letter', async () => {
  const job = await kit.attempted(await strict.enqueue(1))
  expect(job).toMatchObject({ state: 'failed', reason: 'non-retryable', error: { code: 'OUTPUT_INVALID' } })
})

describe.each(kinds)('a handler in a %s that heeds its signal', (kind) => {
  beforeAll(() => kit.start({ threads: { max: 1 }, processes: { max: 1 }, abandonAfter: '20s' }))

  test('a cancel fires the signal there, with its reason', async () => {
    const place = await kit.result(kind, 'where')
    const file = kit.file()
    const job = await kit.enqueue(kind, 'heed', file)
    await kit.wrote(file)
    expect(await job.cancel()).toBe(true)
    await until('it is cancelled', async () => (await job.state()) === 'cancelled')
    expect(lines.filter(({ text }) => text.includes('did not heed'))).toEqual([])
    // So its place is still there.
    expect(await kit.result(kind, 'where')).toEqual(place)
  })

  test('a timeout fires the signal there, and what is thrown for it is the timeout', async () => {
    await kit.result(kind, 'echo')
    const job = await kit.ended(kind, 'heed', kit.file(), { timeout: '1s' })
    expect(job.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' })
    expect(job.error?.cause).toBeUndefined()
    expect(job.state).toBe('scheduled')
  })

  // Nothing reaches a process that computes.
  if (kind === 'process') return
  test('and computes sees it when it looks', async () => {
    await kit.result(kind, 'echo')
    const job = await kit.ended(kind, 'look', kit.file(), { timeout: '500ms' })
    expect(job.error).toMatchObject({ code: 'NON_RETRYABLE', message: 'looked and saw ATTEMPT_TIMEOUT' })
    const thrown = await kit.ended(kind, 'lookAndThrow', kit.file(), { timeout: '500ms' })
    expect(thrown.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' })
    expect(lines.filter(({ text }) => text.includes('did not heed'))).toEqual([])
  })
})

describe.each(kinds)('a %s with little memory', (kind) => {
  test('ends with the attempt that needs more', async () => {
    await kit.start({ threads: { max: 1, memory: '64mb' }, processes: { max: 1, memory: '64mb' } })
    const job = await kit.ended(kind as Kind, 'memory')
    expect(job).toMatchObject({ state: 'scheduled', error: { code: 'EXECUTOR_CRASHED' } })
    expect(job.error?.message).toMatch(
      kind === 'thread' ? /limit of 64 MB of memory/ : /ended by SIG(ABRT|TRAP), as when memory is full/,
    )
    expect(await kit.result(kind, 'echo', 1)).toBe(1)
  })
})

/** Stacks differ in the frames of the library, and in how their source was loaded. */
function plain(error: unknown): unknown {
  const text = JSON.stringify(error ?? null).replace(/task '\w+'/, "task 'x'")
  return JSON.parse(text, (key, value: unknown) => {
    if (key === 'fingerprint' && text.includes("task 'x'")) return 'of its name'
    return key === 'stack' ? typeof value : value
  })
}
