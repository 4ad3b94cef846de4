// A handle: one job, seen from outside. It holds an id and asks the broker for the rest.
import type { JobSelection, LogLine, SelectionAnswer } from '../broker/records.ts'
import { OffstageError } from '../errors/error.ts'
import { decodeJson } from '../job/codec.ts'
import type { JobRecord } from '../job/record.ts'
import { isEnded, type JobState } from '../job/states.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'
import { checkKnown } from '../task/check.ts'
import type { Connection } from './connection.ts'
import { follow } from './follow.ts'
import { type JobSnapshot, toError, toSnapshot } from './snapshot.ts'
import type { Watcher } from './watcher.ts'

export interface ResultOptions {
  /** How long to wait; the job goes on after it. Default for ever. */
  timeout?: Duration | undefined
  /** Ends the wait, not the job: `result` rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

export interface EventsOptions {
  /** Ends the iteration. */
  signal?: AbortSignal | undefined
}

export interface HandleContext {
  readonly connection: Connection
  readonly watcher: Watcher
}

export interface HandleFacts {
  readonly id: string
  readonly duplicate: boolean
  /** The task whose result the handle is typed for; absent where any will do. */
  readonly task?: string | undefined
}

export class JobHandle<Out = unknown> {
  readonly id: string
  /**
   * True where the job was there already: by its id, or as the holder of the unique key. After an answer of the broker
   * was lost on the way and the call repeated, a job with an id of one's own is said to be there, whoever stored it.
   */
  readonly duplicate: boolean
  readonly #task: string | undefined
  readonly #context: HandleContext

  constructor(context: HandleContext, { id, duplicate, task }: HandleFacts) {
    this.id = id
    this.duplicate = duplicate
    this.#task = task
    this.#context = context
  }

  /**
   * Waits for the end of the job and answers what its handler returned, as it reads back from JSON.
   *
   * @throws JOB_FAILED (the cause is the last error), JOB_CANCELLED, JOB_NOT_FOUND, RESULT_TIMEOUT, the signal's reason
   */
  async result(options: ResultOptions = {}): Promise<Out> {
    checkKnown('result', options, ['timeout', 'signal'])
    // What became of the job is thrown from here, so that the stack shows who waited.
    return this.#outcome(await this.#ended(options))
  }

  /** The record of the job once it has ended; undefined where none is kept. */
  #ended({ signal, timeout }: ResultOptions): Promise<JobRecord | undefined> {
    return new Promise((resolve, reject) => {
      const timeoutMs = timeout === undefined ? undefined : durationMs(timeout, 'timeout')
      if (signal?.aborted === true) return reject(signal.reason)
      const { watcher, connection } = this.#context
      const finish = (settle: () => void): void => {
        unwatch()
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = (): void => finish(() => reject(signal?.reason))
      const unwatch = watcher.watch(this.id, {
        fail: (error) => finish(() => reject(error)),
        see: (record) => {
          if (record !== undefined && record.task === (this.#task ?? record.task) && !isEnded(record.state))
            return
          finish(() => resolve(record))
        },
      })
      const timer =
        timeoutMs === undefined
          ? undefined
          : connection.clock.schedule(timeoutMs, () => finish(() => reject(this.#late(timeoutMs))), {
              ref: true,
            })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** @throws JOB_NOT_FOUND */
  async state(): Promise<JobState> {
    return (await this.#record()).state
  }

  /** The job as it is now; undefined where none is kept (any more). */
  async record(): Promise<JobSnapshot<Out> | undefined> {
    const broker = await this.#context.connection.broker()
    const [record] = await broker.get([this.id])
    return record === undefined ? undefined : toSnapshot(this.#own(record))
  }

  /**
   * What happens to the job, until it has ended: a snapshot at once, and one whenever its state, attempt or progress
   * is seen to have changed. Changes in quick succession may be told as one.
   *
   * @throws JOB_NOT_FOUND
   */
  events(options: EventsOptions = {}): AsyncIterableIterator<JobSnapshot<Out>> {
    checkKnown('events', options, ['signal'])
    return follow(this.#context.watcher, this.id, options.signal, (record) => {
      if (record === undefined) throw this.#notFound()
      return toSnapshot(this.#own(record))
    })
  }

  /** The job's log lines in order, after `afterSeq`, at most 1,000. */
  async logs(afterSeq?: number): Promise<readonly LogLine[]> {
    const broker = await this.#context.connection.broker()
    return broker.logs(this.id, afterSeq)
  }

  /**
   * Cancels it: a waiting job ends at once, a running one has its signal aborted. False where it has ended already.
   *
   * @throws JOB_NOT_FOUND
   */
  cancel(): Promise<boolean> {
    return this.#steer('cancel')
  }

  /**
   * Runs a failed or cancelled job again, with all its attempts. False in any other state, and where another job holds
   * its unique key.
   *
   * @throws JOB_NOT_FOUND
   */
  retry(): Promise<boolean> {
    return this.#steer('retry')
  }

  /**
   * Makes a scheduled job due now. False in any other state.
   *
   * @throws JOB_NOT_FOUND
   */
  promote(): Promise<boolean> {
    return this.#steer('promote')
  }

  /**
   * Deletes the record, whatever its retention. False while the job is active.
   *
   * @throws JOB_NOT_FOUND
   */
  remove(): Promise<boolean> {
    return this.#steer('remove')
  }

  async #steer(call: 'cancel' | 'retry' | 'promote' | 'remove'): Promise<boolean> {
    // A typed handle steers jobs of its task only.
    if (this.#task !== undefined) await this.#record()
    const broker = await this.#context.connection.broker()
    const selection: JobSelection = { ids: [this.id] }
    const answer: SelectionAnswer = await broker[call](selection)
    if (answer.done.includes(this.id)) return true
    if (answer.skipped.length > 0) return false
    throw this.#notFound()
  }

  async #record(): Promise<JobRecord> {
    const broker = await this.#context.connection.broker()
    const [record] = await broker.get([this.id])
    if (record === undefined) throw this.#notFound()
    return this.#own(record)
  }

  #own(record: JobRecord): JobRecord {
    if (this.#task === undefined || record.task === this.#task) return record
    throw new OffstageError(
      'JOB_NOT_FOUND',
      `job '${this.id}' is of task '${record.task}', not '${this.#task}'`,
      {
        details: { id: this.id, task: record.task },
      },
    )
  }

  #outcome(record: JobRecord | undefined): Out {
    if (record === undefined) throw this.#notFound()
    const { state, task, reason, error, result } = this.#own(record)
    if (state === 'succeeded') return (result === undefined ? undefined : decodeJson(result)) as Out
    const details = { id: this.id, task, reason }
    if (state === 'cancelled') {
      const why = reason ?? 'by-request'
      throw new OffstageError('JOB_CANCELLED', `job '${this.id}' of task '${task}' was cancelled (${why})`, {
        details,
      })
    }
    const why = error === undefined ? '' : `: ${error.message}`
    throw new OffstageError(
      'JOB_FAILED',
      `job '${this.id}' of task '${task}' failed (${reason ?? 'failed'})${why}`,
      {
        details,
        ...(error !== undefined && { cause: toError(error) }),
      },
    )
  }

  #notFound(): OffstageError {
    return new OffstageError('JOB_NOT_FOUND', `no job with the id '${this.id}' is kept`, {
      details: { id: this.id },
    })
  }

  #late(timeoutMs: number): OffstageError {
    return new OffstageError(
      'RESULT_TIMEOUT',
      `job '${this.id}' had not ended after ${timeoutMs} ms; it goes on`,
      {
        details: { id: this.id, timeoutMs },
      },
    )
  }
}
