// A clock that stands still until it is told to go on: for tests and simulation.
import type { Clock, Timer } from './clock.ts'

interface Alarm {
  readonly at: number
  readonly run: () => void
}

/** Wall and monotonic time start together and move together, only by `advance`. */
export class ManualClock implements Clock {
  readonly #startedAt: number
  readonly #alarms = new Set<Alarm>()
  #elapsedMs = 0

  /** @param startAt epoch milliseconds. Default the start of 2030 in UTC */
  constructor(startAt = 1_893_456_000_000) {
    this.#startedAt = startAt
  }

  /** How many timers are set. */
  get waiting(): number {
    return this.#alarms.size
  }

  now(): number {
    return this.#startedAt + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  schedule(ms: number, run: () => void): Timer {
    const alarm = { at: this.#elapsedMs + Math.max(0, ms), run }
    this.#alarms.add(alarm)
    return { cancel: () => void this.#alarms.delete(alarm) }
  }

  /** Lets `ms` pass. What falls due on the way runs in the order of its time, each at its own time. */
  advance(ms: number): void {
    const until = this.#elapsedMs + ms
    for (let alarm = this.#next(until); alarm !== undefined; alarm = this.#next(until)) {
      this.#alarms.delete(alarm)
      this.#elapsedMs = Math.max(this.#elapsedMs, alarm.at)
      alarm.run()
    }
    this.#elapsedMs = until
  }

  /** The first to fall due, among equals the one that was set first. */
  #next(until: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.at <= until && (first === undefined || alarm.at < first.at)) first = alarm
    }
    return first
  }
}
