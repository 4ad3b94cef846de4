// How long a server has kept somebody waiting without any answer. Counted in small ticks instead of from a start: a
// process that stood still itself (a long handler, a laptop that slept) would else take its own pause for the server's.
import type { Clock, Timer } from './clock.ts'

const TICK_MS = 250
/** A tick that is late by more than itself was held up by this process, so no more than this is counted for one. */
const LATE_MS = 2 * TICK_MS

export class Silence {
  readonly #clock: Clock
  readonly #waits: () => boolean
  readonly #tooLong: () => void
  readonly #limitMs: number
  #timer: Timer | undefined
  #tickedAt = 0
  #silentMs = 0
  #longestMs = 0

  /**
   * @param waits whether somebody waits for the server now
   * @param tooLong called when the silence has grown past the limit, and again after as much more
   */
  constructor(clock: Clock, limitMs: number, waits: () => boolean, tooLong: () => void) {
    this.#clock = clock
    this.#limitMs = limitMs
    this.#waits = waits
    this.#tooLong = tooLong
  }

  /** Somebody began to wait, and nobody did before. */
  began(): void {
    this.#tickedAt = this.#clock.monotonic()
    this.#silentMs = 0
    if (this.#timer === undefined) this.#arm()
  }

  /** Somebody waits, as others may have before. */
  goesOn(): void {
    if (this.#timer === undefined) this.began()
  }

  /** The server said something. */
  broken(): void {
    if (this.#timer === undefined) return
    const ms = this.#silentMs + this.#sinceTick()
    if (ms > LATE_MS && ms > this.#longestMs) this.#longestMs = ms
    this.#silentMs = 0
    this.#tickedAt = this.#clock.monotonic()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** The longest silence since this was last asked, the present one included; one of up to half a second is 0. */
  takeLongestMs(): number {
    const now = this.#timer === undefined ? 0 : this.#silentMs + this.#sinceTick()
    const longest = Math.max(this.#longestMs, now > LATE_MS && this.#waits() ? now : 0)
    this.#longestMs = 0
    return Math.round(longest)
  }

  #sinceTick(): number {
    return Math.min(this.#clock.monotonic() - this.#tickedAt, LATE_MS)
  }

  #arm(): void {
    this.#timer = this.#clock.schedule(TICK_MS, () => {
      this.#timer = undefined
      if (!this.#waits()) return
      const before = this.#silentMs
      this.#silentMs += this.#sinceTick()
      this.#tickedAt = this.#clock.monotonic()
      this.#arm()
      if (Math.floor(before / this.#limitMs) < Math.floor(this.#silentMs / this.#limitMs)) this.#tooLong()
    })
  }
}
