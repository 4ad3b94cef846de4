// How long an attempt may take, and handlers that take longer all the same.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Deferred, deferred, task, turns, WorkerKit } from '../../test/support/worker-kit.ts'
import type { Clock } from '../runtime/clock.ts'
import type { TaskContext } from '../task/context.ts'
import { Worker } from './worker.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

const once = { attempts: 1, baseMs: 1, maxMs: 1 }
const ended = async (id: string): Promise<boolean> => (await kit.job(id)).endedAt !== undefined
const untilAborted = (_: unknown, { signal }: TaskContext): Promise<never> =>
  new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('the limit of a queue', () => {
  test.each([
    ['whatever the task says', {}, {}, 1_000, "the limit of this worker for queue 'mail'"],
    ['where it is the shorter one', { timeoutMs: 3_000 }, {}, 1_000, 'the limit'],
    ['but not where the task has a shorter one', { timeoutMs: 300 }, {}, 300, 'longer than 300ms'],
    ['nor the job', { timeoutMs: 3_000 }, { timeoutMs: 300 }, 300, 'longer than 300ms'],
    ['also where the job asks for more', { timeoutMs: 300 }, { timeoutMs: 3_000 }, 1_000, 'the limit'],
  ])('holds %s', async (_, ofTask, ofJob, afterMs, message) => {
    await kit.started([task(untilAborted, { queue: 'mail', ...ofTask })], { timeouts: { mail: '1s' } })
    const id = await kit.enqueue({ queue: 'mail', retry: once, ...ofJob })
    const tookMs = await kit.until(() => ended(id))
    expect(tookMs).toBeGreaterThanOrEqual(afterMs)
    expect(tookMs).toBeLessThan(afterMs + 100)
    const { state, error } = await kit.job(id)
    expect(state).toBe('failed')
    expect(error).toMatchObject({ code: 'ATTEMPT_TIMEOUT', message: expect.stringContaining(message) })
  })

  test('is that of its name, else that of *; a queue without one has none', async () => {
    const tasks = [task(untilAborted), task(untilAborted, { name: 'mail', queue: 'mail' })]
    await kit.started(tasks, { timeouts: { mail: '1s', '*': '5s' } })
    await kit.started([task(untilAborted, { queue: 'free' })], { timeouts: { mail: '1s' } })
    const mail = await kit.enqueue({ task: 'mail', queue: 'mail', retry: once })
    const other = await kit.enqueue({ retry: once })
    const free = await kit.enqueue({ queue: 'free', retry: once })
    expect(await kit.until(() => ended(mail))).toBeLessThan(1_100)
    expect(await kit.until(() => ended(other))).toBeGreaterThanOrEqual(3_900)
    await kit.pass(600_000, 1_000)
    expect(await kit.job(free)).toMatchObject({ state: 'active', failures: 0 })
  })
})

describe('handlers that were given up', () => {
  /** Handlers that heed nothing, until they are let go. */
  function deaf(): { readonly gates: Deferred[]; readonly run: () => Promise<void> } {
    const gates: Deferred[] = []
    const run = (): Promise<void> => {
      const gate = deferred()
      gates.push(gate)
      return gate.promise
    }
    return { gates, run }
  }

  test('are counted until they end, and free their slots', async () => {
    const { gates, run } = deaf()
    const worker = await kit.started([task(run, { timeoutMs: 100 })], { concurrency: 1, abandonAfter: '1s' })
    const first = await kit.enqueue({ retry: once })
    const second = await kit.enqueue({ retry: once })
    expect(worker.abandoned).toBe(0)
    await kit.until(() => ended(first))
    expect(worker.abandoned).toBe(1)
    await kit.until(() => ended(second))
    expect([worker.abandoned, worker.active]).toEqual([2, 0])
    gates[0]?.resolve()
    await turns()
    expect(worker.abandoned).toBe(1)
    gates[1]?.reject(new Error('late'))
    await turns()
    expect(worker.abandoned).toBe(0)
  })

  test('are not those that ended within the patience; one whose input is never read is', async () => {
    const tasks = [
      task(untilAborted, { timeoutMs: 100 }),
      task(() => null, { name: 'unread', timeoutMs: 100, readInput: () => new Promise(() => undefined) }),
    ]
    const worker = await kit.started(tasks, { abandonAfter: '1s' })
    const heeds = await kit.enqueue({ retry: once })
    await kit.until(() => ended(heeds))
    expect(worker.abandoned).toBe(0)
    // Reading the input is the task's code too: a schema that never answers goes on as well.
    const unread = await kit.enqueue({ task: 'unread', retry: once })
    await kit.until(() => ended(unread))
    expect(worker.abandoned).toBe(1)
  })

  test('what to do about them is said once a task', async () => {
    const { gates, run } = deaf()
    const tasks = [task(run, { timeoutMs: 100 }), task(run, { name: 'other', timeoutMs: 100 })]
    await kit.started(tasks, { abandonAfter: 0 })
    for (const name of ['work', 'work', 'other', 'work']) {
      const id = await kit.enqueue({ task: name, retry: once })
      await kit.until(() => ended(id))
    }
    expect(kit.logged('did not heed its signal')).toHaveLength(4)
    const advised = kit.logged('Pass ctx.signal')
    expect(advised.map(({ fields }) => fields.task)).toEqual(['work', 'other'])
    expect(advised[0]).toMatchObject({ level: 'warn', fields: { abandoned: 1, reason: 'ATTEMPT_TIMEOUT' } })
    for (const gate of gates) gate.resolve()
  })
})

test.each([
  ['forwards', 86_400_000],
  ['backwards', -86_400_000],
])('a wall clock that jumps a day %s changes no limit', async (_, jumpMs) => {
  let shiftMs = 0
  const clock: Clock = {
    now: () => kit.clock.now() + shiftMs,
    monotonic: () => kit.clock.monotonic(),
    schedule: (ms, run) => kit.clock.schedule(ms, run),
  }
  const { broker, logger } = kit
  const tasks = [task(untilAborted, { queue: 'mail' }), task(() => null, { name: 'quick' })]
  const options = { timeouts: { mail: '10s' }, lease: '3s' }
  const worker = new Worker({ broker, clock, logger, tasks, middleware: [], options })
  await worker.start()
  const id = await kit.enqueue({ queue: 'mail', retry: once })
  await kit.pass(5_000)
  shiftMs = jumpMs
  await kit.pass(4_900)
  expect(await kit.job(id)).toMatchObject({ state: 'active' })
  expect(await kit.until(() => ended(id))).toBeLessThan(300)
  expect(await kit.job(id)).toMatchObject({ failures: 1, crashes: 0, error: { code: 'ATTEMPT_TIMEOUT' } })
  const quick = await kit.enqueue({ task: 'quick' })
  expect(await kit.until(() => ended(quick))).toBeLessThan(1_100)
  let stopped = false
  void worker.stop({ grace: 0 }).then(() => {
    stopped = true
  })
  await kit.until(() => stopped)
})
