// The places where attempts run, and the short line of claimed jobs that wait for one. Attempts are begun in chunks of
// a few milliseconds with a turn of the event loop between them, so that thousands of quick handlers do not hold it.
import type { Timer } from '../runtime/clock.ts'
import type { RunnableTask } from '../task/runnable.ts'
import { Attempt } from './attempt.ts'
import type { Claim } from './claims.ts'
import type { WorkerEnv } from './env.ts'
import type { Pace } from './pace.ts'

const CHUNK_MS = 5
/** Prefetched jobs of which none has started for so long are given back: long attempts hold all slots. */
const STALLED_MS = 500

export interface SlotsPorts {
  readonly execute: (attempt: Attempt) => void
  /** Gives an unstarted job back. */
  readonly giveBack: (claim: Claim) => void
  /** The loop is about to turn: what ended since the last time can leave. */
  readonly onChunk: () => void
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
  #stallTimer: Timer | undefined
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

  /** Adds claimed jobs to the line; `fill` starts them. */
  offer(claims: readonly Claim[]): void {
    if (this.#closed) for (const claim of claims) this.#ports.giveBack(claim)
    else {
      // A new line, since the old one still holds what has left it.
      this.#waiting = [...this.#waiting.slice(this.#head), ...claims]
      this.#head = 0
    }
  }

  /** Starts what there is room for. */
  fill(): void {
    if (this.#starting) return
    this.#starting = true
    while (this.waiting > 0 && this.running.size < this.#env.settings.concurrency) {
      const now = this.#env.clock.monotonic()
      if (!this.#inChunk(now)) break
      this.#start(this.#next(), now)
    }
    this.#starting = false
    if (this.waiting > 0) this.#watchForStall()
  }

  /** The slot of an attempt is free again. */
  freed(attempt: Attempt, heldMs: number): void {
    this.running.delete(attempt)
    this.#pace.ended(heldMs)
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
    this.#stallTimer?.cancel()
    this.#giveBackAll()
  }

  /** Resolves when nothing runs. After `close` only: until then something may start again. */
  idle(): Promise<void> {
    if (this.running.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #next(): Claim {
    const claim = this.#waiting[this.#head] as Claim
    this.#head += 1
    return claim
  }

  #start(claim: Claim, now: number): void {
    // The loop may have been blocked since the claim: a job whose lease may be over is somebody else's by now.
    if (now >= claim.leaseEnds) {
      this.#ports.giveBack(claim)
      return
    }
    claim.state = 'running'
    claim.started = true
    const attempt = new Attempt(claim, this.#tasks.get(claim.job.task), now)
    this.running.add(attempt)
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

  #watchForStall(): void {
    if (this.#stallTimer !== undefined || this.#closed) return
    const head = this.#waiting[this.#head]
    this.#stallTimer = this.#env.clock.schedule(STALLED_MS, () => {
      this.#stallTimer = undefined
      if (this.waiting === 0) return
      if (this.#waiting[this.#head] !== head) return this.#watchForStall()
      this.#pace.stalled()
      this.#giveBackAll()
    })
  }

  #giveBackAll(): void {
    const claims = this.#waiting.slice(this.#head)
    this.#waiting = []
    this.#head = 0
    for (const claim of claims) this.#ports.giveBack(claim)
  }
}
