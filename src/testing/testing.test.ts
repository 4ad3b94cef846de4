import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type App, offstage } from '../app/app.ts'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import { RetryAfter, Snooze } from '../errors/control.ts'
import { silentLogger } from '../runtime/logger.ts'
import { type TestApp, testApp } from './index.ts'

let app: App
let t: TestApp

beforeEach(async () => {
  // A file that cannot be: whatever would open it fails the test.
  app = offstage({ broker: 'sqlite:/nowhere/at/all/offstage.db', logger: silentLogger })
  t = await testApp(app)
})

afterEach(async () => {
  await t.close()
  await app.close()
})

const none = { succeeded: 0, failed: 0, cancelled: 0, retried: 0, snoozed: 0, unknown: 0 }
const empty = { scheduled: 0, ready: 0, blocked: 0 }

describe('drain', () => {
  test('runs what is ready, and what that enqueues, and says what it did', async () => {
    const ran: number[] = []
    const count = app.task({
      name: 'count',
      input: z.number(),
      async run(n) {
        ran.push(n)
        if (n > 0) await count.enqueue(n - 1)
        return n
      },
    })
    const job = await count.enqueue(3)
    expect(await t.drain()).toEqual({ ...none, ...empty, succeeded: 4 })
    expect(ran).toEqual([3, 2, 1, 0])
    expect(await job.result()).toBe(3)
    expect(await t.drain()).toEqual({ ...none, ...empty })
  })

  test('batches leave when nothing more can join them, though time stands still', async () => {
    const sizes: number[] = []
    const batch = app.task({
      name: 'batch',
      input: z.number(),
      batch: { size: 4, within: '1m' },
      async runBatch(items) {
        sizes.push(items.length)
        if (items.length === 2) await single.enqueue()
        return items.map(({ input }) => input)
      },
    })
    const single = app.task({ name: 'single', run: () => batch.enqueue(7).then(() => undefined) })
    const jobs = await batch.enqueueMany([0, 1, 2, 3, 4, 5])
    expect(await t.drain()).toEqual({ ...none, ...empty, succeeded: 8 })
    expect(sizes).toEqual([4, 2, 1])
    expect(await jobs[5]?.result()).toBe(5)
  })

  test('leaves retries scheduled; time and another drain run them', async () => {
    let attempts = 0
    const flaky = app.task({
      name: 'flaky',
      retry: { attempts: 3, base: '1m', max: '1m' },
      run(_input, ctx) {
        attempts += 1
        if (ctx.job.attempt < 3) throw new Error('not yet')
        return ctx.job.attempt
      },
    })
    const job = await flaky.enqueue()
    expect(await t.drain()).toEqual({ ...none, ...empty, retried: 1, scheduled: 1 })
    await t.clock.advance('1m')
    expect(await t.drain()).toMatchObject({ retried: 1, scheduled: 1 })
    await t.clock.advance('1m')
    expect(await t.drain()).toMatchObject({ succeeded: 1, scheduled: 0 })
    expect([attempts, await job.result()]).toEqual([3, 3])
  })

  test('untilEmpty goes on until nothing waits for a time', async () => {
    const start = t.clock.now()
    const at: number[] = []
    const later = app.task({
      name: 'later',
      retry: { attempts: 2 },
      run(_input, ctx) {
        at.push(ctx.clock.now() - start)
        if (ctx.job.attempt === 1) throw new RetryAfter('10s')
      },
    })
    await later.enqueue(undefined, { delay: '1h' })
    expect(await t.drain({ untilEmpty: true })).toEqual({ ...none, ...empty, succeeded: 1, retried: 1 })
    expect(at).toEqual([3_600_000, 3_610_000])
  })

  test('counts dead letters, snoozes and cancelled jobs', async () => {
    const fail = app.task({
      name: 'fail',
      retry: { attempts: 1 },
      run: () => Promise.reject(new Error('no')),
    })
    const snooze = app.task({
      name: 'snooze',
      run() {
        throw new Snooze('1m')
      },
    })
    await fail.enqueue()
    await snooze.enqueue()
    await (await fail.enqueue()).cancel()
    expect(await t.drain()).toEqual({ ...none, ...empty, failed: 1, snoozed: 1, scheduled: 1 })
    expect((await app.jobs.counts()).cancelled).toBe(1)
  })

  test('serves queues that only a job names, and leaves paused ones', async () => {
    const task = app.task({ name: 'mail', queue: 'mail', run: () => 1 })
    await task.enqueue(1, { queue: 'vip' })
    await task.enqueue(1)
    await app.queues.pause('mail')
    expect(await t.drain()).toMatchObject({ succeeded: 1, ready: 1 })
    await app.queues.resume('mail')
    expect(await t.drain()).toMatchObject({ succeeded: 1, ready: 0 })
  })

  test('leaves what a rate holds back', async () => {
    const task = app.task({ name: 'slow', limit: { rate: '2/m' }, run: () => 1 })
    await task.enqueueMany([1, 2, 3, 4, 5])
    expect(await t.drain()).toMatchObject({ succeeded: 2, ready: 3 })
    await t.clock.advance('2m')
    expect(await t.drain()).toMatchObject({ succeeded: 2, ready: 1 })
  })

  test('a handler that works on something real is waited for, and several run at once', async () => {
    let most = 0
    let active = 0
    const task = app.task({
      name: 'io',
      async run() {
        active += 1
        most = Math.max(most, active)
        for (let i = 0; i < 5; i++) await new Promise(setImmediate)
        active -= 1
      },
    })
    await task.enqueueMany(Array.from({ length: 12 }, (_, n) => n))
    expect(await t.drain({ concurrency: 4 })).toMatchObject({ succeeded: 12 })
    expect(most).toBe(4)
  })

  test('a timeout comes when the clock does', async () => {
    const reasons: unknown[] = []
    let begun = (): void => undefined
    const running = new Promise<void>((resolve) => {
      begun = resolve
    })
    const task = app.task({
      name: 'hang',
      timeout: '30s',
      retry: { attempts: 1 },
      run: (_input, ctx) =>
        new Promise((_, reject) => {
          ctx.signal.addEventListener('abort', () => {
            reasons.push(ctx.signal.reason)
            reject(ctx.signal.reason)
          })
          begun()
        }),
    })
    const job = await task.enqueue()
    const draining = t.drain()
    await running
    await t.clock.advance('30s')
    expect(await draining).toMatchObject({ failed: 1 })
    expect(reasons).toMatchObject([{ code: 'ATTEMPT_TIMEOUT' }])
    await expect(job.result()).rejects.toMatchObject({ code: 'JOB_FAILED' })
  })

  test('progress and logs are kept', async () => {
    const task = app.task({
      name: 'talk',
      run(_input, ctx) {
        ctx.progress({ done: 1 })
        ctx.log.info('half way')
      },
    })
    const job = await task.enqueue()
    await t.drain()
    expect(await job.record()).toMatchObject({ progress: { done: 1 } })
    expect(await job.logs()).toMatchObject([{ level: 'info', text: 'half way' }])
  })

  test('what the handler gets is what production would give it', async () => {
    const seen: unknown[] = []
    const task = app.task({
      name: 'parsed',
      input: z.object({ at: z.coerce.date() }),
      output: z.object({ id: z.number() }),
      run: ({ at }) => {
        seen.push(at)
        return { id: at.getTime() }
      },
    })
    await task.enqueue({ at: '2030-01-01' })
    await t.drain()
    expect(seen).toEqual([new Date('2030-01-01')])
  })
})

describe('enqueued', () => {
  test('answers the jobs of a task, oldest first, typed', async () => {
    const mail = app.task({ name: 'mail', run: (input: { to: string }) => input.to })
    app.task({ name: 'other', run: () => 1 })
    await mail.enqueue({ to: 'a' }, { id: 'first', delay: '5m' })
    await mail.enqueue({ to: 'b' })
    const jobs = await t.enqueued(mail)
    expectTypeOf(jobs[0]?.input).toEqualTypeOf<{ to: string } | undefined>()
    expect(jobs.map(({ input, state }) => [input.to, state])).toEqual([
      ['a', 'scheduled'],
      ['b', 'ready'],
    ])
    expect(jobs[0]?.runAt).toBe(t.clock.now() + 300_000)
  })
})

describe('the app under test', () => {
  test('has its own broker and clock back at the end', async () => {
    const task = app.task({ name: 'mail', run: () => 1 })
    await task.enqueue()
    await expect(testApp(app)).rejects.toThrow('under test already')
    await t.close()
    await t.close()
    t = await testApp(app, { startAt: 1_000 })
    expect(await t.enqueued(task)).toEqual([])
    expect(t.clock.now()).toBe(1_000)
    expect(await app.broker()).toBe(t.broker)
  })

  test('waits for its jobs end with it, and ask no other broker', async () => {
    let opened = false
    class Own extends MemoryBroker {
      override async open(): Promise<void> {
        opened = true
      }
    }
    const own = offstage({ broker: new Own() })
    const test = await testApp(own)
    const job = await own.task({ name: 'mail', run: () => 1 }).enqueue()
    const ended = expect(job.result()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await test.close()
    await ended
    await own.close()
    expect(opened).toBe(false)
  })

  test('is an app, and an open one', async () => {
    await expect(testApp({} as App)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    const closed = offstage({ broker: 'memory:' })
    await closed.close()
    await expect(testApp(closed)).rejects.toMatchObject({ code: 'APP_CLOSED' })
    await expect(testApp(app, { start: 1 } as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(t.drain({ untilEmtpy: true } as never)).rejects.toThrow("did you mean 'untilEmpty'?")
  })

  test('runs a worker of its own too', async () => {
    const task = app.task({ name: 'mail', run: () => 'done' })
    await using worker = app.worker()
    await worker.start()
    expect(await (await task.enqueue()).result()).toBe('done')
  })
})

describe('the clock', () => {
  test('runs what falls due in order, each at its moment', async () => {
    const { clock } = t
    const start = clock.now()
    const log: string[] = []
    const note = (name: string) => () => log.push(`${name} ${clock.now() - start}`)
    clock.schedule(200, note('b'))
    clock.schedule(100, () => {
      note('a')()
      clock.schedule(50, note('a2'))
    })
    clock.schedule(100, note('c'))
    clock.schedule(300, note('never')).cancel()
    clock.schedule(1_001, note('late'))
    await clock.advance('1s')
    expect(log).toEqual(['a 100', 'c 100', 'a2 150', 'b 200'])
    expect([clock.now() - start, clock.monotonic()]).toEqual([1_000, 1_000])
    await expect(clock.advance(-1)).rejects.toMatchObject({ code: 'DURATION_INVALID' })
  })
})
