// A clock that stands still until a test moves it.
import { type Clock, systemClock, type Timer } from '../runtime/clock.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'

interface Pending {
  readonly at: number
  /** Timers of one moment run in the order in which they were set. */
  readonly seq: number
  readonly run: () => void
}

export class TestClock implements Clock {
  #elapsedMs = 0
  #seq = 0
  readonly #startedAt: number
  readonly #pending = new Set<Pending>()

  /** @param startAt epoch milliseconds; default the time of the system */
  constructor(startAt: number = systemClock.now()) {
    this.#startedAt = startAt
  }

  now(): number {
    return this.#startedAt + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  schedule(ms: number, run: () => void): Timer {
    this.#seq += 1
    const pending: Pending = { at: this.#elapsedMs + Math.max(0, ms), seq: this.#seq, run }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /**
   * Moves the time on. What falls due on the way runs at its moment and in order, and so does what it sets in turn.
   *
   * @throws DURATION_INVALID
   */
  async advance(duration: Duration): Promise<void> {
    const until = this.#elapsedMs + durationMs(duration, 'duration')
    await settled()
    for (let next = this.#due(until); next !== undefined; next = this.#due(until)) {
      this.#pending.delete(next)
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at)
      next.run()
      await settled()
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, until)
  }

  #due(until: number): Pending | undefined {
    let first: Pending | undefined
    for (const one of this.#pending) {
      if (one.at > until) continue
      if (first === undefined || one.at < first.at || (one.at === first.at && one.seq < first.seq))
        first = one
    }
    return first
  }
}

/** Lets promises that can settle without time do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
