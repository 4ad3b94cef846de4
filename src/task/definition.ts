// A task as the library keeps it: resolved, checked, its types erased. Pure data and functions; nothing here does I/O.
import type { Limit } from '../broker/records.ts'
import type { Retention, RetryPolicy } from '../job/record.ts'
import type { Batching } from './batch.ts'
import type { TaskContext } from './context.ts'
import type { SearchFields } from './options.ts'
import type { Validate } from './schema.ts'

export type Handler = (input: unknown, ctx: TaskContext) => unknown

/** The handler runs in a thread or process that imports the module of the task. */
export interface Remote {
  readonly runIn: 'thread' | 'process'
  /** A file: URL. */
  readonly module: string
}

export interface Definition {
  readonly name: string
  readonly queue: string
  readonly priority: number
  readonly retry: RetryPolicy
  readonly retention: Retention
  readonly maxCrashes: number
  readonly expiresInMs: number | undefined
  readonly timeoutMs: number | undefined
  readonly limit: Limit | undefined
  readonly partitionLimit: Limit | undefined
  /** Undefined where nothing is checked. */
  readonly parseInput: Validate | undefined
  readonly parseOutput: Validate | undefined
  readonly partitionBy: ((input: unknown) => string | undefined) | undefined
  readonly uniqueBy: ((input: unknown) => string | undefined) | undefined
  readonly uniqueDuring: 'unfinished' | 'waiting'
  readonly uniqueOnConflict: 'keep' | 'replace'
  readonly search: ((input: unknown) => SearchFields) | undefined
  readonly store: 'input' | 'parsed'
  /** This or `batch`. Both are absent where the task was defined and not (yet) implemented in this process. */
  readonly run: Handler | undefined
  /** Absent where the handler runs in the worker itself. */
  readonly remote: Remote | undefined
  readonly batch: Batching | undefined
}

export function isImplemented({ run, batch }: Definition): boolean {
  return run !== undefined || batch !== undefined
}

/** Where a task object carries its definition. Known by its text, so that a second copy of the library finds it too. */
export const definitionOf: unique symbol = Symbol.for('offstage.definition') as never

/** Any task, whatever it takes and gives: what a list of tasks is made of. */
export interface AnyTask {
  readonly name: string
  readonly queue: string
  readonly [definitionOf]: Definition
}

export function isTask(value: unknown): value is AnyTask {
  return typeof value === 'object' && value !== null && definitionOf in value
}
