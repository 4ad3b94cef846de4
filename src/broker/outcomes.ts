// What an outcome means, for every broker that decides it in TypeScript: where the job goes, what counts as a run and
// as a failure. Pure. Brokers that decide it in a script follow the same rules, and the laws hold them to it.
import type { Payload, StoredError } from '../job/record.ts'
import type { Reason } from '../job/states.ts'
import type { Outcome } from './message.ts'

/** Where a job goes when its claim ends. */
export type Next =
  | { readonly state: 'succeeded'; readonly result: Payload }
  | { readonly state: 'failed'; readonly reason: Reason; readonly error: StoredError }
  | { readonly state: 'cancelled'; readonly reason: Reason }
  /** Back to its old place in line. */
  | { readonly state: 'ready' }
  /** At the end of its lane, when that time has come. */
  | { readonly state: 'scheduled'; readonly dueAt: number }

/** @param cancelling a cancel was asked for: then a success stands, and all else is cancelled */
export function nextOf(outcome: Outcome, cancelling: boolean, now: number): Next {
  if (outcome.kind === 'succeeded') return { state: 'succeeded', result: outcome.result }
  if (cancelling) return { state: 'cancelled', reason: 'by-request' }
  switch (outcome.kind) {
    case 'failed':
      return { state: 'failed', reason: outcome.reason, error: outcome.error }
    case 'cancelled':
      return { state: 'cancelled', reason: 'by-request' }
    case 'released':
      return { state: 'ready' }
    case 'retry':
    case 'snoozed':
    case 'unknown':
      return { state: 'scheduled', dueAt: now + outcome.delayMs }
  }
}

/** What never ran says so by giving no run time; a result, a failure and a snooze can only come from a run. */
export function hasRun(outcome: Outcome): boolean {
  if (outcome.ranMs !== undefined) return true
  return outcome.kind === 'succeeded' || outcome.kind === 'retry' || outcome.kind === 'snoozed'
}

export function countsFailure(outcome: Outcome): boolean {
  if (outcome.kind === 'retry') return true
  return (
    outcome.kind === 'failed' &&
    (outcome.reason === 'attempts-exhausted' || outcome.reason === 'non-retryable')
  )
}

/** The error of a job whose worker was lost. */
export function lostError(crashes: number): StoredError {
  const counted = crashes === 0 ? 'not counted as a crash' : `crashes counted: ${crashes}`
  return {
    name: 'OffstageError',
    message: `the worker of the job was lost while it ran (${counted})`,
    code: 'WORKER_CRASHED',
    fingerprint: 'WORKER_CRASHED',
  }
}

/** The error of a job whose own record does not parse. */
export const unreadableError: StoredError = {
  name: 'OffstageError',
  message: 'the stored fields of the job cannot be read: its record is damaged',
  code: 'PAYLOAD_UNREADABLE',
  fingerprint: 'PAYLOAD_UNREADABLE',
}
