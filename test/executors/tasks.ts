// Tasks for threads and processes that do what tasks do, and what they should not.
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { z } from 'zod'
import {
  type App,
  type LogFields,
  type Logger,
  NonRetryable,
  offstage,
  RetryAfter,
  Snooze,
  type Task,
  type TaskContext,
} from '../../src/index.ts'

export interface Line {
  readonly level: string
  readonly text: string
  readonly fields: LogFields
}

/** What the app of this module logged, in this thread. */
export const lines: Line[] = []

function logger(): Logger {
  const log =
    (level: string) =>
    (first: string | LogFields, second?: string): void => {
      const text = typeof first === 'string' ? first : (second ?? '')
      lines.push({ level, text, fields: typeof first === 'string' ? {} : first })
    }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

export const app: App = offstage({ broker: process.env.EXECUTORS_BROKER ?? 'memory:', logger: logger() })

class Refused extends Error {
  override readonly name = 'Refused'
  readonly code = 'E_REFUSED'
}

/** Where a handler runs: the same for all inside one. */
export interface Where {
  readonly pid: number
  readonly thread: number
}

const where = (): Where => ({ pid: process.pid, thread: threadId })

type Settle = (value: unknown) => void

/** What looks like a promise and settles as often as it likes. */
function promises(then: (resolve: Settle, reject: Settle) => void): object {
  return { then }
}

/** What a handler does, by name: the same in a thread, in a process and inline. */
const deeds: { readonly [name: string]: (ctx: TaskContext, value: unknown) => unknown } = {
  where,
  echo: (_, value) => value,
  hash: (_, value) => createHash('sha256').update(String(value)).digest('hex'),
  nothing: () => undefined,
  async notes(ctx) {
    const { progress } = ctx
    for (let i = 0; i <= 10_000; i += 1) progress({ done: i })
    ctx.log.info('half')
    ctx.log.warn('way')
    return 'noted'
  },
  about: ({ job }) => ({ ...job, createdAt: job.createdAt.getTime() }),
  clock: ({ clock }) => clock.now() > 0 && clock.monotonic() > 0,
  async heed({ signal }, file) {
    writeFileSync(String(file), 'started')
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw signal.reason
  },
  /** Computes without a pause, and looks at its signal. */
  look(ctx, file) {
    writeFileSync(String(file), 'started')
    while (!ctx.signal.aborted);
    const { code } = ctx.signal.reason as { readonly code: string }
    throw new NonRetryable(`looked and saw ${code}`)
  },
  /** The same, as most would write it. */
  lookAndThrow(ctx, file) {
    writeFileSync(String(file), 'started')
    for (;;) ctx.signal.throwIfAborted()
  },
  spin(_, file) {
    writeFileSync(String(file), String(process.pid))
    for (;;);
  },
  never(_, file) {
    writeFileSync(String(file), 'started')
    return new Promise(() => undefined)
  },
  exit: () => process.exit(7),
  memory() {
    const kept: unknown[] = []
    for (;;) kept.push(new Array(10_000).fill(kept.length))
  },
  async signals() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(process.pid, signal)
    await pause(50)
    return 'still there'
  },
  segfault() {
    process.kill(process.pid, 'SIGSEGV')
    return new Promise(() => undefined)
  },
  uncaught() {
    setImmediate(() => {
      throw new Refused('thrown by nobody')
    })
    return new Promise(() => undefined)
  },
  uncaughtNull() {
    setImmediate(() => {
      throw null
    })
    return new Promise(() => undefined)
  },
  unhandled() {
    void Promise.reject(new Refused('rejected for nobody'))
    return new Promise(() => undefined)
  },
  error() {
    throw new Refused('no', { cause: new TypeError('because') })
  },
  string() {
    throw 'a string'
  },
  null() {
    throw null
  },
  undefined() {
    throw undefined
  },
  object() {
    throw { code: 11_000, message: 'plain' }
  },
  hostile() {
    throw {
      get message(): string {
        throw new Error('no message')
      },
      get name(): string {
        throw new Error('no name')
      },
      toString(): string {
        throw new Error('no text')
      },
    }
  },
  proxy() {
    throw new Proxy(
      {},
      {
        get: () => {
          throw new Error('no')
        },
        getPrototypeOf: () => {
          throw new Error('no')
        },
      },
    )
  },
  nonRetryable() {
    throw new NonRetryable('gone', { cause: new Refused('deep') })
  },
  retryAfter() {
    throw new RetryAfter('1h')
  },
  snooze() {
    throw new Snooze('2h', 'later')
  },
  twice: () =>
    promises((resolve) => {
      resolve('first')
      resolve('second')
    }),
  rejectsLate: () =>
    promises((resolve, reject) => {
      resolve('first')
      reject(new Error('second'))
    }),
  cycle() {
    const value: { self?: unknown } = {}
    value.self = value
    return value
  },
  bigint: () => 1n,
  func: () => () => undefined,
  large: () => 'x'.repeat(2_000_000),
  complete: (ctx) => ctx.complete({ query: () => undefined } as never),
  async enqueue(_, value) {
    return (await app.enqueue([twin.thread.with({ deed: 'echo', value })]))[0].id
  },
  async wait(_, file) {
    while (!existsSync(String(file))) await pause(5)
    return where()
  },
}

const input = z.object({ deed: z.string(), value: z.unknown().optional(), at: z.coerce.date().optional() })

function define(kind: 'inline' | 'thread' | 'process'): Task<z.input<typeof input>, unknown> {
  return app.task({
    name: kind,
    queue: kind,
    input,
    retry: { attempts: 3, base: '1h' },
    runIn: kind,
    module: import.meta.url,
    run: ({ deed, value, at }, ctx) => {
      const run = deeds[deed]
      if (run === undefined) throw new Error(`no deed ${deed}`)
      return at === undefined ? run(ctx, value) : { isDate: at instanceof Date, year: at.getUTCFullYear() }
    },
  })
}

/** The same task in each place. */
export const twin = { inline: define('inline'), thread: define('thread'), process: define('process') }

export const strict: Task<unknown, unknown> = app.task({
  name: 'strict',
  queue: 'strict',
  output: z.object({ sum: z.number() }),
  runIn: 'thread',
  module: import.meta.url,
  run: () => ({ sum: 'none' }) as never,
})

// Middleware of the module wraps what runs where the module is.
app.use({
  async run({ ctx }, next) {
    if (ctx.job.headers.wrap === undefined) return next()
    return { wrapped: await next(), in: where() }
  },
})
