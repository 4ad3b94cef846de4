// The message half of the contract: what every broker has. It moves jobs; it does not answer questions about them.
//
// Calls carry batches. A trip is not a transaction: each group of an enqueue and each outcome of a settle is atomic
// and answered by itself. All times are broker time. Every call may be repeated after a lost reply; what a repeat
// does is said at each. A call rejects with a coded OffstageError (BROKER_*, STORE_*) and never with a partial answer;
// after a rejection the caller does not know whether the trip took place, and repeats it.
import type { JobSpec, Payload, RetryPolicy, StoredError } from '../job/record.ts'
import type { Reason } from '../job/states.ts'

// ── enqueue ──────────────────────────────────────────────────────────────────────────────────────────────────────

export type EnqueuedJob =
  | { readonly status: 'enqueued'; readonly id: string }
  /** `id` is the job that is there already: the same id, or the holder of the unique key. */
  | { readonly status: 'duplicate'; readonly id: string; readonly by: 'id' | 'unique' }

export type GroupAnswer =
  | { readonly ok: true; readonly jobs: readonly EnqueuedJob[] }
  /** Nothing of the group was stored. `id` is the job at fault. */
  | {
      readonly ok: false
      readonly code: 'ID_TAKEN' | 'DEPENDENCY_MISSING' | 'SHARD_MISMATCH'
      readonly id: string
      readonly message: string
    }
  /**
   * As if the call had been rejected for this group alone: its shard did not answer, while others can. Only from a
   * broker with shards; the caller repeats the group.
   */
  | {
      readonly ok: false
      readonly code: 'BROKER_UNAVAILABLE'
      readonly id: string
      readonly message: string
    }

// ── reserve ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface ReserveRequest {
  /** Tried in this order: the first queue with work is drained first. The worker decides whether to rotate them. */
  readonly queues: readonly string[]
  /** The most jobs to claim. */
  readonly max: number
  readonly leaseMs: number
  /** The id of the worker (unique a process and start). */
  readonly worker: string
  /**
   * The first so many of the answered jobs are recorded as started by the claim itself, since the worker has free
   * slots for them. The rest are prefetched: they become suspects only once `extend` or `settle` said they started.
   */
  readonly starting: number
  /**
   * How many suspects may be among them: 1 when the worker holds none, else 0. The start of a suspect is not recorded by
   * the claim, but by `extend`, just before it runs: until then it cannot have killed anybody.
   */
  readonly suspects: 0 | 1
}

/** A claimed job: what a worker needs to run it, and no more. */
export interface ReservedJob {
  readonly id: string
  /** The record version it was written with. */
  readonly version: number
  readonly task: string
  readonly queue: string
  readonly partition?: string | undefined
  readonly priority: number
  readonly input: Payload
  /** Fencing token. */
  readonly token: number
  readonly failures: number
  readonly crashes: number
  readonly suspect: boolean
  readonly createdAt: number
  readonly runAt?: number | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
  readonly tags?: readonly string[] | undefined
  readonly retry?: RetryPolicy | undefined
  readonly timeoutMs?: number | undefined
  readonly workflow?: string | undefined
  readonly node?: string | undefined
  /** The last progress that an earlier attempt wrote. */
  readonly progress?: Payload | undefined
  /** Since when workers have been putting it back because they did not know its task or version. */
  readonly unknownSince?: number | undefined
}

export interface Reserved {
  readonly jobs: readonly ReservedJob[]
  /** Milliseconds until something of these queues falls due (a delay, a retry, room in a rate); absent when nothing will. */
  readonly nextDueInMs?: number | undefined
  /** Broker time of the claim; leases end at `now + leaseMs`. */
  readonly now: number
}

// ── settle ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A claim, named by job and token. */
export interface LeaseRef {
  readonly id: string
  readonly token: number
}

interface OutcomeBase extends LeaseRef {
  /** How long the attempt ran by the worker's monotonic clock; absent when it never started. */
  readonly ranMs?: number | undefined
}

export type Outcome =
  | (OutcomeBase & { readonly kind: 'succeeded'; readonly result: Payload })
  /** The attempt failed and is tried again: counts a failure, and stands at the end of its lane when due. */
  | (OutcomeBase & { readonly kind: 'retry'; readonly delayMs: number; readonly error: StoredError })
  /** Dead letter. Counts a failure where the attempt itself failed (`attempts-exhausted`, `non-retryable`). */
  | (OutcomeBase & { readonly kind: 'failed'; readonly reason: Reason; readonly error: StoredError })
  /** Given back: keeps its place in line, counts nothing, is no suspect. */
  | (OutcomeBase & { readonly kind: 'released' })
  /** Not now, by the handler: runs again after the delay, counts nothing. */
  | (OutcomeBase & { readonly kind: 'snoozed'; readonly delayMs: number })
  /** This worker knows not its task or version: put back with a delay, counts nothing, remembers since when. */
  | (OutcomeBase & { readonly kind: 'unknown'; readonly delayMs: number; readonly error: StoredError })
  /** The handler obeyed a cancel. */
  | (OutcomeBase & { readonly kind: 'cancelled' })

/**
 * `lost`: the token is not the job's any more. Nothing was changed.
 * `away`: as if the call had been rejected for this one alone: the shard of the job did not answer, while others can.
 * Only from a broker with shards; the caller repeats the outcome.
 */
export type SettleAnswer = 'ok' | 'lost' | 'away'

export interface SettleRequest {
  readonly outcomes: readonly Outcome[]
  /** Prefetched jobs that have started since the last call. An old token is ignored. */
  readonly started?: readonly LeaseRef[] | undefined
  /** Reserves the following jobs in the same trip, after the outcomes. */
  readonly next?: ReserveRequest | undefined
}

export interface Settled {
  /** One for each outcome, in order. */
  readonly answers: readonly SettleAnswer[]
  /** Present where `next` was asked for. A broker with shards leaves it out where none could be asked: claim again. */
  readonly next?: Reserved | undefined
}

// ── extend, wake, maintain ───────────────────────────────────────────────────────────────────────────────────────

export interface HeldLease extends LeaseRef {
  /** The worker has started it. Once true, always true for a claim. */
  readonly started: boolean
}

/** `cancelling`: extended, and somebody asked for a cancel: abort the handler and settle. `away`: as for settle. */
export type ExtendAnswer = 'ok' | 'lost' | 'cancelling' | 'away'

export interface MaintainReport {
  /** How many jobs each part moved. */
  readonly promoted: number
  readonly reclaimed: number
  readonly expired: number
  readonly pruned: number
  readonly spread: number
  /** True where a bound was reached: call again soon. */
  readonly more: boolean
  /** Milliseconds until there is something to do; absent when nothing is known. */
  readonly nextDueInMs?: number | undefined
}

export interface MessageHalf {
  /**
   * Stores jobs.
   *
   * Called by: client (through a batcher), schedules, workflows. Atomic: each group, all or none; a group sees the
   * groups before it. Repeatable: a job whose id is there already with the same task is answered `duplicate` by `id`
   * and is not changed; with another task its group is refused with ID_TAKEN. A unique key that is held answers
   * `duplicate` by `unique`, or replaces, as the spec says. Cost: O(jobs), whatever is waiting.
   * Durable as the broker's setting says once it resolves (law 1).
   */
  enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]>

  /**
   * Claims ready jobs: state, lease and token in one atomic step. Promotes what is due first (bounded), skips paused
   * queues and lanes without room, lets the partitions of a queue take turns, and inside a lane goes by priority, then
   * first in, first out. Expired jobs are cancelled instead of claimed.
   *
   * Called by: the worker's fetcher. Answers no jobs when nothing is ready; never waits. Repeatable: a claim whose reply
   * was lost comes back when its lease ends. Cost: O(max + queues), whatever is waiting (laws 10 and 13).
   */
  reserve(request: ReserveRequest): Promise<Reserved>

  /**
   * Records what became of claimed jobs, and claims the next.
   *
   * Called by: the worker's settler. Atomic: each outcome by itself, with all that follows from it (slots, unique key,
   * counters, up to 100 dependents; the rest by `maintain`). Answers `lost` where the token is not the job's live one.
   * Repeatable: an outcome that was recorded with the same token answers `ok` again and changes nothing, also after the
   * record is gone (tombstone); another kind of outcome with that token is `lost`. While a cancel is asked for,
   * `succeeded` stands, and every other outcome becomes `cancelled`. Cost: O(outcomes).
   */
  settle(request: SettleRequest): Promise<Settled>

  /**
   * Makes leases end at now + leaseMs and records which have started. One answer for each, in order. Never shortens.
   *
   * Called by: the worker's keeper, and by the executor before it runs a suspect. Repeatable. Cost: O(leases).
   */
  extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]>

  /**
   * Resolves when there may be work in these queues, something fell due earlier than known, or a claim of this process
   * is being cancelled; and when the signal aborts. A hint: it may come for nothing, and may be missed; callers poll
   * beneath it. Never rejects: on a closed broker it resolves at once.
   *
   * Called by: the worker's fetcher while idle. Cost: nothing while it waits.
   */
  wake(queues: readonly string[], signal: AbortSignal): Promise<void>

  /**
   * One bounded step of upkeep: promotes what is due, returns what lost its worker, spreads what followed from an
   * outcome, expires, prunes. Works job by job: one bad row does not stop the others.
   *
   * Called by: any worker at any time; correctness needs no leader. Cost: at most 500 jobs of each kind a call.
   */
  maintain(): Promise<MaintainReport>
}
