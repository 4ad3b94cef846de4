// What wraps both ends of a job: where it is enqueued, and where it is run. Traces, checks and context travel this way,
// with `headers` as the luggage.

import type { TaskContext } from './context.ts'
import type { JobOptions } from './options.ts'

export interface EnqueueCall {
  readonly task: string
  readonly input: unknown
  /** May be changed before `next()`, headers above all. */
  options: JobOptions
}

export interface Execution {
  readonly task: string
  readonly input: unknown
  readonly ctx: TaskContext
}

export interface Middleware {
  /**
   * Around each call that is enqueued, before its input is checked. What it throws, `enqueue` throws, and so it does what
   * `next()` throws, also where the middleware keeps it to itself. Calls that are enqueued together are stored by one
   * trip once all have come to `next()`: one that lets the next call in only after `next()` has resolved waits for ever.
   */
  enqueue?(call: EnqueueCall, next: () => Promise<void>): Promise<void>
  /** Around the handler. Answers its result; what it throws is the attempt's failure. */
  run?(execution: Execution, next: () => Promise<unknown>): Promise<unknown>
}
