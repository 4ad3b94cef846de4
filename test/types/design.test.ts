// The example of the design, as a program: it compiles, and it does what it says.

import { type JobHandle, NonRetryable, offstage, RetryAfter, Snooze } from 'offstage'
import { type TestApp, testApp } from 'offstage/testing'
import { afterAll, beforeAll, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'

const sent: { to: string; key: string }[] = []
const mailer = {
  async send(mail: { to: string; name: string }, options: { signal: AbortSignal; idempotencyKey: string }) {
    options.signal.throwIfAborted()
    sent.push({ to: mail.to, key: options.idempotencyKey })
    return `message-${sent.length}`
  },
}

// app.ts
const app = offstage({ broker: 'sqlite:offstage.db' })

// tasks/mail.ts
const sendWelcome = app.task({
  name: 'send-welcome',
  input: z.object({ to: z.email(), name: z.string() }),
  queue: 'mail',
  priority: 5,
  retry: { attempts: 20, base: '2s', max: '10m' },
  timeout: '30s',
  limit: { concurrency: 10, rate: '100/m' },
  partition: { by: (i) => i.to, limit: { rate: '1/s' } },
  unique: { by: (i) => i.to, during: 'unfinished', onConflict: 'keep' },
  search: (i) => ({ to: i.to }),
  retention: { succeeded: '1h', failed: '14d' },
  async run(input, ctx) {
    ctx.progress({ done: 1, of: 2 })
    ctx.log.info('sending')
    return { messageId: await mailer.send(input, { signal: ctx.signal, idempotencyKey: ctx.job.id }) }
  },
})

const other = app.task({ name: 'other', run: (x: number) => new Date(x) })

// what producers need of a task, and elsewhere the rest
const resize = app.define({
  name: 'resize',
  input: z.object({ url: z.url() }),
  output: z.object({ width: z.number() }),
  expiresIn: '1d',
})
app.implement(
  resize,
  ({ url }, ctx) => {
    if (url.endsWith('/gone')) throw new NonRetryable('no such image')
    if (url.endsWith('/busy') && ctx.job.attempt === 1) throw new RetryAfter('10s')
    if (url.endsWith('/later') && ctx.clock.now() < startAt + 600_000) throw new Snooze('5m')
    return { width: url.length }
  },
  { timeout: '1m', limit: { concurrency: 2 } },
)

const startAt = Date.UTC(2030, 0, 1)
let t: TestApp
beforeAll(async () => {
  t = await testApp(app, { startAt })
})
afterAll(async () => {
  await t.close()
  await app.close()
})

test('anywhere: enqueue, ask, wait', async () => {
  const [to, name, userId] = ['ada@example.org', 'Ada', 7]
  const job = await sendWelcome.enqueue({ to, name }, { delay: '5m', id: `welcome-${userId}` })
  expect(job.duplicate).toBe(false)
  const again = await sendWelcome.enqueue({ to, name })
  expect(again).toMatchObject({ duplicate: true, id: job.id })
  expect(await t.enqueued(sendWelcome)).toMatchObject([{ input: { to, name }, state: 'scheduled' }])

  await t.clock.advance('5m')
  await t.drain()
  const { messageId } = await job.result({ timeout: '1m' })
  expectTypeOf(messageId).toEqualTypeOf<string>()
  expect(messageId).toBe('message-1')
  expect(sent).toEqual([{ to, key: 'welcome-7' }])
  expect(await job.record()).toMatchObject({ progress: { done: 1, of: 2 }, search: { to } })
  expect(await job.logs()).toMatchObject([{ text: 'sending' }])
})

test('many, and several tasks at once', async () => {
  const inputs = ['a', 'b', 'c'].map((name) => ({ to: `${name}@example.org`, name }))
  const jobs = await sendWelcome.enqueueMany(inputs, (input, i) => ({ priority: i, tags: [input.name] }))
  expectTypeOf(jobs).toEqualTypeOf<JobHandle<{ messageId: string }>[]>()
  const [, date] = await app.enqueue([
    sendWelcome.with({ to: 'd@example.org', name: 'd' }),
    other.with(0, { priority: 9 }),
  ])
  expect(await t.drain()).toMatchObject({ succeeded: 5, ready: 0 })
  const at = await date.result()
  expectTypeOf(at).toEqualTypeOf<string>()
  expect(at).toBe('1970-01-01T00:00:00.000Z')
  expect(await app.job(date.id).result()).toBe(at)
  expect(await sendWelcome.job(jobs[0]?.id ?? '').state()).toBe('succeeded')
})

test('handlers speak by throwing', async () => {
  const [gone, busy, later] = await resize.enqueueMany(
    ['gone', 'busy', 'later'].map((name) => ({ url: `https://images.example/${name}` })),
  )
  expect(await t.drain()).toMatchObject({ failed: 1, retried: 1, snoozed: 1, succeeded: 0 })
  await expect(gone?.result()).rejects.toMatchObject({ code: 'JOB_FAILED', cause: { code: 'NON_RETRYABLE' } })
  await t.clock.advance('10s')
  expect(await t.drain()).toMatchObject({ succeeded: 1, scheduled: 1 })
  expect(await busy?.result()).toEqual({ width: 27 })
  await t.clock.advance('5m')
  await t.drain()
  expect(await later?.result()).toEqual({ width: 28 })
})
