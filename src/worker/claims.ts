// What this worker holds: one claim a leased job, from the answer of reserve to the answer of settle.
import type { LeaseRef, Reserved, ReservedJob, ReserveRequest } from '../broker/message.ts'
import type { Success } from '../broker/transacting.ts'
import type { AttemptMessage } from '../runtime/channels.ts'
import { processMs } from '../runtime/clock.ts'
import type { Board } from './keeper/board.ts'

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
  #leaseEnds: number
  #state: ClaimState = 'waiting'
  #board: Board | undefined = undefined
  #row = -1
  /** `processMs` from when on it may take how long. */
  #limit: { readonly from: number; readonly ms: number } | undefined = undefined
  /** The broker said that it is somebody else's by now. */
  lost = false
  /** Its outcome was answered, or given up: it is not held any more. */
  over = false
  #begun = false
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
  /** And when it was refused for the first time though others had got through since. */
  refusedAt: number | undefined = undefined

  constructor(job: ReservedJob, claimedAt: number, recorded: boolean, leaseEnds: number) {
    this.id = job.id
    this.token = job.token
    this.job = job
    this.claimedAt = claimedAt
    this.recorded = recorded
    this.#leaseEnds = leaseEnds
  }

  /** It got a slot, or the broker counts it as started already. */
  get started(): boolean {
    return this.#begun || this.recorded
  }

  get state(): ClaimState {
    return this.#state
  }

  /** `running` and then `ended`, or `ended` at once. */
  set state(state: ClaimState) {
    this.#state = state
    if (state === 'ended') this.#board?.end(this.#row)
  }

  /** Takes it for an attempt. False where the keeper has given it back meanwhile, as the loop stood still. */
  start(): boolean {
    if (this.#board !== undefined && !this.#board.start(this.#row)) return false
    this.#state = 'running'
    this.#begun = true
    return true
  }

  /** Monotonic: the lease may have ended by then. Counted from before the trip, so it errs on the early side. */
  leaseEnds(monotonic: number): number {
    if (this.#board === undefined) return this.#leaseEnds
    return Math.max(this.#leaseEnds, this.#board.leaseEnds(this.#row) + monotonic - processMs())
  }

  /** Its lease was renewed. */
  renewed(leaseEnds: number): void {
    this.#leaseEnds = Math.max(this.#leaseEnds, leaseEnds)
  }

  /** Whether the thread of the keeper sees it, and keeps it. */
  get posted(): boolean {
    return this.#board !== undefined
  }

  get row(): number {
    return this.#row
  }

  post(board: Board): void {
    const { id, job, token, state, started } = this
    const row = board.add({ id, task: job.task, token, state, started })
    if (row === -1) return
    this.#board = board
    this.#row = row
    if (this.#limit !== undefined) board.limit(row, this.#limit.from, this.#limit.ms)
  }

  unpost(): void {
    this.#board?.free(this.#row)
    this.#board = undefined
    this.#row = -1
  }

  /** The attempt has that long from now on; the keeper keeps its lease no longer. */
  limit(ms: number): void {
    this.#limit = { from: processMs(), ms }
    this.#board?.limit(this.#row, this.#limit.from, ms)
  }

  /** Calls its handler: what blocks the loop until that has come back is this one. */
  calling<T>(call: () => T): T {
    const board = this.#board
    if (board === undefined) return call()
    board.current = this.#row
    try {
      return call()
    } finally {
      board.current = -1
    }
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
  #board: Board | undefined
  /** The numbers by which the keeper knows claims that are under way. */
  readonly #numbers = new WeakMap<ReserveRequest, { readonly board: Board; readonly number: number }>()

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
      const claim = new Claim(job, reserved.now, i < starting && !job.suspect, leaseEnds)
      this.#held.add(claim)
      if (job.suspect) this.#suspects += 1
      if (this.#board !== undefined) claim.post(this.#board)
      return claim
    })
  }

  /** A claim leaves. */
  asking(request: ReserveRequest): void {
    const board = this.#board
    if (board !== undefined) this.#numbers.set(request, { board, number: board.ask() })
  }

  /** It is over. False where what it has brought is to be given back: the loop has left its answer unread for long. */
  heard(request: ReserveRequest): boolean {
    const asked = this.#numbers.get(request)
    if (asked === undefined) return true
    // A thread that has died meanwhile may have given them back.
    return asked.board.hear(asked.number) && asked.board === this.#board
  }

  delete(claim: Claim): void {
    if (!this.#held.delete(claim)) return
    claim.over = true
    if (claim.job.suspect) this.#suspects -= 1
    claim.unpost()
  }

  /** From now on a thread keeps them, as far as there is room on its board; with undefined it does no more. */
  post(board: Board | undefined): void {
    this.#board = board
    for (const claim of this.#held) {
      claim.unpost()
      if (board !== undefined) claim.post(board)
    }
  }

  /** The claim that has a row, if it still is the one with that serial. */
  at(row: number, serial: number): Claim | undefined {
    if (this.#board?.serialOf(row) !== serial) return undefined
    for (const claim of this.#held) if (claim.row === row) return claim
    return undefined
  }

  [Symbol.iterator](): IterableIterator<Claim> {
    return this.#held.values()
  }
}
