// What a handler is given beside its input.
import type { Transaction } from '../broker/transactions/shapes.ts'
import type { Clock } from '../runtime/clock.ts'

export interface TaskContext {
  /** The job that is being run. */
  readonly job: JobInfo
  /**
   * Aborted when the handler should stop: the timeout (ATTEMPT_TIMEOUT), a cancel (JOB_CANCELLED), a lost lease
   * (LEASE_LOST), or the end of a stopping worker's grace (WORKER_STOPPED). Its `reason` is that error.
   */
  readonly signal: AbortSignal
  /**
   * Records how far the job is: any JSON value. Sent in the background, the latest one wins; never throws for a lost
   * connection. Throws NOT_JSON for a value that JSON cannot carry.
   */
  progress(value: unknown): void
  /**
   * Records the success of this attempt inside the handler's own transaction, so that the job has succeeded if and only
   * if what the transaction wrote is there. Answers the result, for the handler to return; it is checked, and encoded as
   * ever. To be called as the last thing in a transaction, which has to be committed before the handler returns: the
   * attempt fails with TX_NOT_COMMITTED otherwise.
   *
   * @throws LEASE_LOST where the job is somebody else's by now: let the transaction roll back. TX_UNSUPPORTED, TX_INVALID
   * (also where the job has been completed before), TX_ABORTED, OUTPUT_INVALID, NOT_JSON, PAYLOAD_TOO_LARGE
   */
  complete<R>(tx: Transaction, result: R): Promise<R>
  complete(tx: Transaction): Promise<undefined>
  /** Log lines kept with the job (the last 1,000) and passed to the app's logger. */
  readonly log: JobLog
  readonly clock: Clock
}

/** One job of a batch: its input, and what its handler would be given if it ran alone. */
export interface BatchItem<Parsed = unknown> extends TaskContext {
  readonly input: Parsed
  /**
   * Aborted where this job's own attempt should stop. The others go on; what is answered for it may be anything, and counts
   * only if the answer comes before the attempt is given up.
   */
  readonly signal: AbortSignal
}

/** What a handler of batches is given beside the items. */
export interface BatchContext {
  /** Aborted once the signal of every item is: nothing that the handler does is waited for any longer. */
  readonly signal: AbortSignal
  /** How many items there are. */
  readonly size: number
  readonly clock: Clock
}

export interface JobInfo {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly partition?: string | undefined
  readonly priority: number
  /** 1 for the first. */
  readonly attempt: number
  /** Fencing token: grows with every claim, so that an outer system can refuse what comes from an older run. */
  readonly token: number
  readonly createdAt: Date
  readonly headers: { readonly [name: string]: string }
  readonly tags: readonly string[]
  readonly workflow?: string | undefined
  readonly node?: string | undefined
  /** What an earlier attempt last passed to `progress`, to go on from there. */
  readonly progress: unknown
}

export interface JobLog {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}
