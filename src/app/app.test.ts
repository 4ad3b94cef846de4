import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import { NonRetryable } from '../errors/control.ts'
import { OffstageError } from '../errors/error.ts'
import type { LogFields, Logger } from '../runtime/logger.ts'
import { type App, isApp, offstage } from './app.ts'
import type { AppOptions } from './options.ts'

const apps: App[] = []

function make(options: AppOptions = {}): App {
  const app = offstage({ broker: new MemoryBroker(), ...options })
  apps.push(app)
  return app
}

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

function recording(): { logger: Logger; lines: { level: string; text: string; fields: LogFields }[] } {
  const lines: { level: string; text: string; fields: LogFields }[] = []
  const at =
    (level: string) =>
    (first: string | LogFields, second?: string): void => {
      const fields = typeof first === 'string' ? {} : first
      lines.push({ level, fields, text: typeof first === 'string' ? first : (second ?? '') })
    }
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines }
}

describe('options', () => {
  test.each([
    [{ brokr: 'memory:' }, "offstage(): there is no option 'brokr'; did you mean 'broker'?"],
    [{ broker: '' }, "broker is ''; a URL"],
    [{ broker: 5 }, 'broker is 5; a URL'],
    [{ broker: { open: (): number => 1 } }, 'broker is an object; a URL'],
    [{ namespace: 'a b' }, "namespace is 'a b'; 1 to 128 letters"],
    [{ logger: console.log }, 'logger is a function'],
    [{ logger: null }, 'it has no debug'],
    [{ maxPayloadBytes: 0 }, 'maxPayloadBytes is 0'],
    [{ maxPayloadBytes: '1MB' }, "maxPayloadBytes is '1MB'"],
    [{ defaults: { retries: 1 } }, "there is no option 'retries'"],
    [{ defaults: { priority: 99 } }, 'priority'],
    [{ broker: new MemoryBroker(), namespace: 'other' }, "the broker object was made with 'default'"],
  ])('%o is refused', (options, message) => {
    expect(() => offstage(options as AppOptions)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', message: expect.stringContaining(message) }),
    )
  })

  test('a namespace, defaults and a limit of size reach the jobs', async () => {
    const app = make({
      broker: 'memory:',
      namespace: 'shop',
      maxPayloadBytes: 10,
      defaults: { queue: 'slow' },
    })
    const task = app.task({ name: 'mail', run: () => 1 })
    const job = await task.enqueue('a')
    expect(await job.record()).toMatchObject({ namespace: 'shop', queue: 'slow' })
    await expect(task.enqueue('x'.repeat(10))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  })
})

describe('the broker', () => {
  test('is opened once, at the first use, by all first uses together', async () => {
    let opened = 0
    class Slow extends MemoryBroker {
      override async open(): Promise<void> {
        opened += 1
        await new Promise(setImmediate)
        return super.open()
      }
    }
    const app = make({ broker: new Slow() })
    const task = app.task({ name: 'mail', run: () => 1 })
    expect(opened).toBe(0)
    await Promise.all([task.enqueue(1), app.queues.list(), app.job('x').record(), task.enqueue(2)])
    expect(opened).toBe(1)
  })

  test('may be opened again after a failure', async () => {
    let tries = 0
    class Flaky extends MemoryBroker {
      override async open(): Promise<void> {
        tries += 1
        if (tries === 1) throw new OffstageError('STORE_READONLY', 'no')
        return super.open()
      }
    }
    const app = make({ broker: new Flaky() })
    const task = app.task({ name: 'mail', run: () => 1 })
    await expect(task.enqueue(1)).rejects.toMatchObject({ code: 'STORE_READONLY' })
    expect(await task.enqueue(1)).toMatchObject({ duplicate: false })
  })

  test('of an unknown scheme is said at the first use', async () => {
    const app = make({ broker: 'carrier-pigeon:coop' })
    await expect(app.queues.list()).rejects.toMatchObject({ code: 'BROKER_UNKNOWN' })
  })

  test('is required in production, at the first use and not before', async () => {
    const { NODE_ENV, OFFSTAGE_BROKER } = process.env
    process.env.NODE_ENV = 'production'
    delete process.env.OFFSTAGE_BROKER
    try {
      const app = make({ broker: undefined })
      const task = app.task({ name: 'mail', run: () => 1 })
      await expect(task.enqueue(1)).rejects.toMatchObject({ code: 'BROKER_REQUIRED' })
      process.env.OFFSTAGE_BROKER = 'memory:'
      expect(await task.enqueue(1)).toMatchObject({ duplicate: false })
    } finally {
      process.env.NODE_ENV = NODE_ENV
      if (OFFSTAGE_BROKER === undefined) delete process.env.OFFSTAGE_BROKER
      else process.env.OFFSTAGE_BROKER = OFFSTAGE_BROKER
    }
  })
})

describe('jobs run', () => {
  test('from enqueue to result, with several tasks', async () => {
    const app = make()
    const double = app.task({ name: 'double', input: z.number(), run: (n) => n * 2 })
    const date = app.task({ name: 'date', queue: 'dates', run: () => new Date(0) })
    await using worker = app.worker({ concurrency: 2 })
    await worker.start()
    expect(worker.id).toMatch(/:/)
    const [first, second] = await app.enqueue([double.with(21), date.with()])
    expect(await first.result()).toBe(42)
    expect(await second.result()).toBe('1970-01-01T00:00:00.000Z')
    const many = await double.enqueueMany([1, 2, 3], (n) => ({ id: `n-${n}` }))
    expect(await Promise.all(many.map((job) => job.result()))).toEqual([2, 4, 6])
    expect(await double.job('n-3').result()).toBe(6)
    expect((await app.jobs.counts()).succeeded).toBe(5)
    expect((await app.jobs.counts('dates')).succeeded).toBe(1)
    expect(await app.workers.list()).toHaveLength(1)
  })

  test('in batches, each job by its own answer', async () => {
    const app = make()
    const sizes: number[] = []
    const price = app.task({
      name: 'price',
      input: z.number(),
      output: z.object({ cents: z.number().transform((n) => Math.round(n)) }),
      retry: { attempts: 1 },
      batch: { size: 3, within: '1h' },
      runBatch: async (items, { size }) => {
        sizes.push(size)
        return items.map(({ input, job }) =>
          input < 0 ? new NonRetryable(`${job.id} is below zero`) : { cents: input * 100.4 },
        )
      },
    })
    const later = app.define({ name: 'later', output: z.string() })
    app.implement(later, { batch: { size: 2 }, runBatch: (items) => items.map(() => 'x') })
    await using worker = app.worker()
    await worker.start()
    const [one, two, three] = await price.enqueueMany([1, -2, 3])
    expect(await one?.result()).toEqual({ cents: 100 })
    await expect(two?.result()).rejects.toMatchObject({
      code: 'JOB_FAILED',
      cause: { code: 'NON_RETRYABLE', message: expect.stringContaining('is below zero') },
    })
    expect(await three?.result()).toEqual({ cents: 301 })
    expect(sizes).toEqual([3])
    expect(await (await later.enqueue()).result()).toBe('x')
  })

  test('a handler that was given up is counted, on the worker and until it ends', async () => {
    const app = make()
    let letGo: (() => void) | undefined
    const deaf = app.task({
      name: 'deaf',
      queue: 'slow',
      retry: { attempts: 1 },
      run: () => new Promise<void>((resolve) => (letGo = resolve)),
    })
    await using worker = app.worker({ timeouts: { slow: 20 }, abandonAfter: 20 })
    expect(worker.abandoned).toBe(0)
    await worker.start()
    await expect((await deaf.enqueue()).result()).rejects.toMatchObject({
      cause: { code: 'ATTEMPT_TIMEOUT' },
    })
    expect(worker.abandoned).toBe(1)
    letGo?.()
    await vi.waitFor(() => expect(worker.abandoned).toBe(0))
  })

  test('what cannot be right is refused at the start', async () => {
    const app = make()
    await expect(app.worker().start()).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('tasks is empty'),
    })
    app.task({ name: 'mail', run: () => 1 })
    for (const [options, message] of [
      [{ concurrency: -1 }, /concurrency is -1/],
      [{ queues: ['a b'] }, /'a b'/],
      [{ timeouts: { mail: '-1s' } }, /timeouts.mail is '-1s'/],
    ] as const) {
      await expect(app.worker(options).start()).rejects.toThrow(message)
    }
  })

  test('what is no middleware, and what is no task, is refused', () => {
    const app = make()
    for (const wrong of [undefined, null, {}, 'log', { enqeue: async () => undefined }, { run: true }]) {
      expect(() => app.use(wrong as never)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
    }
    class Counting {
      count = 0
      async run(_: unknown, next: () => Promise<unknown>): Promise<unknown> {
        this.count += 1
        return next()
      }
    }
    expect(app.use(new Counting())).toBe(app)
    expect(() => app.implement(undefined as never, () => 1)).toThrow('app.define()')
  })

  test('middleware wraps both ends', async () => {
    const app = make()
    const log: string[] = []
    app.use({
      async enqueue(call, next) {
        call.options = { ...call.options, headers: { user: 'ada' } }
        await next()
      },
      async run({ task, ctx }, next) {
        log.push(`${task} for ${ctx.job.headers.user}`)
        return next()
      },
    })
    const task = app.task({ name: 'greet', run: (name: string) => `hello ${name}` })
    const worker = app.worker()
    await worker.start()
    expect(await (await task.enqueue('bob')).result()).toBe('hello bob')
    expect(log).toEqual(['greet for ada'])
    expect(() => app.use({ run: 5 } as never)).toThrow('run of a middleware is 5')
  })

  test('a failed job says why', async () => {
    const app = make()
    const task = app.task({
      name: 'fail',
      retry: { attempts: 1 },
      run() {
        throw new RangeError('too far')
      },
    })
    await app.worker().start()
    await expect((await task.enqueue()).result()).rejects.toMatchObject({
      code: 'JOB_FAILED',
      cause: { name: 'RangeError', message: 'too far' },
    })
  })

  test('what app.enqueue is given is checked', async () => {
    const app = make()
    const task = app.task({ name: 'mail', run: () => 1 })
    await expect(app.enqueue(task.with() as never)).rejects.toThrow('calls is an object; an array')
    await expect(app.enqueue([task] as never)).rejects.toThrow('calls[0] is an object; a call')
    expect(await app.enqueue([])).toEqual([])
  })
})

describe('definitions', () => {
  test('are implemented elsewhere', async () => {
    const app = make()
    const defined = app.define({ name: 'mail', input: z.object({ to: z.string() }), priority: 7 })
    const job = await defined.enqueue({ to: 'a' })
    const implemented = app.implement(defined, ({ to }) => to.toUpperCase())
    await app.worker({ tasks: { defined, implemented, version: '1' } }).start()
    expect(await job.result()).toBe('A')
    expect((await job.record())?.priority).toBe(7)
  })

  test('that nobody implements: said by default, refused where they are named', async () => {
    const { logger, lines } = recording()
    const app = make({ logger })
    const defined = app.define({ name: 'mail' })
    app.task({ name: 'other', run: () => 1 })
    await app.worker().start()
    expect(lines).toContainEqual({
      level: 'warn',
      fields: { tasks: ['mail'] },
      text: expect.stringContaining('not implemented here'),
    })
    await expect(app.worker({ tasks: [defined] }).start()).rejects.toMatchObject({
      code: 'TASK_NOT_IMPLEMENTED',
    })
  })

  test('of a name that is there replace it', async () => {
    const app = make()
    const old = app.task({ name: 'mail', run: () => 'old' })
    app.task({ name: 'mail', run: () => 'new' })
    expect(app.tasks).toHaveLength(1)
    await app.worker().start()
    expect(await (await old.enqueue()).result()).toBe('new')
  })

  test('two live ones of a name are refused, one given twice is not', async () => {
    const app = make()
    const one = app.task({ name: 'mail', run: () => 1 })
    const other = app.task({ name: 'mail', run: () => 2 })
    await expect(app.worker({ tasks: [one, other] }).start()).rejects.toMatchObject({
      code: 'TASK_DUPLICATE',
    })
    await expect(app.worker({ tasks: { one, other } }).start()).rejects.toMatchObject({
      code: 'TASK_DUPLICATE',
    })
    await app.worker({ tasks: { one, again: one } }).start()
  })

  test('a worker without tasks is refused, and so is what is none', async () => {
    const app = make()
    await expect(app.worker().start()).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(app.worker({ tasks: ['mail'] as never }).start()).rejects.toThrow('tasks[0] is no task')
    expect(() => app.worker({ concurency: 5 } as never)).toThrow("did you mean 'concurrency'?")
  })
})

describe('workers', () => {
  test('start once, and again after a failed start', async () => {
    const app = make()
    const worker = app.worker()
    await expect(worker.start()).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    app.task({ name: 'mail', run: () => 1 })
    expect(worker.ready).toBe(false)
    await worker.start()
    expect(worker.ready).toBe(true)
    await expect(worker.start()).rejects.toMatchObject({ code: 'WORKER_STATE' })
    const stopped = worker.stop()
    expect(worker.ready).toBe(false)
    await stopped
    await worker.stop()
    await expect(worker.start()).rejects.toMatchObject({ code: 'WORKER_STATE' })
  })

  test('stopped while starting, or before, never run', async () => {
    const app = make()
    const task = app.task({ name: 'mail', run: () => 1 })
    const worker = app.worker()
    const starting = worker.start()
    await worker.stop()
    await starting
    const unstarted = app.worker()
    await unstarted.stop()
    const job = await task.enqueue()
    expect(await job.state()).toBe('ready')
    expect(worker.active).toBe(0)
  })

  test('are stopped by the end of the app, which lets their jobs finish', async () => {
    const broker = new MemoryBroker()
    const app = make({ broker })
    let finish = (): void => undefined
    let begun = (): void => undefined
    const running = new Promise<void>((resolve) => {
      begun = resolve
    })
    const task = app.task({
      name: 'slow',
      run: () =>
        new Promise<string>((resolve) => {
          finish = () => resolve('done')
          begun()
        }),
    })
    await app.worker().start()
    const result = (await task.enqueue()).result()
    await running
    const closing = app.close()
    finish()
    expect(await result).toBe('done')
    await closing
  })
})

describe('the end', () => {
  test('waits for what was given to waitUntil, logs its errors, and lets it enqueue', async () => {
    const { logger, lines } = recording()
    const app = make({ logger })
    const task = app.task({ name: 'mail', run: () => 1 })
    const done: string[] = []
    app.waitUntil(async () => {
      done.push((await task.enqueue(1)).id)
    })
    app.waitUntil(Promise.reject(new Error('lost')))
    app.waitUntil(() => {
      throw new Error('thrown')
    })
    expect(done).toEqual([])
    await app.close()
    expect(done).toHaveLength(1)
    const errors = lines.filter(({ level }) => level === 'error').map(({ fields }) => String(fields.error))
    expect(errors.sort()).toEqual(['Error: lost', 'Error: thrown'])
    expect(() => app.waitUntil(() => 1)).toThrow(expect.objectContaining({ code: 'APP_CLOSED' }))
  })

  test('ends waits, refuses what comes later, and may come twice', async () => {
    const app = make()
    const task = app.task({ name: 'mail', run: () => 1 })
    const result = (await task.enqueue(1)).result()
    const ended = expect(result).rejects.toMatchObject({ code: 'APP_CLOSED' })
    await Promise.all([app.close(), app.close()])
    await ended
    await expect(task.enqueue(2)).rejects.toMatchObject({ code: 'APP_CLOSED' })
    await expect(app.worker().start()).rejects.toMatchObject({ code: 'APP_CLOSED' })
    await app.close()
  })

  test('a worker that is started meanwhile is refused, and works nowhere', async () => {
    const app = make()
    app.task({ name: 'mail', run: () => 1 })
    await app.broker()
    const worker = app.worker()
    const closing = app.close()
    await expect(worker.start()).rejects.toMatchObject({ code: 'APP_CLOSED' })
    expect(worker.id).toBeUndefined()
    await closing
    await worker.stop()
  })

  test('of an app that was never used opens nothing', async () => {
    class Unopened extends MemoryBroker {
      override open(): Promise<void> {
        return Promise.reject(new Error('opened'))
      }
    }
    const app = offstage({ broker: new Unopened() })
    await app.close()
    await expect(app.broker()).rejects.toMatchObject({ code: 'APP_CLOSED' })
  })
})

test('apps are told from other things', () => {
  expect(isApp(make())).toBe(true)
  expect([null, {}, 'app', offstage].map(isApp)).toEqual([false, false, false, false])
})

describe('queues', () => {
  test('pause, resume and limits', async () => {
    const app = make()
    await app.queues.pause('mail')
    expect(await app.queues.list()).toMatchObject([{ queue: 'mail', paused: true }])
    await app.queues.resume('mail')
    await app.queues.limit('mail', { concurrency: 2, rate: '5/s' })
    await app.queues.limit({ kind: 'partition', queue: 'mail' }, { concurrency: 1 })
    expect(await app.queues.list()).toMatchObject([
      {
        paused: false,
        limit: { concurrency: 2, rate: { count: 5, perMs: 1_000 } },
        partitionLimit: { concurrency: 1 },
      },
    ])
    await app.queues.limit('mail', null)
    expect(await app.queues.limits()).toMatchObject([{ scope: { kind: 'partition' } }])
    await expect(app.queues.pause('a b')).rejects.toMatchObject({ code: 'NAME_INVALID' })
    await expect(app.queues.limit('mail', { rate: 'x' })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect(await app.schedules.list()).toEqual([])
  })
})

describe('jobs', () => {
  test('a selection or condition that nobody knows is refused before it can match everything', async () => {
    const app = make()
    await app.task({ name: 'mail', run: () => 1 }).enqueue(1, { id: 'a' })
    const wrong: unknown[] = [undefined, null, {}, { id: 'a' }, { ids: 'a' }, { ids: [1] }]
    wrong.push({ ids: ['a'], query: {} }, { query: null }, { query: { sates: ['failed'] } })
    wrong.push({ query: { states: 'failed' } }, { query: { states: ['faild'] } }, { query: { task: 5 } })
    wrong.push({ query: {}, limit: 0 }, { query: {}, limit: 1_001 }, { query: { search: { to: 1 } } })
    for (const selection of wrong) {
      for (const call of ['cancel', 'retry', 'remove', 'promote'] as const) {
        const calling = app.jobs[call](selection as never)
        await expect(calling, JSON.stringify(selection)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
      }
    }
    const lists: unknown[] = [{ states: 'failed' }, { order: 'new' }, { limit: 0 }, { limit: '5' }]
    lists.push({ createdFrom: new Date() }, { cursor: 5 }, { search: [], limit: 5_000 })
    for (const request of lists) {
      await expect(app.jobs.list(request as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    }
    await expect(app.jobs.get('a' as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect(await app.job('a').state()).toBe('ready')
    expect((await app.jobs.cancel({ query: {} })).done).toEqual(['a'])
  })

  test('list, pages, get and steering by query', async () => {
    const app = make()
    const task = app.task({
      name: 'mail',
      search: ({ to }) => ({ to }),
      run: (_input: { to: string }) => 1,
    })
    const many = Array.from({ length: 600 }, (_, n) => ({ to: n % 2 === 0 ? 'ada' : 'bob' }))
    await task.enqueueMany(many, (_, n) => ({ id: `n-${n}` }))
    const page = await app.jobs.list({ task: 'mail', order: 'oldest', limit: 2 })
    expect(page.jobs.map(({ id, input }) => [id, input])).toEqual([
      ['n-0', { to: 'ada' }],
      ['n-1', { to: 'bob' }],
    ])
    const found: string[] = []
    for await (const { id } of app.jobs.all({ search: { to: 'bob' } })) found.push(id)
    expect(found).toHaveLength(300)
    expect(await app.jobs.get(['n-7', 'nobody'])).toMatchObject([{ id: 'n-7' }, undefined])
    await expect(app.jobs.list({ sates: [] } as never)).rejects.toThrow("did you mean 'states'?")
    const cancelled = await app.jobs.cancel({ query: { task: 'mail' }, limit: 10 })
    expect([cancelled.done.length, cancelled.more]).toEqual([10, true])
    expect((await app.jobs.retry({ ids: cancelled.done })).done).toHaveLength(10)
    expect((await app.jobs.remove({ ids: ['n-0'] })).done).toEqual(['n-0'])
    expect((await app.jobs.promote({ ids: ['n-1'] })).skipped).toEqual([{ id: 'n-1', state: 'ready' }])
  })
})
