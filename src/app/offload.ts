// A module's functions as calls that run in threads: `app.offload`. The threads are made at the first call.
import { systemClock } from '../runtime/clock.ts'
import type { Duration } from '../runtime/durations.ts'
import type { Logger } from '../runtime/logger.ts'
import { boundedMs, checkKnown, fileUrl, invalidOption } from '../task/check.ts'
import type { Places } from '../task/places.ts'
import type { Calls } from '../worker/executors/calls.ts'
import { appClosed } from './link.ts'

/** The functions of a module, each answering a promise. What they take and answer is copied, not shared. */
export type Offloaded<M> = {
  readonly [Name in keyof M as M[Name] extends (...args: never) => unknown
    ? Exclude<Name, 'then'>
    : never]: M[Name] extends (...args: infer Args) => infer Returned
    ? (...args: Args) => Promise<Awaited<Returned>>
    : never
}

export interface OffloadOptions {
  /** A call that runs longer rejects with OFFLOAD_TIMEOUT, and its thread is ended. Default never. At least 1 ms. */
  timeout?: Duration | undefined
  /** Ends the calls that are under way when it is aborted; they reject with its reason. */
  signal?: AbortSignal | undefined
}

/** Names that others look for on any object, to find out what it is. */
const PROBED = new Set(['then', 'toJSON'])

export class Offload {
  readonly #places: Places
  readonly #logger: Logger
  #calls: Promise<Calls> | undefined
  #closed = false

  constructor(places: Places, logger: Logger) {
    this.#places = places
    this.#logger = logger
  }

  /** @throws OPTION_INVALID, DURATION_INVALID */
  of<M extends object>(module: string | URL, options: OffloadOptions): Offloaded<M> {
    checkKnown('app.offload', options, ['timeout', 'signal'])
    const { timeout, signal } = options
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidOption('signal', signal, 'an AbortSignal is needed')
    }
    const url = fileUrl('the module of app.offload', module)
    const timeoutMs = timeout === undefined ? undefined : boundedMs('timeout', timeout, 1)
    const call = async (name: string, args: readonly unknown[]): Promise<unknown> => {
      signal?.throwIfAborted()
      if (this.#closed) throw appClosed()
      const calls = await this.#open()
      return calls.call({ kind: 'call', module: url, name, args }, { timeoutMs, signal })
    }
    const functions = new Map<string, (...args: unknown[]) => Promise<unknown>>()
    return new Proxy({} as Offloaded<M>, {
      get: (_, name) => {
        if (typeof name === 'symbol' || PROBED.has(name)) return undefined
        const known = functions.get(name)
        if (known !== undefined) return known
        const made = (...args: unknown[]): Promise<unknown> => call(name, args)
        functions.set(name, made)
        return made
      },
    })
  }

  /** Waits for the calls under way, and ends the threads. */
  async close(): Promise<void> {
    this.#closed = true
    await (await this.#calls)?.close()
  }

  #open(): Promise<Calls> {
    this.#calls ??= import('../worker/executors/calls.ts').then(
      ({ Calls: Machinery }) => new Machinery(this.#places, systemClock, this.#logger),
    )
    return this.#calls
  }
}
