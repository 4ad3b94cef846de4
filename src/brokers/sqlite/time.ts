// Broker time: the host's wall clock, which never runs backwards here. The store keeps the latest time it was used at;
// while the host's clock is behind that, time goes on from there by the monotonic clock.

/** Behind by less than this, time stands still until the host's clock has caught up. In milliseconds. */
const SMALL_STEP_MS = 100

export interface Reading {
  readonly wall: number
  readonly monotonic: number
}

export class BrokerTime {
  #latest = 0
  #monotonic = 0

  /** @param stored the latest time that the store knows */
  now(reading: Reading, stored: number): number {
    if (stored > this.#latest) {
      this.#latest = stored
      this.#monotonic = reading.monotonic
    }
    if (reading.wall >= this.#latest) {
      this.#latest = reading.wall
      this.#monotonic = reading.monotonic
    } else if (reading.wall < this.#latest - SMALL_STEP_MS) {
      const passed = Math.max(0, Math.floor(reading.monotonic - this.#monotonic))
      this.#latest += passed
      // Whole milliseconds only, so that many readings in one do not lose it.
      this.#monotonic += passed
    }
    return this.#latest
  }
}
