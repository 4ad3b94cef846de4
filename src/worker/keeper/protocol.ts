// What the event loop of a worker and the thread of its keeper say to each other. Leases are not among it: they stand on
// the board.
import type { BlockedMessage } from '../../runtime/channels.ts'
import type { LogFields, Logger } from '../../runtime/logger.ts'
import type { WorkerSettings } from '../options.ts'
import type { Maintained } from '../upkeep.ts'

/** All that the thread is told at its start. */
export interface Beginning {
  readonly worker: string
  readonly settings: WorkerSettings
  readonly tasks: readonly string[]
  /** Wall time. */
  readonly startedAt: number
  readonly board: { readonly capacity: number; readonly memory: SharedArrayBuffer }
  /** How to reach the broker: `Way` without what moves. */
  readonly broker: { readonly module: string; readonly data: unknown }
  /** Whether the event loop is that of the main thread, whose stack can be taken. */
  readonly samples: boolean
}

export type ToKeeper =
  | { readonly kind: 'begin'; readonly beginning: Beginning }
  /** The worker is stopping, for people to see. */
  | { readonly kind: 'stopping' }
  /** Stop all, take the worker's entry away, and end. */
  | { readonly kind: 'stop' }

/** A claim on the board. */
export interface RowRef {
  readonly row: number
  readonly serial: number
}

export type FromKeeper =
  /** The broker is open: from now on the leases are kept here. */
  | { readonly kind: 'ready' }
  /** To be answered on the board as soon as the loop turns. */
  | { readonly kind: 'question'; readonly number: number }
  | { readonly kind: 'lost' | 'cancelling' | 'taken'; readonly claims: readonly RowRef[] }
  | { readonly kind: 'blocked'; readonly block: Omit<BlockedMessage, 'worker'> }
  | { readonly kind: 'maintained'; readonly done: Maintained }
  | { readonly kind: 'log'; readonly level: keyof Logger; readonly fields: LogFields; readonly text: string }
  | { readonly kind: 'stopped' }
