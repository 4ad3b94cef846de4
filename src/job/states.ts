// The states of a job and the moves between them: the one table that the brokers, their constraints and the
// diagram in the docs come from.

export const jobStates = [
  'blocked',
  'scheduled',
  'ready',
  'active',
  'succeeded',
  'failed',
  'cancelled',
] as const

/**
 * - `blocked`: waits for other jobs, or for the workflow it is staged in
 * - `scheduled`: waits for a time; a retry waits here too
 * - `ready`: stands in its lane
 * - `active`: leased to a worker
 * - `succeeded`, `failed` (a dead letter), `cancelled`: ended
 */
export type JobState = (typeof jobStates)[number]

export const endedStates = ['succeeded', 'failed', 'cancelled'] as const
export type EndedState = (typeof endedStates)[number]
export const waitingStates = ['blocked', 'scheduled', 'ready'] as const

/** Why a job went where it is. Stored where the state alone does not say it. */
export const reasons = [
  'attempts-exhausted', // failed: its last attempt failed
  'non-retryable', // failed: the handler said that retrying cannot help
  'crashes-exhausted', // failed: it ended its worker too often
  'unreadable', // failed: its bytes do not parse
  'unknown-task', // failed: no worker knew its task or record version for unknownAfter
  'by-request', // cancelled by a person or a program
  'expired', // cancelled: it had not started before its expiry
  'dependency', // cancelled: what it waited for failed or was cancelled
  'replaced', // cancelled: a newer job took its unique key
] as const
export type Reason = (typeof reasons)[number]

export interface Transition {
  readonly from: JobState | 'none'
  readonly to: JobState | 'none'
  /** The contract's call that makes the move. */
  readonly by: string
  readonly when: string
}

export const transitions: readonly Transition[] = [
  { from: 'none', to: 'ready', by: 'enqueue', when: 'it may run at once' },
  { from: 'none', to: 'scheduled', by: 'enqueue', when: 'it has a delay or a time' },
  { from: 'none', to: 'blocked', by: 'enqueue', when: 'it waits for others or is staged' },
  { from: 'none', to: 'cancelled', by: 'enqueue', when: 'what it waits for has failed already' },
  { from: 'blocked', to: 'ready', by: 'settle, maintain', when: 'its last dependency ended well' },
  { from: 'blocked', to: 'scheduled', by: 'settle, maintain', when: 'the same, and its time has not come' },
  {
    from: 'blocked',
    to: 'cancelled',
    by: 'settle, maintain, cancel',
    when: 'a dependency failed, it expired, or it was cancelled',
  },
  {
    from: 'scheduled',
    to: 'ready',
    by: 'reserve, maintain, promote',
    when: 'its time has come, or a person said now',
  },
  { from: 'scheduled', to: 'cancelled', by: 'cancel, maintain', when: 'cancelled or expired' },
  { from: 'ready', to: 'active', by: 'reserve', when: 'a worker claims it' },
  { from: 'ready', to: 'cancelled', by: 'cancel, reserve, maintain', when: 'cancelled or expired' },
  { from: 'active', to: 'succeeded', by: 'settle', when: 'the handler returned' },
  {
    from: 'active',
    to: 'failed',
    by: 'settle, maintain',
    when: 'out of attempts or crashes, or not to be retried',
  },
  {
    from: 'active',
    to: 'cancelled',
    by: 'settle, maintain',
    when: 'a cancel was asked for and the attempt ended otherwise than well',
  },
  { from: 'active', to: 'scheduled', by: 'settle', when: 'it is retried or snoozed' },
  { from: 'active', to: 'ready', by: 'settle, maintain', when: 'it was given back, or its lease ran out' },
  { from: 'failed', to: 'ready', by: 'retry', when: 'a person retries it' },
  { from: 'cancelled', to: 'ready', by: 'retry', when: 'a person retries it' },
  { from: 'succeeded', to: 'none', by: 'maintain, remove', when: 'its retention is over or it is removed' },
  { from: 'failed', to: 'none', by: 'maintain, remove', when: 'its retention is over or it is removed' },
  { from: 'cancelled', to: 'none', by: 'maintain, remove', when: 'its retention is over or it is removed' },
  { from: 'blocked', to: 'none', by: 'remove', when: 'a person removes it' },
  { from: 'scheduled', to: 'none', by: 'remove', when: 'a person removes it' },
  { from: 'ready', to: 'none', by: 'remove', when: 'a person removes it' },
]

export function isEnded(state: JobState): state is EndedState {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled'
}

/** True where the table knows the move. */
export function canMove(from: JobState | 'none', to: JobState | 'none'): boolean {
  return transitions.some((move) => move.from === from && move.to === to)
}
