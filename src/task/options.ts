// The options of a job and of a task as users write them. Resolved and checked in one place, `resolve.ts`.
import type { Duration } from '../runtime/durations.ts'

/** Options of one enqueued job. They win over those of its task. */
export interface JobOptions {
  /** The id of the job: deduplicates while its record is kept. 1 to 512 bytes of UTF-8. Default a UUID of version 7. */
  id?: string | undefined
  /** Runs no sooner than that long after the broker has it. Not together with `runAt`. */
  delay?: Duration | undefined
  /** Runs no sooner than then. A moment in the past means now. */
  runAt?: Date | number | undefined
  /** 0 to 9, higher runs first inside its lane. Default that of the task, else 5. */
  priority?: number | undefined
  /** Cancelled with reason `expired` if its first attempt has not started by then. Default never. */
  expiresIn?: Duration | undefined
  queue?: string | undefined
  /** The partition as data, instead of the task's `partition.by`. */
  partition?: string | undefined
  /** The unique key as data, instead of the task's `unique.by`. */
  unique?: string | undefined
  /** The search fields as data, instead of the task's `search`. */
  search?: { readonly [field: string]: string } | undefined
  tags?: readonly string[] | undefined
  headers?: { readonly [name: string]: string } | undefined
  retry?: RetryOptions | undefined
  timeout?: Duration | undefined
  retention?: RetentionOptions | undefined
  maxCrashes?: number | undefined
}

export interface RetryOptions {
  /** Attempts in all, the first included: 1 means no retry. Default 20. */
  attempts?: number | undefined
  /** Back-off after the first failure; doubles each time, with full jitter. Default 2 s. */
  base?: Duration | undefined
  /** The longest back-off. Default 10 min. */
  max?: Duration | undefined
}

/** How long an ended job is kept. 0 removes it at once. */
export interface RetentionOptions {
  /** Default 1 h. */
  succeeded?: Duration | undefined
  /** Default 14 d. */
  failed?: Duration | undefined
  /** Default 14 d. */
  cancelled?: Duration | undefined
}

export interface LimitOptions {
  /** Active at once, across all workers. */
  concurrency?: number | undefined
  /** `'100/m'`: starts in any window of that length, across all workers. */
  rate?: string | undefined
}
