// What becomes of a job whose attempt ended: the rules, pure. Errors are told by code, never by class.
import type { LeaseRef, Outcome, ReservedJob } from '../broker/message.ts'
import { codeOf, OffstageError } from '../errors/error.ts'
import type { Payload, RetryPolicy, StoredError } from '../job/record.ts'
import { mayRetry, retryDelayMs } from '../job/retry.ts'
import type { Reason } from '../job/states.ts'
import { storedError } from '../job/stored-error.ts'
import { durationMs } from '../runtime/durations.ts'

/** An outcome without the claim it belongs to. */
export type Ending =
  | { readonly kind: 'succeeded'; readonly result: Payload }
  | { readonly kind: 'retry'; readonly delayMs: number; readonly error: StoredError }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly error: StoredError }
  | { readonly kind: 'unknown'; readonly delayMs: number; readonly error: StoredError }
  | { readonly kind: 'snoozed'; readonly delayMs: number }
  | { readonly kind: 'released' }
  | { readonly kind: 'cancelled' }

export const RELEASED: Ending = { kind: 'released' }
export const CANCELLED: Ending = { kind: 'cancelled' }

export function outcomeOf({ id, token }: LeaseRef, ending: Ending, ranMs: number | undefined): Outcome {
  // The usual end is spelled out, since a spread costs more than all the rest of this function.
  if (ending.kind === 'succeeded' && ranMs !== undefined) {
    return { kind: 'succeeded', id, token, result: ending.result, ranMs }
  }
  return { id, token, ...ending, ...(ranMs === undefined ? {} : { ranMs }) }
}

/** Where in an attempt something was thrown. */
export type Phase = 'input' | 'handler' | 'output'

const ENDS_INPUT: { readonly [code: string]: Reason } = {
  PAYLOAD_UNREADABLE: 'unreadable',
  INPUT_INVALID: 'non-retryable',
}
const ENDS_OUTPUT: { readonly [code: string]: Reason } = {
  OUTPUT_INVALID: 'non-retryable',
  NOT_JSON: 'non-retryable',
  PAYLOAD_TOO_LARGE: 'non-retryable',
}

/** The end of an attempt that threw. */
export function failureEnding(job: ReservedJob, policy: RetryPolicy, thrown: unknown, phase: Phase): Ending {
  const code = codeOf(thrown) ?? ''
  if (phase === 'handler') return handlerEnding(job, policy, thrown, code)
  const ends = phase === 'input' ? ENDS_INPUT : ENDS_OUTPUT
  const reason = Object.hasOwn(ends, code) ? ends[code] : undefined
  if (reason !== undefined) return { kind: 'failed', reason, error: storedError(thrown) }
  return retryEnding(job, policy, thrown, undefined)
}

function handlerEnding(job: ReservedJob, policy: RetryPolicy, thrown: unknown, code: string): Ending {
  if (code === 'NON_RETRYABLE') return { kind: 'failed', reason: 'non-retryable', error: storedError(thrown) }
  if (code === 'RETRY_AFTER') return retryEnding(job, policy, thrown, delayOf(thrown))
  if (code === 'SNOOZE') {
    const delayMs = delayOf(thrown)
    if (delayMs !== undefined) return { kind: 'snoozed', delayMs }
  }
  return retryEnding(job, policy, thrown, undefined)
}

function retryEnding(
  job: ReservedJob,
  policy: RetryPolicy,
  thrown: unknown,
  delayMs: number | undefined,
): Ending {
  const error = storedError(thrown)
  const failures = job.failures + 1
  if (!mayRetry(policy, failures, job.crashes)) return { kind: 'failed', reason: 'attempts-exhausted', error }
  return { kind: 'retry', delayMs: delayMs ?? retryDelayMs(policy, failures), error }
}

/** The delay that a control error names; undefined where it is no duration: the back-off decides then. */
function delayOf(thrown: unknown): number | undefined {
  try {
    return durationMs((thrown as { readonly delay: number | string }).delay, 'delay')
  } catch {
    return undefined
  }
}

/**
 * The end of an attempt whose handler was told to stop and did not return a value.
 *
 * @param thrown what the handler threw since; absent where it never answered and was given up
 */
export function abortedEnding(
  job: ReservedJob,
  policy: RetryPolicy,
  aborted: OffstageError,
  thrown?: { readonly error: unknown },
): Ending {
  if (aborted.code === 'JOB_CANCELLED') return CANCELLED
  const code = codeOf(thrown?.error) ?? ''
  if (code === 'NON_RETRYABLE' || code === 'RETRY_AFTER' || code === 'SNOOZE') {
    return handlerEnding(job, policy, thrown?.error, code)
  }
  if (aborted.code !== 'ATTEMPT_TIMEOUT') return RELEASED
  const error =
    thrown === undefined || thrown.error === aborted
      ? aborted
      : new OffstageError('ATTEMPT_TIMEOUT', aborted.message, { cause: thrown.error })
  return retryEnding(job, policy, error, undefined)
}
