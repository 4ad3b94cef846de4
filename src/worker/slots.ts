// The places where attempts run, and the short line of claimed jobs that wait for one. Attempts are begun in chunks of
// a few milliseconds with a turn of the event loop between them, so that thousands of quick handlers do not hold it.
import type { Timer } from '../runtime/clock.ts'
import type { RunnableTask } from '../task/runnable.ts'
import { Attempt } from './attempt.ts'
import type { Claim } from './claims.ts'
import type { WorkerEnv } from './env.ts'
import { HORIZON_MS, type Pace } from './pace.ts'
import { Quarantine } from './quarantine.ts'

const CHUNK_MS = 5

export interface SlotsPorts {
  readonly execute: (attempt: Attempt) => void
  /** Gives an unstarted job back. */
  readonly giveBack: (claim: Claim) => void
  /** The loop is about to turn: what ended since the last time can leave. */
  readonly onChunk: () => void
  /** Nothing starts any more. */
  readonly onClose: () => void
}

export class Slots {
  readonly #env: WorkerEnv
  readonly #tasks: ReadonlyMap<string, RunnableTask>
  readonly #pace: Pace
  readonly #ports: SlotsPorts
  readonly running: Set<Attempt> = new Set()
  #waiting: Claim[] = []
  /** Waiting claims before this index have left the line. */
  #head = 0
  #chunkEndsAt: number | undefined
  #starting = false
  #closed = false
  #review: Timer | undefined
  readonly #quarantine = new Quarantine()
  #parting: Timer | undefined
  #idle: (() => void)[] = []

  constructor(env: WorkerEnv, tasks: ReadonlyMap<string, RunnableTask>, pace: Pace, ports: SlotsPorts) {
    this.#env = env
    this.#tasks = tasks
    this.#pace = pace
    this.#ports = ports
  }

  /** Claimed jobs that have not started. */
  get waiting(): number {
    return this.#waiting.length - this.#head
  }

  /** How many claimed jobs to hold beyond the slots. */
  ahead(): number {
    const { clock, concurrency } = this.#env
    return this.#pace.ahead(this.running, concurrency.now, clock.monotonic())
  }

  /** Adds claimed jobs to the line; `fill` starts them. */
  offer(claims: readonly Claim[]): void {
    if (this.#closed) this.refuse(claims)
    else {
      // A new line, since the old one still holds what has left it.
      this.#waiting = [...this.#waiting.slice(this.#head), ...claims]
      this.#head = 0
    }
  }

  /** Gives claimed jobs back at once. */
  refuse(claims: readonly Claim[]): void {
    for (const claim of claims) this.#ports.giveBack(claim)
  }

  /** Starts what there is room for. */
  fill(): void {
    if (this.#starting) return
    this.#starting = true
    while (this.waiting > 0 && this.running.size < this.#env.concurrency.now) {
      const now = this.#env.clock.monotonic()
      // In this order: a chunk that starts nothing would follow itself with every turn of the loop.
      if (this.#mustWait(now) || !this.#inChunk(now)) break
      this.#start(this.#next(), now)
    }
    this.#starting = false
    if (this.waiting > 0) this.#planReview()
  }

  /** The slot of an attempt is free again. */
  freed(attempt: Attempt, heldMs: number): void {
    this.running.delete(attempt)
    this.#pace.ended(attempt.job.task, heldMs)
    if (this.waiting > 0) this.fill()
    else if (this.running.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** A claim that was lost or cancelled before it started leaves the line. */
  drop(claim: Claim): void {
    const index = this.#waiting.indexOf(claim, this.#head)
    if (index !== -1) this.#waiting.splice(index, 1)
  }

  /** Nothing starts any more; what waits is given back. */
  close(): void {
    this.#closed = true
    this.#review?.cancel()
    this.#parting?.cancel()
    this.#giveBack(this.waiting)
    this.#ports.onClose()
  }

  /** Resolves when nothing runs. After `close` only: until then something may start again. */
  idle(): Promise<void> {
    if (this.running.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Whether the first of the line has to wait, since it runs apart or another does; `fill` goes on when that is over. */
  #mustWait(now: number): boolean {
    const { job } = this.#waiting[this.#head] as Claim
    const task = job.suspect ? this.#tasks.get(job.task) : undefined
    const waitMs = this.#quarantine.waitMs(job, task, this.running, now)
    if (waitMs === 0) return false
    this.#parting ??= this.#env.clock.schedule(waitMs, () => {
      this.#parting = undefined
      this.fill()
    })
    return true
  }

  #next(): Claim {
    const claim = this.#waiting[this.#head] as Claim
    this.#head += 1
    return claim
  }

  #start(claim: Claim, now: number): void {
    // The loop may have been blocked since the claim: a job whose lease may be over, or that the keeper has given back,
    // is somebody else's by now.
    if (now >= claim.leaseEnds(now) || !claim.start()) {
      this.#ports.giveBack(claim)
      return
    }
    const attempt = new Attempt(claim, this.#tasks.get(claim.job.task), now)
    this.running.add(attempt)
    this.#pace.started(now)
    this.#quarantine.started(attempt)
    this.#ports.execute(attempt)
  }

  /** False when the time of this chunk is over: `fill` goes on after a turn of the loop. */
  #inChunk(now: number): boolean {
    if (this.#chunkEndsAt === undefined) {
      this.#chunkEndsAt = now + CHUNK_MS
      setImmediate(() => {
        this.#chunkEndsAt = undefined
        this.#ports.onChunk()
        this.fill()
      })
    }
    return now < this.#chunkEndsAt
  }

  /**
   * Long attempts may have taken the slots since: what waits beyond the free ones and twice what has started lately goes
   * back, so that another worker may start it.
   */
  #planReview(): void {
    if (this.#review !== undefined || this.#closed) return
    const { clock } = this.#env
    const dueAt = clock.monotonic() + HORIZON_MS
    this.#review = clock.schedule(HORIZON_MS, () => {
      // Where the loop was held, nothing could start: that says nothing of the slots.
      const late = clock.monotonic() - dueAt > HORIZON_MS / 2
      // After a turn: what is due with this timer ends first.
      setImmediate(() => {
        this.#review = undefined
        if (!late && !this.#closed) this.#giveBack(this.#spare())
        if (this.waiting > 0) this.#planReview()
      })
    })
  }

  #spare(): number {
    const { clock, concurrency } = this.#env
    const free = Math.max(0, concurrency.now - this.running.size)
    return Math.max(0, this.waiting - free - 2 * this.#pace.startedLately(clock.monotonic()))
  }

  /** Gives back so many from the end of the line. */
  #giveBack(count: number): void {
    if (count === 0) return
    this.refuse(this.#waiting.splice(this.#waiting.length - count))
  }
}
