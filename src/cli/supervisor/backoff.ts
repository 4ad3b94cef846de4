// How long to wait before what ended by itself is started again: exponential, with full jitter, so that what failed
// together does not come back together.
const FIRST_MS = 500
const MAX_MS = 30_000
/** Whoever was well for so long begins anew. */
const WELL_MS = 60_000

export class Backoff {
  readonly #random: () => number
  #failures = 0

  constructor(random: () => number) {
    this.#random = random
  }

  /** How often in a row it has ended soon. */
  get failures(): number {
    return this.#failures
  }

  /** The wait after one more end, in ms. */
  next(wellForMs: number): number {
    if (wellForMs >= WELL_MS) this.#failures = 0
    const capMs = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(this.#failures, 16))
    this.#failures += 1
    return Math.ceil(this.#random() * capMs)
  }
}
