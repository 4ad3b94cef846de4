// What is known of a job and of its claims, by the ledger.
import type { Outcome, ReservedJob } from '../../src/broker/contract.ts'
import type { JobSpec } from '../../src/job/record.ts'
import type { JobState } from '../../src/job/states.ts'

/** One claim of a job, by the token that it was given. */
export interface Claimed {
  readonly job: ReservedJob
  readonly worker: string
  /** Broker time. */
  until: number
  started: boolean
  /** Settled, or another claim came after it. */
  over: boolean
  /** The outcome that was recorded. */
  settled: Outcome['kind'] | undefined
  run: Run | undefined
}

/** What its handler did. */
export interface Run {
  readonly claimed: Claimed
  /** Virtual time. */
  readonly at: number
  end: 'returned' | 'threw' | undefined
  value: unknown
  /** The code of the error that its signal was aborted with. */
  aborted: string | undefined
}

export interface Known {
  readonly spec: JobSpec
  /** The broker has taken it in. */
  stored: boolean
  /** By the broker's events. */
  state: JobState
  /** Broker time before which it must not run. */
  dueAt: number
  expiresAt: number
  holder: Claimed | undefined
  /** The token of the last outcome that was recorded. */
  settled: number | undefined
  failures: number
  crashes: number
  suspect: boolean
  begun: boolean
  cancelling: boolean
  holdsKey: boolean
  /** A person runs it again. */
  reviving: boolean
  removed: boolean
  /** It has ended once, and so has succeeded once: what waits for that may run, whatever follows. */
  wasEnded: boolean
  wasSucceeded: boolean
  /** How it has to have ended, by what was accepted. */
  ending: JobState | undefined
}

/** Its record is not kept any more: who asks for it again gets another job of the same id. */
export function isGone({ spec, stored, removed, state }: Known): boolean {
  return stored && (removed || (state === 'succeeded' && spec.retention.succeededMs === 0))
}

export function newJob(spec: JobSpec): Known {
  return {
    spec,
    stored: false,
    state: 'blocked',
    dueAt: Number.POSITIVE_INFINITY,
    expiresAt: Number.POSITIVE_INFINITY,
    holder: undefined,
    settled: undefined,
    failures: 0,
    crashes: 0,
    suspect: false,
    begun: false,
    cancelling: false,
    holdsKey: false,
    reviving: false,
    removed: false,
    wasEnded: false,
    wasSucceeded: false,
    ending: undefined,
  }
}
