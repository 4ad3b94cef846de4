// What this worker holds: one claim a leased job, from the answer of reserve to the answer of settle.
import type { LeaseRef, Reserved, ReservedJob } from '../broker/message.ts'
import type { Success } from '../broker/transacting.ts'
import type { AttemptMessage } from '../runtime/channels.ts'

/**
 * - `waiting`: prefetched, not started
 * - `running`: in a slot
 * - `ended`: its outcome is on its way to the broker
 */
export type ClaimState = 'waiting' | 'running' | 'ended'

/** What `ctx.complete` has recorded. */
export interface Completed {
  readonly success: Success
  /** What it was given, and has answered. */
  readonly value: unknown
}

export class Claim implements LeaseRef {
  readonly id: string
  readonly token: number
  readonly job: ReservedJob
  /** Broker time of the claim. */
  readonly claimedAt: number
  /** The broker knows that it started, so that its death would be told from that of a bystander. */
  recorded: boolean
  /** Monotonic: the lease may have ended by then. Counted from before the trip, so it errs on the early side. */
  leaseEnds: number
  state: ClaimState = 'waiting'
  /** The broker said that it is somebody else's by now. */
  lost = false
  /** It got a slot. */
  started = false
  /** Handler's notes that the broker has not yet seen; the outcome waits for them. */
  notes = 0
  /** Its success was recorded in a transaction of the handler's own, which may yet be rolled back. */
  completed: Completed | undefined = undefined
  /** While that is under way. Never rejects. */
  completing: Promise<unknown> | undefined = undefined
  /** What the attempt came to beside that, where it was not a success. */
  overruled: string | undefined = undefined
  /** Monotonic: when its outcome was first refused a trip. */
  triedAt: number | undefined = undefined

  constructor(job: ReservedJob, claimedAt: number, recorded: boolean, leaseEnds: number) {
    this.id = job.id
    this.token = job.token
    this.job = job
    this.claimedAt = claimedAt
    this.recorded = recorded
    this.leaseEnds = leaseEnds
  }

  /** 1 for the first. A counted crash is an attempt like any other. */
  get attempt(): number {
    return this.job.failures + this.job.crashes + 1
  }

  message(worker: string): AttemptMessage {
    const { id, task, queue, token } = this.job
    return { id, task, queue, attempt: this.attempt, token, worker }
  }
}

/** All claims of a worker. A lost job may come back under a new token while the old attempt still runs: two claims. */
export class Claims {
  readonly #held = new Set<Claim>()
  #suspects = 0

  get size(): number {
    return this.#held.size
  }

  /** Suspects whose outcome the broker has not confirmed. At most one, since no other is asked for meanwhile. */
  get suspects(): number {
    return this.#suspects
  }

  /**
   * @param starting how many of them the broker recorded as started
   * @param leaseEnds monotonic
   */
  add(reserved: Reserved, starting: number, leaseEnds: number): Claim[] {
    return reserved.jobs.map((job, i) => {
      const claim = new Claim(job, reserved.now, i < starting || job.suspect, leaseEnds)
      this.#held.add(claim)
      if (job.suspect) this.#suspects += 1
      return claim
    })
  }

  delete(claim: Claim): void {
    if (this.#held.delete(claim) && claim.job.suspect) this.#suspects -= 1
  }

  [Symbol.iterator](): IterableIterator<Claim> {
    return this.#held.values()
  }
}
