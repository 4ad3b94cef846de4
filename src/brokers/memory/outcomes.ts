// What an outcome, or the loss of its worker, does to a job. Pure: it decides, and the moves carry it out.
import type { Outcome } from '../../broker/contract.ts'
import { countsFailure, hasRun, lostError, type Next, nextOf } from '../../broker/outcomes.ts'
import { type AttemptRecord, MAX_ATTEMPT_RECORDS, type StoredError } from '../../job/record.ts'
import type { StoredJob } from './job.ts'

export interface Ruling {
  readonly next: Next
  readonly failures: number
  readonly crashes: number
  readonly suspect: boolean
  /** Whether an attempt has run. */
  readonly begun: boolean
  readonly startedAt: number | undefined
  readonly unknownSince: number | undefined
  /** The error that the record shows from now on. */
  readonly error: StoredError | undefined
  readonly attempts: readonly AttemptRecord[]
}

/** What the outcome of a claim leads to. The caller has checked the token. */
export function ruleOutcome(job: StoredJob, outcome: Outcome, now: number): Ruling {
  const began = hasRun(outcome)
  const error = 'error' in outcome ? outcome.error : undefined
  const startedAt = began
    ? Math.max(job.createdAt, now - (outcome.ranMs ?? now - leaseStart(job, now)))
    : undefined
  const kind = job.cancelling && outcome.kind !== 'succeeded' ? 'cancelled' : outcome.kind
  return {
    next: nextOf(outcome, job.cancelling, now),
    failures: job.failures + (countsFailure(outcome) ? 1 : 0),
    crashes: job.crashes,
    suspect: false,
    begun: job.begun || began,
    startedAt: startedAt ?? (job.begun ? job.attempts.at(-1)?.startedAt : undefined),
    unknownSince: unknownSince(job, outcome, now),
    error: error ?? (outcome.kind === 'succeeded' ? undefined : job.error),
    attempts:
      began || kind === 'unknown' || kind === 'failed'
        ? withAttempt(job, { outcome: kind, startedAt: startedAt ?? now, endedAt: now, error })
        : job.attempts,
  }
}

/** What becomes of a claim whose lease has ended. */
export function ruleLost(job: StoredJob, now: number): Ruling {
  const started = job.lease?.started === true
  const counted = started && job.suspect
  const crashes = job.crashes + (counted ? 1 : 0)
  const exhausted = counted && crashes >= job.spec.maxCrashes
  const crash = started ? lostError(crashes) : undefined
  const next: Next = job.cancelling
    ? { state: 'cancelled', reason: 'by-request' }
    : exhausted
      ? { state: 'failed', reason: 'crashes-exhausted', error: lostError(crashes) }
      : { state: 'ready' }
  return {
    next,
    failures: job.failures,
    crashes,
    suspect: job.suspect || started,
    begun: job.begun || started,
    startedAt: job.startedAt,
    unknownSince: job.unknownSince,
    error: crash ?? job.error,
    attempts: started
      ? withAttempt(job, { outcome: 'crashed', startedAt: leaseStart(job, now), endedAt: now, error: crash })
      : job.attempts,
  }
}

function unknownSince(job: StoredJob, outcome: Outcome, now: number): number | undefined {
  if (outcome.kind === 'unknown') return job.unknownSince ?? now
  return outcome.kind === 'released' ? job.unknownSince : undefined
}

function leaseStart(job: StoredJob, now: number): number {
  return job.lease?.startedAt ?? now
}

function withAttempt(
  job: StoredJob,
  attempt: Omit<AttemptRecord, 'worker' | 'token'>,
): readonly AttemptRecord[] {
  const { error, ...rest } = attempt
  const record = {
    worker: job.lease?.worker ?? '',
    token: job.lease?.token ?? 0,
    ...rest,
    ...(error === undefined ? {} : { error }),
  }
  return [...job.attempts, record].slice(-MAX_ATTEMPT_RECORDS)
}
