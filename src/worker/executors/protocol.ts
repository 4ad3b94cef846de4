// What a worker and the thread or process that runs something for it say to each other: bytes and plain data only, the
// same over a message port and over the channel of a child process.
//
//   run or call   →        one at a time
//                 ←  progress, log, dying
//   abort         →        the handler's signal fires
//                 ←  done  the last word
import type { ReservedJob } from '../../broker/message.ts'
import type { LogLevel } from '../../broker/records.ts'
import type { ErrorCode } from '../../errors/codes.ts'
import type { Payload } from '../../job/record.ts'
import type { Phase } from '../outcomes.ts'
import type { Thrown } from './thrown.ts'

/** An attempt of a job. */
export interface RunRequest {
  readonly kind: 'run'
  /** A file: URL. */
  readonly module: string
  readonly job: ReservedJob
}

/** A call of a function that a module exports. */
export interface CallRequest {
  readonly kind: 'call'
  readonly module: string
  readonly name: string
  readonly args: readonly unknown[]
}

export type Request = RunRequest | CallRequest

export interface AbortMessage {
  readonly kind: 'abort'
  readonly code: ErrorCode
  readonly message: string
}

export type ToGuest = Request | AbortMessage | { readonly kind: 'close' }

export type Note =
  | { readonly kind: 'progress'; readonly value: Payload }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly text: string }

interface LastWord {
  readonly kind: 'done'
  /** The thread or process is not to be used again. */
  readonly retire?: true
}

export type Done = LastWord &
  (
    | {
        readonly ok: true
        /** The bytes of a result, or what a function returned. */
        readonly value: unknown
      }
    | {
        readonly ok: false
        readonly phase: Phase
        readonly thrown: Thrown
        /** The handler threw the reason of its signal. */
        readonly heeded: boolean
      }
  )

export type FromGuest =
  | Note
  | Done
  /** An uncaught error is about to end the process. */
  | { readonly kind: 'dying'; readonly thrown: Thrown }

/** A copy whose buffer holds nothing else: bytes are often a part of a larger buffer, all of which would be sent. */
export function alone({ codec, bytes }: Payload): Payload {
  return { codec, bytes: new Uint8Array(bytes) }
}
