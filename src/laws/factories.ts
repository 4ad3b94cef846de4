// Fills in what a case does not care about: specs, requests, outcomes.
import type { LeaseRef, Outcome, ReserveRequest, Success } from '../broker/contract.ts'
import { encodeJson } from '../job/codec.ts'
import { defaultMaxCrashes, defaultPriority, defaultRetention } from '../job/defaults.ts'
import { newId } from '../job/ids.ts'
import type { JobSpec, Payload, StoredError, UniqueKey } from '../job/record.ts'
import type { Reason } from '../job/states.ts'

/** The queue and the task of everything that names no other. */
export const QUEUE = 'line'
export const TASK = 'work'

/** For claims whose end is no matter of the case: long enough for the slowest machine. */
export const LONG_LEASE_MS = 60_000
/** For claims that are meant to end. */
export const SHORT_LEASE_MS = 200

export function spec(fields: Partial<JobSpec> = {}): JobSpec {
  return {
    id: newId(),
    task: TASK,
    queue: QUEUE,
    priority: defaultPriority,
    input: json({ to: 'ada' }),
    retention: defaultRetention,
    maxCrashes: defaultMaxCrashes,
    ...fields,
  }
}

/** `count` specs with the ids `prefix-0`, `prefix-1`, … */
export function specs(count: number, prefix: string, fields: Partial<JobSpec> = {}): JobSpec[] {
  return Array.from({ length: count }, (_, index) => spec({ id: `${prefix}-${index}`, ...fields }))
}

export function unique(key: string, fields: Partial<UniqueKey> = {}): UniqueKey {
  return { key, during: 'unfinished', onConflict: 'keep', ...fields }
}

export function request(fields: Partial<ReserveRequest> = {}): ReserveRequest {
  const max = fields.max ?? 1
  return {
    queues: [QUEUE],
    max,
    leaseMs: LONG_LEASE_MS,
    worker: 'worker-1',
    starting: max,
    suspects: 1,
    ...fields,
  }
}

export function json(value: unknown): Payload {
  return encodeJson(value)
}

export function error(message = 'it broke'): StoredError {
  return { name: 'Error', message, fingerprint: 'f00d' }
}

const ref = ({ id, token }: LeaseRef): LeaseRef => ({ id, token })

export function succeeded(lease: LeaseRef, result: unknown = 'done'): Success {
  return { ...ref(lease), kind: 'succeeded', result: json(result), ranMs: 1 }
}

export function retry(lease: LeaseRef, delayMs = 0): Outcome {
  return { ...ref(lease), kind: 'retry', delayMs, error: error(), ranMs: 1 }
}

export function failed(lease: LeaseRef, reason: Reason = 'non-retryable'): Outcome {
  return { ...ref(lease), kind: 'failed', reason, error: error(), ranMs: 1 }
}

export function released(lease: LeaseRef): Outcome {
  return { ...ref(lease), kind: 'released' }
}

export function snoozed(lease: LeaseRef, delayMs = 0): Outcome {
  return { ...ref(lease), kind: 'snoozed', delayMs, ranMs: 1 }
}

export function unknown(lease: LeaseRef, delayMs = 0): Outcome {
  return { ...ref(lease), kind: 'unknown', delayMs, error: error('no such task here') }
}

export function cancelled(lease: LeaseRef): Outcome {
  return { ...ref(lease), kind: 'cancelled', ranMs: 1 }
}

/** One outcome of each kind for the same lease. */
export function everyOutcome(lease: LeaseRef): Outcome[] {
  return [
    succeeded(lease),
    retry(lease),
    failed(lease),
    released(lease),
    snoozed(lease),
    unknown(lease),
    cancelled(lease),
  ]
}
