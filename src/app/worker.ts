/// <reference lib="esnext.disposable" preserve="true" />
// The worker of an app as its users hold it. The machinery behind it is loaded when it starts, so that a process that
// only enqueues never loads it.
import { OffstageError } from '../errors/error.ts'
import type { Duration } from '../runtime/durations.ts'
import { isGuest } from '../task/announce.ts'
import { checkKnown } from '../task/check.ts'
import { type AnyTask, type Definition, definitionOf, isImplemented, isTask } from '../task/definition.ts'
import type { Middleware } from '../task/middleware.ts'
import { toRunnable } from '../task/runnable.ts'
import type { Worker, WorkerOptions } from '../worker/worker.ts'
import type { BrokerLink } from './link.ts'

/** Tasks in a list, or all that a module exports: `import * as tasks from './tasks/index.ts'`. */
export type TaskList = readonly AnyTask[] | { readonly [name: string]: unknown }

export interface AppWorkerOptions extends WorkerOptions {
  /** Default: all that are defined on the app when the worker starts. */
  tasks?: TaskList | undefined
}

export interface StopOptions {
  /** How long running attempts may go on before they are aborted and given back. Default that of the worker. */
  grace?: Duration | undefined
}

export interface WorkerContext {
  readonly link: BrokerLink
  readonly middleware: readonly Middleware[]
  readonly maxPayloadBytes: number
  /** The definitions of the app, the latest of each name. */
  readonly definitions: () => readonly Definition[]
  /** @throws APP_CLOSED */
  readonly onStart: (worker: AppWorker) => void
  readonly onStop: (worker: AppWorker) => void
}

const OPTIONS: { readonly [K in keyof Required<AppWorkerOptions>]: true } = {
  tasks: true,
  queues: true,
  concurrency: true,
  lease: true,
  grace: true,
  unknownAfter: true,
  timeouts: true,
  abandonAfter: true,
  prefetch: true,
  pollInterval: true,
  maintain: true,
  keeper: true,
  warnBlock: true,
  maxBlock: true,
  exitOnBlock: true,
  threads: true,
  processes: true,
}

const machines = new WeakMap<AppWorker, Worker>()

/** For `offstage/testing`: the machinery of a worker that has been started. */
export function machineOf(worker: AppWorker): Worker | undefined {
  return machines.get(worker)
}

/** Runs jobs in this process from `start()` to `stop()`. */
export class AppWorker {
  readonly #context: WorkerContext
  readonly #options: AppWorkerOptions
  #state: 'new' | 'starting' | 'running' | 'stopped' = 'new'
  #worker: Worker | undefined
  #starting: Promise<void> | undefined

  constructor(context: WorkerContext, options: AppWorkerOptions) {
    checkKnown('app.worker', options, Object.keys(OPTIONS))
    this.#context = context
    this.#options = options
  }

  /** `host:pid:random`; undefined before it has started. */
  get id(): string | undefined {
    return this.#worker?.id
  }

  /** True from the end of `start()` until `stop()` is called: it claims jobs. */
  get ready(): boolean {
    return this.#state === 'running'
  }

  /** How many attempts run now. */
  get active(): number {
    return this.#worker?.active ?? 0
  }

  /** How many handlers still run though their attempts were given up. */
  get abandoned(): number {
    return this.#worker?.abandoned ?? 0
  }

  /**
   * Opens the broker and begins to work; keeps the process alive until it is stopped. May be repeated after a rejection.
   * Does nothing in a thread or process that runs attempts of another worker: it imports modules, and may come by here.
   *
   * @throws APP_CLOSED, WORKER_STATE when it was started before, TASK_DUPLICATE, TASK_NOT_IMPLEMENTED, OPTION_INVALID, BROKER_*,
   * STORE_*
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') {
      throw new OffstageError(
        'WORKER_STATE',
        'the worker was started before; make a new one with app.worker()',
      )
    }
    if (isGuest()) {
      this.#context.link.logger.debug('no worker starts where attempts of another worker run')
      return
    }
    this.#context.onStart(this)
    this.#state = 'starting'
    this.#starting = this.#start()
    try {
      await this.#starting
    } catch (error) {
      this.#context.onStop(this)
      if (this.#state === 'starting') this.#state = 'new'
      throw error
    }
  }

  /**
   * Claims nothing more, lets running attempts go on for the grace, aborts what is left, and gives back what has not
   * ended. May be called again with a shorter grace; the other calls wait for the same end.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkKnown('worker.stop', options, ['grace'])
    if (this.#state === 'new') {
      this.#state = 'stopped'
      return
    }
    this.#state = 'stopped'
    // Where starting failed, whoever called start() hears of it, and there is nothing to stop.
    await this.#starting?.catch(() => undefined)
    await this.#worker?.stop(options)
    this.#context.onStop(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(): Promise<void> {
    const { link, middleware, maxPayloadBytes } = this.#context
    const { tasks: list, ...options } = this.#options
    const here = link.substitute?.inline === true ? { remote: undefined } : {}
    const tasks = this.#tasks(list).map((definition) => ({
      ...toRunnable(definition, maxPayloadBytes),
      ...here,
    }))
    const broker = await link.broker()
    const { Worker: Machinery } = await import('../worker/worker.ts')
    if (this.#state !== 'starting') return
    const { clock, logger } = link
    this.#worker = new Machinery({ broker, tasks, middleware, logger, clock, options })
    machines.set(this, this.#worker)
    await this.#worker.start()
    if (this.#state === 'starting') this.#state = 'running'
  }

  #tasks(list: TaskList | undefined): readonly Definition[] {
    if (list !== undefined) return this.#named(list)
    const all = this.#context.definitions()
    const missing = all.filter((one) => !isImplemented(one)).map(({ name }) => name)
    if (missing.length > 0) {
      this.#context.link.logger.warn(
        { tasks: missing },
        'some tasks are defined but not implemented here; their jobs are left to other workers',
      )
    }
    return all.filter(isImplemented)
  }

  /** The tasks of a list, one a name: a definition makes room for its implementation, and nothing else for anything. */
  #named(list: TaskList): readonly Definition[] {
    const found = new Map<string, Definition>()
    const given: readonly unknown[] = Array.isArray(list) ? list : Object.values(list)
    for (const [i, one] of given.entries()) {
      if (!isTask(one)) {
        if (!Array.isArray(list)) continue
        throw new OffstageError('OPTION_INVALID', `tasks[${i}] is no task of app.task() or app.implement()`, {
          details: { path: `tasks[${i}]` },
        })
      }
      const definition = one[definitionOf]
      const known = found.get(definition.name)
      if (known === definition || (known !== undefined && !isImplemented(definition))) continue
      if (known !== undefined && isImplemented(known)) {
        throw new OffstageError(
          'TASK_DUPLICATE',
          `two tasks are named '${definition.name}': names are unique within an app`,
          {
            details: { task: definition.name },
          },
        )
      }
      found.set(definition.name, definition)
    }
    return [...found.values()]
  }
}
