// One run of a job: the value that goes through the executor's steps.
import type { ReservedJob } from '../broker/message.ts'
import type { OffstageError } from '../errors/error.ts'
import type { Timer } from '../runtime/clock.ts'
import type { RunnableTask } from '../task/runnable.ts'
import type { Claim } from './claims.ts'
import type { Ending, Phase } from './outcomes.ts'

export class Attempt {
  readonly claim: Claim
  readonly job: ReservedJob
  /** Undefined where this worker does not know the task. */
  readonly task: RunnableTask | undefined
  /** Monotonic: it got its slot, and its handler was begun. They differ where a thread was waited for. */
  readonly startedAt: number
  begunAt: number
  /** Where in it something is thrown, if something is. */
  phase: Phase = 'handler'
  /** What the last step made: the input, the handler's answer, its bytes. */
  value: unknown = undefined
  /** Set by the step that ends the attempt before the last one. */
  ending: Ending | undefined = undefined
  /** The handler was begun: the time it took counts. */
  begun = false
  /** Its outcome is decided; what the handler still says is too late. */
  ended = false
  /** What `ctx.complete` threw for its result: it ends the attempt as it would have after a return. */
  refused: unknown = undefined
  /** The handler has returned, and whether its transaction was committed is being found out. */
  confirming = false
  /** It was ended without its handler, which goes on. */
  abandoned = false
  /** Why the handler was told to stop; the first reason stands. */
  aborted: OffstageError | undefined = undefined
  /** Told of it, beside the signal. */
  onAbort: ((reason: OffstageError) => void) | undefined = undefined
  /** Fires the timeout, and after an abort the end of the patience with the handler. */
  timer: Timer | undefined = undefined
  /** Ends the thread or process in which its handler runs now. */
  kill: (() => void) | undefined = undefined
  #controller: AbortController | undefined = undefined

  constructor(claim: Claim, task: RunnableTask | undefined, startedAt: number) {
    this.claim = claim
    this.job = claim.job
    this.task = task
    this.startedAt = startedAt
    this.begunAt = startedAt
  }

  /** Made when a handler first asks for it: most never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.aborted !== undefined) this.#controller.abort(this.aborted)
    }
    return this.#controller.signal
  }

  abort(reason: OffstageError): void {
    this.aborted = reason
    this.#controller?.abort(reason)
    this.onAbort?.(reason)
  }
}
