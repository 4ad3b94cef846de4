// How much a call may ask for, and where a page goes on, for brokers whose jobs have sequence numbers.
import { OffstageError } from '../errors/error.ts'

const MAX_LIMIT = 1_000

/** A limit of `list` or of a selection by query, within its bounds. */
export function boundedLimit(limit: number): number {
  return Math.min(MAX_LIMIT, Math.max(1, Math.floor(limit)))
}

/**
 * The sequence number of the last job of the page before.
 *
 * @throws OPTION_INVALID for what no page has answered
 */
export function readCursor(cursor: string): number {
  const seq = Number(cursor)
  if (cursor !== '' && Number.isSafeInteger(seq) && seq >= 0) return seq
  throw new OffstageError('OPTION_INVALID', 'cursor is not one that a page of this broker has answered', {
    details: { path: 'cursor' },
  })
}
