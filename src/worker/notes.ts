// Progress and log lines of running attempts, gathered and written in the background. A handler never waits for them;
// an outcome does, for a moment, since after it the broker refuses the attempt's notes.
import type { LogLevel, Note } from '../broker/records.ts'
import { hasCode } from '../errors/error.ts'
import type { Payload } from '../job/record.ts'
import { storedError } from '../job/stored-error.ts'
import { sleep, type Timer } from '../runtime/clock.ts'
import type { Claim } from './claims.ts'
import { backoffMs, type WorkerEnv } from './env.ts'

/** The shortest time from one trip to the next, unless an outcome waits. */
const GATHER_MS = 50
const MAX_TRIP = 1_000
/** Lines that wait for a trip; beyond it the oldest are dropped. */
const MAX_LINES = 5_000
const MAX_TRIES = 3

interface Line {
  readonly claim: Claim
  readonly level: LogLevel
  readonly text: string
}

export class Notes {
  readonly #env: WorkerEnv
  readonly #progress = new Map<Claim, Payload>()
  #lines: Line[] = []
  readonly #waiters = new Map<Claim, () => void>()
  #underWay = false
  #planned = false
  #timer: Timer | undefined
  #lastTripAt = Number.NEGATIVE_INFINITY
  #unsupported = false

  constructor(env: WorkerEnv) {
    this.#env = env
  }

  /** The latest progress of a job wins. */
  progress(claim: Claim, value: Payload): void {
    if (!this.#progress.has(claim)) claim.notes += 1
    this.#progress.set(claim, value)
    this.#plan()
  }

  log(claim: Claim, level: LogLevel, text: string): void {
    claim.notes += 1
    this.#lines.push({ claim, level, text })
    if (this.#lines.length > MAX_LINES) this.#dropOldest()
    this.#plan()
  }

  /** Resolves when the notes of a claim are written, or given up. */
  written(claim: Claim): Promise<void> {
    if (claim.notes === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.#waiters.get(claim)
      this.#waiters.set(claim, () => {
        before?.()
        resolve()
      })
      this.#plan()
    })
  }

  /** Ends the pause before the next trip; nothing is planned after it. For the end of a worker. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #plan(): void {
    if (this.#underWay || this.#planned) return
    const pauseMs = this.#lastTripAt + GATHER_MS - this.#env.clock.monotonic()
    if (pauseMs > 0 && this.#waiters.size === 0) {
      this.#timer ??= this.#env.clock.schedule(pauseMs, () => this.#leave())
      return
    }
    this.#planned = true
    setImmediate(() => this.#leave())
  }

  #leave(): void {
    this.#planned = false
    this.stop()
    if (!this.#underWay) void this.#trip()
  }

  async #trip(): Promise<void> {
    const [claims, notes] = this.#load()
    if (notes.length === 0) return
    this.#underWay = true
    await this.#write(notes)
    this.#underWay = false
    this.#lastTripAt = this.#env.clock.monotonic()
    for (const claim of claims) this.#done(claim)
    if (this.#lines.length > 0 || this.#progress.size > 0) this.#plan()
  }

  #load(): [Claim[], Note[]] {
    const claims: Claim[] = []
    const notes: Note[] = []
    for (const { claim, level, text } of this.#lines.splice(0, MAX_TRIP)) {
      claims.push(claim)
      notes.push({ kind: 'log', id: claim.id, token: claim.token, level, text })
    }
    for (const [claim, value] of this.#progress) {
      if (notes.length >= MAX_TRIP) break
      this.#progress.delete(claim)
      claims.push(claim)
      notes.push({ kind: 'progress', id: claim.id, token: claim.token, value })
    }
    return [claims, notes]
  }

  async #write(notes: readonly Note[]): Promise<void> {
    for (let tries = 1; !this.#unsupported; tries += 1) {
      try {
        await this.#env.broker.write(notes)
        return
      } catch (error) {
        this.#unsupported = hasCode(error, 'BROKER_UNSUPPORTED')
        if (this.#unsupported || tries === MAX_TRIES) {
          this.#env.logger.warn(
            { error: storedError(error), notes: notes.length },
            this.#unsupported
              ? 'this broker keeps no progress and no logs'
              : 'progress and log lines were lost',
          )
          return
        }
        await sleep(this.#env.clock, backoffMs(tries, 1_000))
      }
    }
  }

  #done(claim: Claim): void {
    claim.notes -= 1
    if (claim.notes > 0) return
    this.#waiters.get(claim)?.()
    this.#waiters.delete(claim)
  }

  #dropOldest(): void {
    const dropped = this.#lines.splice(0, MAX_TRIP)
    for (const { claim } of dropped) this.#done(claim)
    this.#env.logger.warn(
      { dropped: dropped.length },
      'jobs log faster than the broker takes; the oldest lines were dropped',
    )
  }
}
