// What main thread and broker thread say to each other.
import type { MessagePort } from 'node:worker_threads'
import type { JobEvent } from '../../broker/contract.ts'
import type { ErrorCode } from '../../errors/codes.ts'
import type { CoreCall } from './core.ts'
import type { EngineName } from './engine.ts'
import type { StoreSettings } from './schema.ts'
import type { Reading } from './time.ts'

/** Handed to the thread when it starts. */
export interface ThreadData extends StoreSettings {
  readonly engine: EngineName | undefined
}

export interface Request {
  readonly id: number
  readonly call: CoreCall | 'open' | 'health' | 'close'
  readonly args: readonly unknown[]
}

export interface ToThread {
  readonly requests: readonly Request[]
  /** Time, where the main thread was given a clock of its own. */
  readonly reading?: Reading | undefined
  /** Whether somebody waits for work, and whether somebody listens to events; absent where that has not changed. */
  readonly waiting?: boolean | undefined
  readonly listening?: boolean | undefined
  /** A transaction of the user's has ended, and there may be work. */
  readonly look?: true | undefined
  /** Somebody in another thread of this process sends requests over it, and gets their answers. */
  readonly attach?: MessagePort | undefined
}

export interface SentError {
  readonly code: ErrorCode
  readonly message: string
  readonly details: { readonly [key: string]: unknown }
}

export type SentAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: SentError }

export interface FromThread {
  readonly answers: readonly SentAnswer[]
  /** Queues in which there may be work; `all` where another process has written. */
  readonly news?: readonly string[] | 'all' | undefined
  readonly events?: readonly JobEvent[] | undefined
}
