// How far ahead to claim, by the worker's own measure of how fast its slots come free: no-op jobs travel in hundreds,
// a job of ten minutes is never hoarded.

/** Jobs that will start within this are worth claiming now. */
const HORIZON_MS = 100
/** The weight of the latest attempt in the mean. */
const WEIGHT = 0.05

export class Pace {
  readonly #concurrency: number
  readonly #max: number
  /** Mean time that an attempt holds its slot; undefined before the first one ended. */
  #meanMs: number | undefined

  constructor(concurrency: number, max: number) {
    this.#concurrency = concurrency
    this.#max = max
  }

  /** An attempt held its slot that long. */
  ended(ms: number): void {
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + (ms - this.#meanMs) * WEIGHT
  }

  /** Claimed jobs waited in vain for a slot: nothing is claimed ahead until attempts have shown to be short again. */
  stalled(): void {
    this.#meanMs = Math.max(this.#meanMs ?? 0, 2 * HORIZON_MS)
  }

  /** How many jobs to hold beyond the slots. */
  ahead(): number {
    if (this.#meanMs === undefined || this.#meanMs > HORIZON_MS) return 0
    const startsWithin = (HORIZON_MS * this.#concurrency) / Math.max(this.#meanMs, 0.001)
    return Math.min(this.#max, Math.floor(startsWithin))
  }
}
