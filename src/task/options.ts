// The options of a job and of a task as users write them. Resolved and checked in `resolve.ts`.
import type { Transaction } from '../broker/transactions/shapes.ts'
import type { Duration } from '../runtime/durations.ts'
import type { BatchContext, BatchItem, TaskContext } from './context.ts'
import type { Schema } from './schema.ts'

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
  /**
   * Cancelled with reason `expired` if its first attempt has not started by then. At least 1 ms. Default never. Any
   * worker of the namespace sees to it; with none running, the job waits for the first.
   */
  expiresIn?: Duration | undefined
  queue?: string | undefined
  /** The partition as data, instead of the task's `partition.by`. */
  partition?: string | undefined
  /** The unique key as data, instead of the task's `unique.by`. */
  unique?: string | undefined
  /** The search fields as data, instead of the task's `search`. */
  search?: SearchFields | undefined
  /** Up to 16, each of 1 to 512 bytes. */
  tags?: readonly string[] | undefined
  /** Up to 32, each value of at most 4,096 bytes. */
  headers?: { readonly [name: string]: string } | undefined
  /** What is not given is that of the task. */
  retry?: RetryOptions | undefined
  /** At least 1 ms. */
  timeout?: Duration | undefined
  /** What is not given is that of the task. */
  retention?: RetentionOptions | undefined
  /** How many counted crashes make it a dead letter, 1 to 1,000. Default 3. */
  maxCrashes?: number | undefined
  /**
   * Stores the job inside this transaction, on its connection: it is there from the commit on, and never after a
   * rollback. The transaction object of your library, open and on the database in which the jobs are kept.
   */
  tx?: Transaction | undefined
}

/** Up to 8 fields named with letters, digits and _, each value of 1 to 512 bytes. */
export interface SearchFields {
  readonly [field: string]: string
}

export interface RetryOptions {
  /** Attempts in all, the first included: 1 means no retry. 1 to 1,000,000, default 20. */
  attempts?: number | undefined
  /** Back-off after the first failure; doubles each time, with full jitter. Default 2 s. */
  base?: Duration | undefined
  /** The longest back-off. Default 10 min. */
  max?: Duration | undefined
}

/** How long an ended job is kept. 0 removes it at once: `result()` finds no job then, and throws JOB_NOT_FOUND. */
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

/** How a key is made of the parsed input. `undefined` means none. Computed once, at enqueue. */
export type KeyOf<Parsed> = (input: NoInfer<Parsed>) => string | undefined

export interface PartitionOptions<Parsed = unknown> {
  /** Names the share of the queue that the job belongs to: a tenant, an account. Partitions take turns. */
  by?: KeyOf<Parsed> | undefined
  /** For each partition of the queue. */
  limit?: LimitOptions | undefined
}

export interface UniqueOptions<Parsed = unknown> {
  /** One live job a key and task. */
  by?: KeyOf<Parsed> | undefined
  /** `unfinished` (default): until the job has ended. `waiting`: until its first attempt is claimed. */
  during?: 'unfinished' | 'waiting' | undefined
  /** `keep` (default): the new job is a duplicate of the one there. `replace`: a waiting one makes room. */
  onConflict?: 'keep' | 'replace' | undefined
}

/** What producers need of a task. */
export interface DefinitionOptions<In, Parsed, Returned, Out> {
  /** Letters, digits and _ . : -, 1 to 128. Unique within the app. */
  name: string
  /** Checked at enqueue, and again in the worker, which gets the parsed form. */
  input?: Schema<In, Parsed> | undefined
  /** Checks what the handler returns. */
  output?: Schema<Returned, Out> | undefined
  /** Default `default`. */
  queue?: string | undefined
  /** 0 to 9, higher runs first. Default 5. */
  priority?: number | undefined
  /** Default 20 attempts, from 2 s to 10 min apart. */
  retry?: RetryOptions | undefined
  /** Aborts `ctx.signal` that long after the start of an attempt. At least 1 ms. Default never. */
  timeout?: Duration | undefined
  /** For the task, across all workers. */
  limit?: LimitOptions | undefined
  partition?: PartitionOptions<Parsed> | undefined
  unique?: UniqueOptions<Parsed> | undefined
  /** Fields to find jobs by. */
  search?: ((input: NoInfer<Parsed>) => SearchFields) | undefined
  retention?: RetentionOptions | undefined
  /** Cancelled with reason `expired` if its first attempt has not started by then. Default never. */
  expiresIn?: Duration | undefined
  /** How many counted crashes make a job a dead letter, 1 to 1,000. Default 3. */
  maxCrashes?: number | undefined
  /**
   * `input` (default) stores what was put in. `parsed` stores the parsed form, which has to be JSON and to pass the
   * schema again: defaults are filled in, and unknown keys (a password in a request body) are not stored.
   */
  store?: 'input' | 'parsed' | undefined
}

/**
 * A handler: what it answers is up to it, unless an output schema asks for something. A conditional type, since the
 * compiler then knows what is asked for while it reads the handler, and `{ kind: 'a' }` keeps its literal.
 */
export type Run<Parsed, Returned, Ret> = [unknown] extends [Returned]
  ? (input: Parsed, ctx: TaskContext) => Ret | Promise<Ret>
  : (input: Parsed, ctx: TaskContext) => NoInfer<Returned> | Promise<NoInfer<Returned>>

/** Where the handler of a task runs. */
export interface RunInOptions {
  /**
   * `inline` (default): on the worker's own event loop. `thread`: in a thread of a pool, for work that computes.
   * `process`: in a child process, for work that may crash its process. Both need `module`.
   */
  runIn?: 'inline' | 'thread' | 'process' | undefined
  /**
   * The module that defines the task, as `import.meta.url`: the thread or process imports it, and with it all that it
   * imports. Keep it apart from the module that starts workers or servers.
   */
  module?: string | URL | undefined
}

export interface BatchOptions {
  /** The most jobs in a batch, 1 to 10,000. Each takes one of the worker's places, so `concurrency` bounds it too. */
  size: number
  /** How long the first job of a batch waits for others, 0 to 1 h. Default 50 ms. */
  within?: Duration | undefined
}

/** A result for each item, in order, or an error: any `Error`, also `NonRetryable`, `RetryAfter` and `Snooze`. */
export type BatchAnswers<Ret> = readonly (Ret | Error)[]

/** A handler of many jobs at once: each of them succeeds or fails by its own answer. */
export type RunBatch<Parsed, Returned, Ret> = [unknown] extends [Returned]
  ? (items: readonly BatchItem<Parsed>[], ctx: BatchContext) => BatchAnswers<Ret> | Promise<BatchAnswers<Ret>>
  : (
      items: readonly BatchItem<Parsed>[],
      ctx: BatchContext,
    ) => BatchAnswers<NoInfer<Returned>> | Promise<BatchAnswers<NoInfer<Returned>>>

/** One job at a time. */
export interface RunsEach<Parsed, Returned, Ret> {
  run: Run<Parsed, Returned, Ret>
  batch?: undefined
  runBatch?: undefined
}

/** Many jobs at once. */
export interface RunsBatches<Parsed, Returned, Ret> {
  run?: undefined
  batch: BatchOptions
  /**
   * Called with up to `batch.size` jobs that came together. Answers a result or an error for each, in order; what it throws
   * fails all of them.
   */
  runBatch: RunBatch<Parsed, Returned, Ret>
}

/** A handler of batches by itself, for `implement`. */
export interface BatchHandler<Parsed, Returned> {
  batch: BatchOptions
  runBatch(
    items: readonly BatchItem<Parsed>[],
    ctx: BatchContext,
  ): BatchAnswers<Returned> | Promise<BatchAnswers<Returned>>
}

/** Results without the errors that a handler of batches answers beside them. */
export type WithoutErrors<Ret> = Ret extends Error ? ('stack' extends keyof Ret ? never : Ret) : Ret

/** A task whole: what producers need, and the handler, of one job or of many. */
export type TaskOptions<In, Parsed, Returned, Ret, Out> = DefinitionOptions<In, Parsed, Returned, Out> &
  RunInOptions &
  (RunsEach<Parsed, Returned, Ret> | RunsBatches<Parsed, Returned, Ret>)

/** What `implement` adds to a definition; it wins over what stands there. */
export interface ImplementOptions extends RunInOptions {
  timeout?: Duration | undefined
  limit?: LimitOptions | undefined
}
