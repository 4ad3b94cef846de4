// The side that runs: imports the module that defines a task, finds the definition, and runs one attempt at a time with
// it, as a worker would. The same in threads and in processes.
import { hasCode, OffstageError } from '../../errors/error.ts'
import { systemClock } from '../../runtime/clock.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { readyForTypeScript } from '../../runtime/typescript.ts'
import { type Announcement, becomeGuest } from '../../task/announce.ts'
import { aroundRun } from '../../task/compose.ts'
import { Attempt } from '../attempt.ts'
import { Claim } from '../claims.ts'
import { JobContext } from '../context.ts'
import type { Phase } from '../outcomes.ts'
import { sent } from './host.ts'
import { Notes } from './notes.ts'
import {
  type AbortMessage,
  alone,
  type CallRequest,
  type Done,
  type FromGuest,
  type Request,
  type RunRequest,
} from './protocol.ts'
import { pack } from './thrown.ts'

/** The way back to the worker. */
export interface Line {
  /** @throws what cannot be cloned */
  send(message: FromGuest): void
  /** Hears what waits to be heard, so that a handler that never lets go of its thread can look at its signal. */
  readonly look?: (() => void) | undefined
}

interface Exports {
  readonly [name: string]: unknown
}

export class Guest {
  readonly #tasks = new Map<string, Announcement>()
  readonly #modules = new Map<string, Promise<Exports>>()
  #attempt: Attempt | undefined
  /** An import failed, and would fail again however often it were tried here: modules are remembered as they ended. */
  #broken = false

  constructor() {
    becomeGuest((announcement) => this.#tasks.set(announcement.task.name, announcement))
  }

  /** Runs it to its end and says the last word. Answers whether it can be used again. */
  async serve(request: Request, line: Line): Promise<boolean> {
    const done = request.kind === 'run' ? await this.#run(request, line) : await this.#call(request)
    try {
      sent(() => line.send(this.#broken ? { ...done, retire: true } : done), 'the result')
    } catch (error) {
      line.send(failed(error, 'output'))
    }
    return !this.#broken
  }

  /** The signal of what runs now fires. */
  abort({ code, message }: AbortMessage): void {
    if (this.#attempt?.aborted === undefined) this.#attempt?.abort(new OffstageError(code, message))
  }

  /** Closes what the apps of the imported modules have opened. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#tasks.values()].map(({ close }) => close()))
  }

  async #run({ module, job }: RunRequest, line: Line): Promise<Done> {
    const notes = new Notes(line, systemClock)
    const attempt = new Attempt(new Claim(job, 0, true, Number.POSITIVE_INFINITY), undefined, 0)
    this.#attempt = attempt
    let phase: Phase = 'handler'
    try {
      await this.#import(module)
      const { task, middleware } = this.#find(job.task, module)
      phase = 'input'
      const input: unknown = await task.readInput(job.input)
      phase = 'handler'
      lookAt(attempt.signal, line.look)
      const completer = { complete: noTransactions }
      const tools = { clock: systemClock, logger: silentLogger, notes, completer }
      const ctx = new JobContext(attempt, tools, input)
      const execution = { task: task.name, input, ctx }
      const value = await aroundRun(middleware, execution, async () => task.run?.(input, ctx))
      phase = 'output'
      return { kind: 'done', ok: true, value: alone(await task.writeOutput(value)) }
    } catch (error) {
      return failed(error, phase, attempt.aborted)
    } finally {
      attempt.ended = true
      this.#attempt = undefined
      notes.flush()
    }
  }

  async #call({ module, name, args }: CallRequest): Promise<Done> {
    try {
      const exports = await this.#import(module)
      const called = Object.hasOwn(exports, name) ? exports[name] : undefined
      if (typeof called !== 'function') throw notExported(name, module, exports)
      return { kind: 'done', ok: true, value: (await called(...args)) as unknown }
    } catch (error) {
      return failed(error, 'handler')
    }
  }

  /** Each module once, since looking it up again takes longer than many a task. */
  #import(module: string): Promise<Exports> {
    const known = this.#modules.get(module)
    if (known !== undefined) return known
    const importing = importModule(module)
    this.#modules.set(module, importing)
    importing.catch((error: unknown) => {
      this.#modules.delete(module)
      if (hasCode(error, 'MODULE_FAILED')) this.#broken = true
    })
    return importing
  }

  #find(task: string, module: string): Announcement {
    const found = this.#tasks.get(task)
    if (found !== undefined) return found
    const names = [...this.#tasks.keys()]
    const what = names.length === 0 ? 'defines no task' : `defines only ${list(names)}`
    throw new OffstageError(
      'MODULE_INVALID',
      `${module} does not define task '${task}' when it is imported; it ${what}. Give the module in which app.task() or app.implement() is called`,
      { details: { task } },
    )
  }
}

async function importModule(module: string): Promise<Exports> {
  await readyForTypeScript(new URL(module))
  try {
    return (await import(/* @vite-ignore */ module)) as Exports
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'it threw what is no error'
    throw new OffstageError('MODULE_FAILED', `${module} could not be imported: ${message}`, { cause })
  }
}

function failed(error: unknown, phase: Phase, aborted?: OffstageError): Done {
  const heeded = aborted !== undefined && error === aborted
  return { kind: 'done', ok: false, phase, thrown: pack(error), heeded }
}

/** A handler that computes gives no message a chance to arrive, so looking at the signal looks for one. */
function lookAt(signal: AbortSignal, look: (() => void) | undefined): void {
  if (look === undefined) return
  const own = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get
  if (own === undefined) return
  Object.defineProperty(signal, 'aborted', {
    get: () => {
      const aborted: unknown = own.call(signal)
      if (aborted !== true) look()
      return own.call(signal)
    },
  })
  Object.defineProperty(signal, 'throwIfAborted', {
    value: () => {
      if (signal.aborted) throw signal.reason
    },
  })
}

async function noTransactions(): Promise<never> {
  throw new OffstageError(
    'TX_UNSUPPORTED',
    "ctx.complete() needs the worker's own connection, which a task with runIn: 'thread' or 'process' does not have; run it inline",
  )
}

function notExported(name: string, module: string, exports: Exports): OffstageError {
  const names = Object.keys(exports).filter((key) => typeof exports[key] === 'function')
  const what = names.length === 0 ? 'no function' : `only ${list(names)}`
  return new OffstageError(
    'MODULE_INVALID',
    `${module} exports no function '${name.slice(0, 80)}'; it exports ${what}`,
  )
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => `'${name}'`)
  return names.length > 10 ? `${shown.join(', ')} and ${names.length - 10} more` : shown.join(', ')
}
