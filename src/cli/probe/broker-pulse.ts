// When the broker last answered: it is asked every few seconds, while somebody wants to know.
import type { Broker } from '../../broker/contract.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'

const EVERY_MS = 3_000
/** After a call that failed. */
const AGAIN_MS = 1_000
/** A call that has not answered by then is left to itself. */
const LIMIT_MS = 5_000

export class BrokerPulse {
  readonly #broker: Pick<Broker, 'health'>
  readonly #clock: Clock
  #answeredAt: number
  #timer: Timer | undefined
  #stopped = false

  /** It has answered just now. */
  constructor(broker: Pick<Broker, 'health'>, clock: Clock) {
    this.#broker = broker
    this.#clock = clock
    this.#answeredAt = clock.monotonic()
  }

  get answeredMsAgo(): number {
    return this.#clock.monotonic() - this.#answeredAt
  }

  start(): void {
    let open = true
    const next = (ms: number): void => {
      if (!open) return
      open = false
      this.#timer?.cancel()
      if (!this.#stopped) this.#timer = this.#clock.schedule(ms, () => this.start())
    }
    this.#timer = this.#clock.schedule(LIMIT_MS, () => next(0))
    this.#broker.health().then(
      () => {
        this.#answeredAt = this.#clock.monotonic()
        next(EVERY_MS)
      },
      () => next(AGAIN_MS),
    )
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }
}
