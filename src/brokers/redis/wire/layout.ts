// The numbers that stand for names in packed values, as `lua/lib-record.lua` has them.
import type { Outcome } from '../../../broker/contract.ts'
import type { AttemptRecord } from '../../../job/record.ts'
import { type JobState, jobStates, type Reason, reasons } from '../../../job/states.ts'

/** What a job was asked to be: flags of its first packed value, and of a call to enqueue. */
export const SPEC_FLAG = {
  runAt: 1,
  expires: 2,
  versioned: 4,
  partition: 8,
  links: 16,
  rare: 32,
  /** Of a call only: `due` is a delay. */
  delay: 256,
  /** Of a call only: the unique key is taken from a job that waits. */
  replaces: 512,
} as const

/** What became of it: flags of its second packed value. */
export const LIVE_FLAG = { suspect: 2, cancelling: 4, started: 16 } as const

export const outcomeKinds: readonly AttemptRecord['outcome'][] = [
  'succeeded',
  'retry',
  'failed',
  'released',
  'snoozed',
  'unknown',
  'cancelled',
  'crashed',
]

export function outcomeNumber(kind: Outcome['kind']): number {
  return outcomeKinds.indexOf(kind) + 1
}

export function stateName(number: number): JobState {
  return jobStates[number - 1] ?? 'ready'
}

export function stateNumber(state: JobState): number {
  return jobStates.indexOf(state) + 1
}

export function reasonName(number: number): Reason | undefined {
  return reasons[number - 1]
}

export function reasonNumber(reason: Reason): number {
  return reasons.indexOf(reason) + 1
}
