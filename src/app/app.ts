/// <reference lib="esnext.disposable" preserve="true" />
// The app: ties tasks, client and workers to one broker. Making one does nothing: no connection, timer or thread.
import type { Broker } from '../broker/contract.ts'
import { Client, type TogetherOptions } from '../client/client.ts'
import type { Connection } from '../client/connection.ts'
import type { JobHandle } from '../client/handle.ts'
import { JobInspector, QueueInspector, ScheduleInspector, WorkerInspector } from '../client/inspector.ts'
import { clientTask, type DefinedTask, type Task } from '../client/task.ts'
import { announce } from '../task/announce.ts'
import { type Call, isCall } from '../task/call.ts'
import { checkKnown, invalidOption } from '../task/check.ts'
import type { TaskContext } from '../task/context.ts'
import { type AnyTask, type Definition, definitionOf, isImplemented, isTask } from '../task/definition.ts'
import type { Jsonify } from '../task/jsonify.ts'
import type { Middleware } from '../task/middleware.ts'
import type {
  BatchHandler,
  DefinitionOptions,
  ImplementOptions,
  TaskOptions,
  WithoutErrors,
} from '../task/options.ts'
import { type ErasedOptions, resolveDefinition, resolveImplementation, resolveTask } from '../task/resolve.ts'
import { toRunnable } from '../task/runnable.ts'
import { Background } from './background.ts'
import { appClosed, BrokerLink } from './link.ts'
import { Offload, type Offloaded, type OffloadOptions } from './offload.ts'
import { type AppOptions, type AppSettings, resolveApp } from './options.ts'
import { AppWorker, type AppWorkerOptions } from './worker.ts'

/** The handles of a list of calls, in order. */
export type HandlesOf<Calls extends readonly Call[]> = {
  -readonly [I in keyof Calls]: Calls[I] extends Call<infer Out> ? JobHandle<Out> : never
}

/**
 * Makes an app.
 *
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
 */
export function offstage(options: AppOptions = {}): App {
  return new App(resolveApp(options))
}

/** Known by its text, so that a second copy of the library finds it too. */
const appMark: unique symbol = Symbol.for('offstage.app') as never

export function isApp(value: unknown): value is App {
  return typeof value === 'object' && value !== null && appMark in value
}

const taskOwner: unique symbol = Symbol.for('offstage.task-owner') as never

/** The app that made the task, so that a module of tasks alone is enough for a worker. */
export function appOf(task: AnyTask): App | undefined {
  return (task as { readonly [taskOwner]?: App })[taskOwner]
}

const links = new WeakMap<App, BrokerLink>()

/** For `offstage/testing`: where a test puts its own broker and clock. */
export function linkOf(app: App): BrokerLink {
  const link = links.get(app)
  if (link !== undefined) return link
  throw invalidOption('app', app, 'an app made by offstage() of this copy of the library is needed')
}

export class App {
  /** Jobs of all tasks: list, count, cancel, retry, remove. */
  readonly jobs: JobInspector
  readonly queues: QueueInspector
  readonly workers: WorkerInspector
  readonly schedules: ScheduleInspector
  readonly #settings: AppSettings
  readonly #link: BrokerLink
  readonly #client: Client
  readonly #background: Background
  readonly #offload: Offload
  readonly #middleware: Middleware[] = []
  readonly #tasks = new Map<string, Task>()
  readonly #started = new Set<AppWorker>()
  #closing: Promise<void> | undefined

  constructor(settings: AppSettings) {
    this.#settings = settings
    const link = new BrokerLink(settings, (error) => this.#client.endWaits(error))
    this.#link = link
    links.set(this, link)
    Object.defineProperty(this, appMark, { value: true })
    const connection: Connection = {
      broker: () => link.broker(),
      get clock() {
        return link.clock
      },
      logger: settings.logger,
      middleware: this.#middleware,
      maxPayloadBytes: settings.maxPayloadBytes,
    }
    this.#client = new Client(connection)
    this.#background = new Background(settings.logger)
    this.#offload = new Offload(settings.offload, settings.logger)
    this.jobs = new JobInspector(connection)
    this.queues = new QueueInspector(connection)
    this.workers = new WorkerInspector(connection)
    this.schedules = new ScheduleInspector(connection)
  }

  /**
   * Defines a task with its handler, `run` for one job at a time or `runBatch` for many. Types of input and result come from the schemas, else from the handler itself.
   * Defining a name again replaces it.
   *
   * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
   */
  task<Parsed = unknown, In = Parsed, Returned = unknown, Ret = Returned, Out = Ret>(
    options: TaskOptions<In, Parsed, Returned, Ret, Out>,
  ): Task<In, Jsonify<WithoutErrors<Out>>> {
    return this.#register(resolveTask(options as ErasedOptions, this.#settings.defaults))
  }

  /**
   * Defines what producers need of a task, so that they do not load its handler. `implement` gives it one.
   *
   * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
   */
  define<Parsed = unknown, In = Parsed, Returned = unknown, Out = Returned>(
    options: DefinitionOptions<In, Parsed, Returned, Out>,
  ): DefinedTask<In, Jsonify<Out>, Parsed, Returned> {
    return this.#register(resolveDefinition(options as ErasedOptions, this.#settings.defaults))
  }

  /**
   * Gives a defined task its handler, where the workers are: a function for one job at a time, or
   * `{ batch: { size: 100 }, runBatch(items, ctx) {…} }`.
   *
   * @throws OPTION_INVALID, DURATION_INVALID
   */
  implement<In, Out, Parsed, Returned>(
    task: DefinedTask<In, Out, Parsed, Returned>,
    handler:
      | ((input: NoInfer<Parsed>, ctx: TaskContext) => NoInfer<Returned> | Promise<NoInfer<Returned>>)
      | BatchHandler<NoInfer<Parsed>, NoInfer<Returned>>,
    options: ImplementOptions = {},
  ): Task<In, Out> {
    if (!isTask(task)) throw invalidOption('task', task, 'a task made by app.define() is needed')
    return this.#register(resolveImplementation(task[definitionOf], handler, options))
  }

  /** Wraps both ends of every job from now on: enqueueing, and running in workers that start later. Returns the app. */
  use(middleware: Middleware): this {
    checkMiddleware(middleware)
    this.#middleware.push(middleware)
    return this
  }

  /**
   * Hands over several calls, all or none.
   *
   * @param options.tx stores them inside this transaction
   * @throws as `task.enqueue`; what one call is refused for names its place
   */
  async enqueue<const Calls extends readonly Call[]>(
    calls: Calls,
    options: TogetherOptions = {},
  ): Promise<HandlesOf<Calls>> {
    checkKnown('enqueue', options, ['tx'])
    if (!Array.isArray(calls)) throw invalidOption('calls', calls, 'an array of task.with(…) is needed')
    for (const [i, call] of (calls as readonly unknown[]).entries()) {
      if (!isCall(call)) throw invalidOption(`calls[${i}]`, call, 'a call made by task.with(…) is needed')
    }
    return (await this.#client.enqueueCalls(calls, options)) as HandlesOf<Calls>
  }

  /** A handle for a job of any task that is there already. Asks nothing yet. */
  job(id: string): JobHandle {
    return this.#client.handle(id)
  }

  /** The tasks of the app, the latest of each name. */
  get tasks(): readonly Task[] {
    return [...this.#tasks.values()]
  }

  /**
   * A worker in this process. It does nothing before `start()`.
   *
   * @throws OPTION_INVALID for an unknown option; the rest is checked by `start()`
   */
  worker(options: AppWorkerOptions = {}): AppWorker {
    return new AppWorker(
      {
        link: this.#link,
        middleware: this.#middleware,
        maxPayloadBytes: this.#settings.maxPayloadBytes,
        definitions: () => this.tasks.map((task) => task[definitionOf]),
        onStart: (worker) => {
          if (this.#closing !== undefined) throw appClosed()
          this.#started.add(worker)
        },
        onStop: (worker) => this.#started.delete(worker),
      },
      options,
    )
  }

  /**
   * Runs a small piece of work in this process, after what the caller does now; `close` waits for it, and its error is
   * logged. No queue: a crash loses it.
   *
   * @throws APP_CLOSED
   */
  waitUntil(work: PromiseLike<unknown> | (() => unknown)): void {
    if (this.#background.closed) throw appClosed()
    this.#background.add(work)
  }

  /**
   * The functions that a module exports, as calls that run in threads: for work that computes, such as an image.
   * `app.offload<typeof import('./img.ts')>(new URL('./img.ts', import.meta.url))`. No queue: a crash loses it, and
   * arguments and results are copied, so they have to be plain data.
   *
   * @throws OPTION_INVALID, DURATION_INVALID; a call rejects with what the function threw, and with APP_CLOSED,
   * MODULE_FAILED, MODULE_INVALID, NOT_CLONEABLE, OFFLOAD_TIMEOUT, EXECUTOR_CRASHED
   */
  offload<M extends object>(module: string | URL, options: OffloadOptions = {}): Offloaded<M> {
    return this.#offload.of<M>(module, options)
  }

  /** The open broker, for what the app has no call for. The app closes it. */
  broker(): Promise<Broker> {
    return this.#link.broker()
  }

  /**
   * Stops its workers, waits for what was given to `waitUntil`, for offloaded calls and for every enqueue under way, and
   * closes the broker. Jobs that end and work that is waited for may enqueue to the last; later uses throw APP_CLOSED,
   * and so do waits for results. Repeatable.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const stops = await Promise.allSettled([...this.#started].map((worker) => worker.stop()))
    for (const stop of stops) {
      // What a worker could not do at its end must not keep the rest open.
      if (stop.status === 'rejected')
        this.#link.logger.error({ error: stop.reason }, 'a worker did not stop well')
    }
    await this.#background.close()
    await this.#offload.close()
    await this.#client.close(appClosed())
    await this.#link.close()
  }

  #register<In, Out>(definition: Definition): Task<In, Out> {
    const { name } = definition
    const known = this.#tasks.get(name)?.[definitionOf]
    if (known !== undefined && (isImplemented(known) || !isImplemented(definition))) {
      this.#settings.logger.info(
        { task: name },
        `task '${name}' was defined again; the new definition replaces it`,
      )
    }
    const task = clientTask<In, Out>(this.#client, definition)
    Object.defineProperty(task, taskOwner, { value: this })
    this.#tasks.set(name, task as Task)
    if (definition.run !== undefined) {
      announce(() => ({
        task: toRunnable(definition, this.#settings.maxPayloadBytes),
        middleware: this.#middleware,
        close: () => this.close(),
      }))
    }
    return task
  }
}

/** It may be an instance of a class with properties of its own, so only what it lacks is told from a typing error. */
function checkMiddleware(middleware: unknown): void {
  const { enqueue, run } = Object(middleware) as { readonly [end: string]: unknown }
  if (enqueue === undefined && run === undefined) {
    throw invalidOption('the middleware', middleware, "an object with 'enqueue', 'run' or both is needed")
  }
  for (const [end, given] of Object.entries({ enqueue, run })) {
    if (given === undefined || typeof given === 'function') continue
    throw invalidOption(`${end} of a middleware`, given, 'a function is needed')
  }
}
