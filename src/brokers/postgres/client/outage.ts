// How long the server was away for those who asked it: since something began to wait for it without a sign of life, and
// on through the failures, until a statement succeeded again. Leases that ran out meanwhile are nobody's fault.
import type { Clock } from '../../../runtime/clock.ts'
import { Silence } from '../../../runtime/silence.ts'

export class Outage {
  readonly #silence: Silence
  #pending = 0
  /** The last statement that ended failed for want of the server. */
  #away = false

  constructor(clock: Clock) {
    this.#silence = new Silence(
      clock,
      Number.POSITIVE_INFINITY,
      () => this.#pending > 0 || this.#away,
      () => undefined,
    )
  }

  /** Minds a call: what it waits for counts. */
  async during<T>(call: () => Promise<T>, isAway: (error: unknown) => boolean): Promise<T> {
    // A pause in which nobody asked is nobody's silence.
    if (this.#pending === 0 && !this.#away) this.#silence.began()
    else this.#silence.goesOn()
    this.#pending += 1
    try {
      const answer = await call()
      this.#away = false
      return answer
    } catch (error) {
      this.#away = isAway(error)
      throw error
    } finally {
      this.#pending -= 1
    }
  }

  /** A sign of life. */
  heard(): void {
    this.#silence.broken()
  }

  takeMs(): number {
    return this.#silence.takeLongestMs()
  }

  stop(): void {
    this.#away = false
    this.#silence.stop()
  }
}
