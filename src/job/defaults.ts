// The defaults of a job's options and the bounds of its parts, in one place.
import type { Retention, RetryPolicy } from './record.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Twenty attempts with full jitter ride out half an hour of a dependency that is down. */
export const defaultRetry: RetryPolicy = { attempts: 20, baseMs: 2 * SECOND, maxMs: 10 * MINUTE }
export const defaultRetention: Retention = { succeededMs: HOUR, failedMs: 14 * DAY, cancelledMs: 14 * DAY }
export const defaultQueue = 'default'
export const defaultPriority = 5
export const defaultMaxCrashes = 3
export const defaultMaxPayloadBytes = 1_048_576

export const defaultLeaseMs: number = 15 * SECOND
export const defaultGraceMs: number = 25 * SECOND
export const defaultUnknownAfterMs: number = HOUR
export const defaultMaxBlockMs: number = MINUTE

export const bounds = {
  /** Characters of the name of a task or a queue. */
  name: 128,
  /** Bytes of an id, a key, a partition, a tag, the value of a search field. */
  key: 512,
  searchFields: 8,
  tags: 16,
  headers: 32,
  /** Bytes of a header's value. */
  header: 4_096,
  dependencies: 1_000,
  /** Log lines kept a job; the oldest are dropped. */
  logLines: 1_000,
  /** Characters of a log line, an error's message, an error's stack. */
  logText: 4_096,
  errorMessage: 4_096,
  errorStack: 8_192,
} as const
