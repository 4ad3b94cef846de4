// What an outcome, or the loss of its worker, does to a job. Pure: it decides, and the moves carry it out.
import type { Outcome } from '../../broker/contract.ts'
import { countsFailure, hasRun, lostError, type Next, nextOf } from '../../broker/outcomes.ts'
import { defaultMaxCrashes } from '../../job/defaults.ts'
import { type AttemptRecord, MAX_ATTEMPT_RECORDS } from '../../job/record.ts'
import { FLAG } from './flags.ts'
import { has, type JobRow, rareOf, readAttempts } from './row.ts'

export interface Ruling {
  readonly next: Next
  readonly failures: number
  readonly crashes: number
  readonly suspect: boolean
  /** Whether an attempt has run. */
  readonly begun: boolean
  readonly startedAt: number | null
  readonly unknownSince: number | null
  /** JSON of the error that the record shows from now on. */
  readonly error: string | null
  readonly attempts: string | null
}

/** What the outcome of a claim leads to. The caller has checked the token. */
export function ruleOutcome(row: JobRow, outcome: Outcome, now: number, worker: string): Ruling {
  const began = hasRun(outcome)
  const error = 'error' in outcome ? outcome.error : undefined
  const claimedAt = row.claimed_at ?? now
  const startedAt = began ? Math.max(row.created_at, now - (outcome.ranMs ?? now - claimedAt)) : null
  const kind = has(row, FLAG.cancelling) && outcome.kind !== 'succeeded' ? 'cancelled' : outcome.kind
  const attempt = { worker, token: row.token, startedAt: startedAt ?? now, endedAt: now, outcome: kind }
  // The attempt that succeeded is told by the columns of its row.
  const written = kind !== 'succeeded' && (began || kind === 'unknown' || kind === 'failed')
  const earlier = row.begun === 1 ? (readAttempts(row).at(-1)?.startedAt ?? null) : null
  return {
    next: nextOf(outcome, has(row, FLAG.cancelling), now),
    failures: row.failures + (countsFailure(outcome) ? 1 : 0),
    crashes: row.crashes,
    suspect: false,
    begun: row.begun === 1 || began,
    startedAt: startedAt ?? earlier,
    unknownSince: unknownSince(row, outcome, now),
    error: error !== undefined ? JSON.stringify(error) : outcome.kind === 'succeeded' ? null : row.error,
    attempts: written
      ? withAttempt(row, error === undefined ? attempt : { ...attempt, error })
      : row.attempts,
  }
}

/** What becomes of a claim whose lease has ended. */
export function ruleLost(row: JobRow, now: number, worker: string): Ruling {
  const started = row.started === 1
  const counted = started && row.suspect === 1
  const crashes = row.crashes + (counted ? 1 : 0)
  const maxCrashes = rareOf(row).maxCrashes ?? defaultMaxCrashes
  const crash = lostError(crashes)
  const next: Next = has(row, FLAG.cancelling)
    ? { state: 'cancelled', reason: 'by-request' }
    : counted && crashes >= maxCrashes
      ? { state: 'failed', reason: 'crashes-exhausted', error: crash }
      : { state: 'ready' }
  const startedAt = row.claimed_at ?? now
  return {
    next,
    failures: row.failures,
    crashes,
    suspect: row.suspect === 1 || started,
    begun: row.begun === 1 || started,
    startedAt: row.started_at,
    unknownSince: row.unknown_since,
    error: started ? JSON.stringify(crash) : row.error,
    attempts: started
      ? withAttempt(row, {
          worker,
          token: row.token,
          startedAt,
          endedAt: now,
          outcome: 'crashed',
          error: crash,
        })
      : row.attempts,
  }
}

function unknownSince(row: JobRow, outcome: Outcome, now: number): number | null {
  if (outcome.kind === 'unknown') return row.unknown_since ?? now
  return outcome.kind === 'released' ? row.unknown_since : null
}

function withAttempt(row: JobRow, attempt: AttemptRecord): string {
  return JSON.stringify([...readAttempts(row), attempt].slice(-MAX_ATTEMPT_RECORDS))
}

const KINDS = [
  'succeeded',
  'retry',
  'failed',
  'released',
  'snoozed',
  'unknown',
  'cancelled',
] as const satisfies readonly Outcome['kind'][]

/** An outcome in one number, by which its repetition is known. A success is eight times its token. */
export function settledMark({ kind, token }: Pick<Outcome, 'kind' | 'token'>): number {
  return token * 8 + KINDS.indexOf(kind)
}
