// The record half of the contract: asking about jobs and steering them. A broker that only moves messages borrows it
// from another. Nothing here is needed to run a job; everything here is needed to watch one.
//
// Every call is safe to repeat. `JobSelection` by query works on at most `limit` jobs a call and says whether more match.

import type { Rate } from '../job/rates.ts'
import type { JobRecord, JobSpec, Payload } from '../job/record.ts'
import type { JobState } from '../job/states.ts'
import type { LeaseRef } from './message.ts'

// ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** All given conditions must hold. The indexed ones: states, task, queue, workflow, search, time. */
export interface JobQuery {
  readonly states?: readonly JobState[] | undefined
  readonly task?: string | undefined
  readonly queue?: string | undefined
  readonly partition?: string | undefined
  readonly workflow?: string | undefined
  /** Equality on declared search fields. */
  readonly search?: { readonly [field: string]: string } | undefined
  readonly tag?: string | undefined
  readonly fingerprint?: string | undefined
  /** Enqueued at or after, in broker time. */
  readonly createdFrom?: number | undefined
  /** Enqueued before, in broker time. */
  readonly createdTo?: number | undefined
}

export interface ListRequest extends JobQuery {
  /** By the time of enqueueing. Default `newest`. */
  readonly order?: 'newest' | 'oldest' | undefined
  /** 1 to 1000. Default 50. */
  readonly limit?: number | undefined
  /** From the page before. Opaque. */
  readonly cursor?: string | undefined
}

export interface JobPage {
  readonly jobs: readonly JobRecord[]
  /** Present while there may be more. A page may be empty and have one: the scan is bounded, not the answer. */
  readonly cursor?: string | undefined
}

export type JobSelection =
  | { readonly ids: readonly string[] }
  /** `limit` defaults to 500, at most 1000. */
  | { readonly query: JobQuery; readonly limit?: number | undefined }

export interface SelectionAnswer {
  /** Ids that were changed. */
  readonly done: readonly string[]
  /** Ids that were there and were left alone, with their state. */
  readonly skipped: readonly { readonly id: string; readonly state: JobState }[]
  /** By query: more jobs match. */
  readonly more: boolean
}

// ── queues and limits ────────────────────────────────────────────────────────────────────────────────────────────

export interface Limit {
  /** Active jobs at once, across all workers. */
  readonly concurrency?: number | undefined
  /** Starts in any window of that length, across all workers. */
  readonly rate?: Rate | undefined
}

/** What a limit is for: a queue, a task, or each partition of a queue. */
export type LimitScope =
  | { readonly kind: 'queue'; readonly queue: string }
  | { readonly kind: 'task'; readonly task: string }
  | { readonly kind: 'partition'; readonly queue: string }

export interface LimitRule {
  readonly scope: LimitScope
  /** `declared` by code at a worker's start, or `set` by a person, which wins until it is cleared. */
  readonly source: 'declared' | 'set'
  /** Null clears the rule of that source. */
  readonly limit: Limit | null
}

export type StateCounts = { readonly [S in JobState]: number }

export interface QueueInfo {
  readonly queue: string
  readonly paused: boolean
  readonly counts: StateCounts
  /** The limits in force for the queue and its partitions. */
  readonly limit?: Limit | undefined
  readonly partitionLimit?: Limit | undefined
}

// ── workers, schedules, steps, logs, events, counters ────────────────────────────────────────────────────────────

export interface WorkerInfo {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly queues: readonly string[]
  readonly tasks: readonly string[]
  readonly concurrency: number
  readonly active: number
  readonly startedAt: number
  /** Broker time of the last sign of life. */
  readonly seenAt: number
  readonly state: 'running' | 'stopping'
}

export interface Schedule {
  readonly id: string
  /** How ticks are computed; opaque to the broker (`cron` text and time zone, or an interval). */
  readonly rule: { readonly [field: string]: unknown }
  /** What is enqueued at a tick; its id is made from schedule and tick, so that a tick fires once. */
  readonly job: Omit<JobSpec, 'id'>
  readonly nextAt: number
  readonly lastAt?: number | undefined
  readonly paused: boolean
}

/** Something that an attempt writes while it runs; refused with `lost` where the token is not the live one. */
export type Note = LeaseRef &
  (
    | { readonly kind: 'progress'; readonly value: Payload }
    | { readonly kind: 'log'; readonly level: LogLevel; readonly text: string }
    | { readonly kind: 'step'; readonly name: string; readonly value: Payload }
  )

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogLine {
  /** Grows within a job. */
  readonly seq: number
  readonly at: number
  readonly token: number
  readonly level: LogLevel
  readonly text: string
}

export interface Step {
  readonly name: string
  readonly at: number
  readonly value: Payload
}

export interface JobEvent {
  readonly kind: 'state' | 'progress'
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly state: JobState
  readonly at: number
}

/** What one minute brought, for one queue and task. */
export interface CounterRow {
  /** Start of the minute, broker time. */
  readonly minuteAt: number
  readonly queue: string
  readonly task: string
  readonly enqueued: number
  readonly succeeded: number
  /** Attempts that failed and are tried again. */
  readonly retried: number
  readonly failed: number
  readonly cancelled: number
  readonly crashed: number
  /** Sum of the run times of settled attempts. */
  readonly ranMs: number
}

export interface RecordHalf {
  /** Jobs by id, in order; undefined where none is kept. Called by: handles, inspector. Cost: O(ids). */
  get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]>

  /** A page of jobs. Called by: inspector. Cost: bounded: at most 10 rows are read for each row of `limit`. */
  list(request: ListRequest): Promise<JobPage>

  /**
   * Cancels. Waiting jobs end at once with reason `by-request`; active ones are marked, their workers woken, and they
   * end when they settle or lose their lease; both are `done`. Ended ones are skipped. Atomic: each job, with its
   * dependents as in `settle`.
   */
  cancel(selection: JobSelection): Promise<SelectionAnswer>

  /**
   * Runs dead letters and cancelled jobs again: ready, at the end of their lane, with no failures and no crashes
   * counted. Others are skipped, and so is a job whose unique key is held by another.
   */
  retry(selection: JobSelection): Promise<SelectionAnswer>

  /** Deletes records, whatever their retention. Active jobs are skipped; a waiting one counts as cancelled for its dependents. */
  remove(selection: JobSelection): Promise<SelectionAnswer>

  /** Makes scheduled jobs due now. Others are skipped. */
  promote(selection: JobSelection): Promise<SelectionAnswer>

  /**
   * Makes the staged jobs of a workflow visible: one flip, after which every one of them will run. Before it none
   * does, and staged jobs that are never published are removed after a day.
   *
   * Called by: workflows. Atomic: the flip; what follows is spread by `maintain`. Answers false when the workflow is
   * not staged (any more). Cost: O(100).
   */
  publish(workflow: string): Promise<boolean>

  /** Every queue that has or had jobs, or is paused or limited. Cost: O(queues): counts are kept, not counted. */
  queues(): Promise<readonly QueueInfo[]>

  /** Nothing is claimed from a paused queue; what is active goes on. */
  pause(queue: string, paused: boolean): Promise<void>

  /**
   * Sets or clears limits; they hold from the next claim on, also for jobs that were there. `declared` ones are
   * repeated at each start of a worker. Cost: O(rules + active jobs).
   */
  limit(rules: readonly LimitRule[]): Promise<void>

  /** The rules in store, of both sources. */
  limits(): Promise<readonly LimitRule[]>

  /** A worker's sign of life; it is forgotten `ttlMs` after the last one. Called by: the worker, every few seconds. */
  beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void>

  /** Removes a worker's entry: a clean stop. */
  leave(worker: string): Promise<void>

  workers(): Promise<readonly WorkerInfo[]>

  /** Creates or replaces a schedule by id. `nextAt` is kept when the rule has not changed. */
  putSchedule(schedule: Schedule): Promise<void>

  schedules(): Promise<readonly Schedule[]>

  /** False when there is none. */
  removeSchedule(id: string): Promise<boolean>

  /**
   * Fires a tick: enqueues the schedule's job with id `job.id` and sets `nextAt`, in one step, if `nextAt` is still
   * `tick` and the schedule is not paused. Else nothing happens and the answer is false: somebody else fired it.
   *
   * Called by: every worker's ticker; needs no leader. Without a job it only moves the schedule: the job of a schedule
   * in another shard is enqueued before, and its id keeps it from running twice.
   */
  fire(tick: {
    readonly schedule: string
    readonly tick: number
    readonly nextAt: number
    readonly job?: JobSpec | undefined
  }): Promise<boolean>

  /** Progress, log lines and steps of running attempts; one answer each. A step of a name that is there is kept. */
  write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]>

  /** Log lines of a job in order, after `afterSeq`, at most 1000. Bounded a job by dropping the oldest. */
  logs(id: string, afterSeq?: number): Promise<readonly LogLine[]>

  steps(id: string): Promise<readonly Step[]>

  /**
   * Calls `listener` for what happens to jobs, in this process and in others, until the signal aborts. Best effort:
   * events may be dropped under load or after a lost connection, so callers poll beneath it. Costs nothing while
   * nobody listens. Resolves when it ends, by the signal or with the broker. Never rejects; a listener must not throw.
   */
  events(listener: (events: readonly JobEvent[]) => void, signal: AbortSignal): Promise<void>

  /** Per-minute counters in [fromAt, toAt), oldest first. Kept for a day. They are written with the outcomes. */
  counters(fromAt: number, toAt: number): Promise<readonly CounterRow[]>
}
