// A task that runs many jobs at once, as the library keeps it, and what its handler must answer.
import { types } from 'node:util'
import { OffstageError } from '../errors/error.ts'
import { show } from './check.ts'
import type { BatchContext, BatchItem } from './context.ts'

export interface Batching {
  readonly size: number
  readonly withinMs: number
  /** Answers a list, or a promise of it. */
  readonly run: (items: readonly BatchItem[], ctx: BatchContext) => unknown
}

/** What a handler answered for one item. */
export type BatchAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown }

/**
 * What a handler answered, item by item.
 *
 * @throws BATCH_ANSWER_INVALID where it is no list of as many answers as there are items
 */
export function readAnswers(answered: unknown, count: number, task: string): readonly BatchAnswer[] {
  if (!Array.isArray(answered)) throw invalid(task, count, show(answered))
  if (answered.length !== count) throw invalid(task, count, `a list of ${answered.length}`)
  if (answered.some(isRejected)) throw invalid(task, count, 'what Promise.allSettled gives')
  // Not by map, which leaves out holes.
  return Array.from(answered, (value: unknown) =>
    isError(value) ? { ok: false, error: value } : { ok: true, value },
  )
}

/** Also one of another realm. */
function isError(value: unknown): boolean {
  return value instanceof Error || types.isNativeError(value)
}

function isRejected(value: unknown): boolean {
  const { status, reason } = Object(value) as { readonly status?: unknown; readonly reason?: unknown }
  return status === 'rejected' && isError(reason)
}

function invalid(task: string, count: number, got: string): OffstageError {
  const message = `runBatch of task '${task}' answered ${got}; a list of ${count} is needed, a result or an Error for each item`
  return new OffstageError('BATCH_ANSWER_INVALID', message, { details: { task } })
}
