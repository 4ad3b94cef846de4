// Brokers that other threads of this process reach over connections of their own, so that what has to go on while the
// event loop of this one is blocked can.
import type { Transferable } from 'node:worker_threads'
import type { Logger } from '../runtime/logger.ts'
import type { Broker } from './contract.ts'

/** How another thread gets there. */
export interface Way {
  /** The URL of a module with an export `reopen`, a `Reopen`. */
  readonly module: string
  /** What it is given there: crosses by structured clone. */
  readonly data: unknown
  /** What of it moves instead of being copied. */
  readonly transfer?: readonly Transferable[] | undefined
}

/**
 * The broker in the other thread, not yet opened. Opening changes nothing in the store, which is open already.
 *
 * @param gone called where it can never be used again, and another way has to be asked for
 */
export type Reopen = (data: never, logger: Logger, gone: () => void) => Promise<Broker>

export interface ReachableBroker extends Broker {
  /**
   * A new way to the same jobs, or the reason why there is none, to be read after "the event loop keeps the leases, since".
   * Called by: the worker, once it is open.
   */
  reach(): Way | string
}

export function isReachable(broker: Broker): broker is ReachableBroker {
  return 'reach' in broker && typeof broker.reach === 'function'
}

/** The way with data that can be copied to another thread, else the reason why they cannot. */
export function wayWith(module: string, data: unknown): Way | string {
  try {
    structuredClone(data)
    return { module, data }
  } catch {
    return 'functions among the options of its broker cannot be handed to a thread'
  }
}
