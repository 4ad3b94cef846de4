// What a pool is made on: threads or processes, each of which runs one thing at a time.
import { codeOf, OffstageError } from '../../errors/error.ts'
import type { AbortMessage, Done, Note, Request } from './protocol.ts'

export interface Host {
  /**
   * Runs a request in a thread or process that is idle, else in a new one.
   *
   * @throws NOT_CLONEABLE
   */
  start(request: Request, hear: (note: Note) => void): Running
  /** Lets all of them close what they opened, and ends them. What still runs in them is lost. */
  close(): Promise<void>
}

export interface Running {
  /**
   * The last word. Rejects with EXECUTOR_CRASHED where the thread or process ended before it; never settles after
   * `kill`.
   */
  readonly done: Promise<Done>
  /** Fires the handler's signal. */
  abort(reason: AbortMessage): void
  /** Ends the thread or process, whatever it is at. */
  kill(): void
}

/** How a thread or process ended that should not have. */
export function crashed(host: 'thread' | 'process', how: string, cause?: unknown): OffstageError {
  const options = cause === undefined || cause === null ? {} : { cause }
  return new OffstageError('EXECUTOR_CRASHED', `the ${host} ended in the middle of its work: ${how}`, options)
}

/** Sending what cannot be cloned throws, and what it throws differs from one way of sending to the other. */
export function sent(send: () => void, what: string): void {
  try {
    send()
  } catch (cause) {
    if (codeOf(cause) === 'ERR_IPC_CHANNEL_CLOSED') return
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new OffstageError('NOT_CLONEABLE', `${what} cannot be cloned: ${message}`, { cause })
  }
}
