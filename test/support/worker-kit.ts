// A worker on the memory broker under a clock that the test moves, and a broker that fails on demand.

import type { Broker } from '../../src/broker/contract.ts'
import { MemoryBroker } from '../../src/brokers/memory/memory.ts'
import { decodeJson, encodeJson } from '../../src/job/codec.ts'
import { defaultRetention, defaultRetry } from '../../src/job/defaults.ts'
import type { JobRecord, JobSpec } from '../../src/job/record.ts'
import type { LogFields, Logger } from '../../src/runtime/logger.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import type { TaskContext } from '../../src/task/context.ts'
import type { Middleware } from '../../src/task/middleware.ts'
import type { RunnableTask } from '../../src/task/runnable.ts'
import type { Gauge } from '../../src/worker/gauge.ts'
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts'

export interface LogEntry {
  readonly level: keyof Logger
  readonly text: string
  readonly fields: LogFields
}

type CallName =
  | 'reserve'
  | 'settle'
  | 'extend'
  | 'wake'
  | 'maintain'
  | 'beat'
  | 'leave'
  | 'limit'
  | 'write'
  | 'enqueue'

/** What a call of the broker does instead of its work. Undefined lets it through. */
type Fault = (args: readonly unknown[], through: () => Promise<unknown>) => Promise<unknown> | undefined

export class WorkerKit {
  readonly clock: ManualClock = new ManualClock()
  readonly memory: MemoryBroker = new MemoryBroker({ clock: this.clock })
  readonly broker: Broker
  readonly logs: LogEntry[] = []
  readonly calls: { readonly name: string; readonly args: readonly unknown[] }[] = []
  /** What an automatic concurrency goes by. Default that of this process. */
  gauge: (() => Gauge) | undefined
  readonly #faults = new Map<string, Fault>()
  readonly #workers: Worker[] = []
  #ids = 0

  /** @param around puts something between the worker and the broker that fails on demand */
  constructor(around: (broker: Broker) => Broker = (broker) => broker) {
    this.broker = around(this.#faulty())
  }

  async open(): Promise<this> {
    await this.memory.open()
    return this
  }

  async close(): Promise<void> {
    this.#faults.clear()
    const stops = this.#workers.map((worker) => worker.stop({ grace: 0 }))
    let stopped = false
    void Promise.all(stops).then(() => {
      stopped = true
    })
    await this.until(() => stopped)
    await this.memory.close()
  }

  get logger(): Logger {
    const log =
      (level: keyof Logger) =>
      (first: string | LogFields, second?: string): void => {
        const text = typeof first === 'string' ? first : (second ?? '')
        this.logs.push({ level, text, fields: typeof first === 'string' ? {} : first })
      }
    return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  }

  logged(part: string): LogEntry[] {
    return this.logs.filter(({ text }) => text.includes(part))
  }

  worker(
    tasks: readonly RunnableTask[],
    options: WorkerOptions = {},
    middleware: readonly Middleware[] = [],
  ): Worker {
    const { broker, clock, logger, gauge } = this
    const worker = new Worker({ broker, clock, logger, tasks, middleware, options, gauge })
    this.#workers.push(worker)
    return worker
  }

  async started(
    tasks: readonly RunnableTask[],
    options: WorkerOptions = {},
    middleware: readonly Middleware[] = [],
  ): Promise<Worker> {
    const worker = this.worker(tasks, options, middleware)
    await worker.start()
    return worker
  }

  async enqueue(fields: Partial<JobSpec> & { readonly value?: unknown } = {}): Promise<string> {
    const { value, ...rest } = fields
    this.#ids += 1
    const spec: JobSpec = {
      id: `job-${this.#ids}`,
      task: 'work',
      queue: 'default',
      priority: 5,
      input: encodeJson(value ?? { n: this.#ids }),
      retention: defaultRetention,
      maxCrashes: 3,
      ...rest,
    }
    await this.memory.enqueue([[spec]])
    return spec.id
  }

  async job(id: string): Promise<JobRecord> {
    const [record] = await this.memory.get([id])
    if (record === undefined) throw new Error(`no job ${id}`)
    return record
  }

  /** Replaces a call of the broker from now on; `heal` ends it. */
  break(name: CallName, fault: Fault): void {
    this.#faults.set(name, fault)
  }

  /** From now on the broker calls for work only when the answer is called. */
  hints(): () => void {
    let hint = deferred()
    this.break('wake', () => hint.promise)
    return () => {
      const last = hint
      hint = deferred()
      last.resolve()
    }
  }

  /** The broker does what it is asked, and each answer comes when the next of these is resolved. */
  holdReplies(name: CallName): readonly Deferred[] {
    const replies: Deferred[] = []
    this.break(name, async (_, through) => {
      const answer = await through()
      const reply = deferred()
      replies.push(reply)
      await reply.promise
      return answer
    })
    return replies
  }

  heal(name: CallName): void {
    this.#faults.delete(name)
  }

  count(name: CallName): number {
    return this.calls.filter((call) => call.name === name).length
  }

  /** Lets time pass in small steps, with turns of the event loop between them. */
  async pass(ms: number, stepMs = 5): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      await turns()
      this.clock.advance(Math.min(left, stepMs))
    }
    await turns()
  }

  /** Lets time pass until the condition holds; fails after a minute of it. Answers how long it took. */
  async until(condition: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<number> {
    const startedAt = this.clock.monotonic()
    await turns()
    while (!(await condition())) {
      if (this.clock.monotonic() - startedAt > limitMs)
        throw new Error(`not within ${limitMs} ms: ${condition}`)
      this.clock.advance(5)
      await turns()
    }
    return this.clock.monotonic() - startedAt
  }

  #faulty(): Broker {
    return new Proxy(this.memory, {
      get: (target, name: string) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]): unknown => {
          this.calls.push({ name, args })
          const through = (): Promise<unknown> => Promise.resolve(Reflect.apply(member, target, args))
          return this.#faults.get(name)?.(args, through) ?? through()
        }
      },
    })
  }
}

/** Turns of the event loop: enough for a trip to the memory broker, its answer and what follows. */
export async function turns(count = 6): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

export function task(
  run: (input: unknown, ctx: TaskContext) => unknown,
  fields: Partial<RunnableTask> = {},
): RunnableTask {
  return {
    name: 'work',
    queue: 'default',
    retry: { ...defaultRetry, attempts: 3, baseMs: 100 },
    readInput: decodeJson,
    writeOutput: encodeJson,
    run,
    ...fields,
  }
}

export interface Deferred<T = void> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** A promise and its ends. */
export function deferred<T = void>(): Deferred<T> {
  let ends: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => {
    ends = { resolve, reject }
  })
  return { promise, ...(ends as Omit<Deferred<T>, 'promise'>) }
}

/** Collects rejections that nobody handles; the answer ends that and has them. */
export function watchUnhandled(): () => readonly unknown[] {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', note)
  return () => {
    process.off('unhandledRejection', note)
    return unhandled
  }
}
