// One of several shards, as the others' neighbour: a call to it that does not come back soon is not waited for, and
// after a failure it is left to rest, so that a shard that is away does not slow down the work in the others.
import type { Broker } from '../../broker/contract.ts'
import { OffstageError } from '../../errors/error.ts'
import type { Clock } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'

/** How long a claim or a step of upkeep waits for one shard while others could answer. */
const PATIENCE_MS = 2_000
const FIRST_REST_MS = 500
const MAX_REST_MS = 5_000

export class Shard {
  readonly index: number
  readonly broker: Broker
  readonly #clock: Clock
  #failures = 0
  /** Monotonic. */
  #restsUntil = Number.NEGATIVE_INFINITY

  constructor(index: number, broker: Broker, clock: Clock) {
    this.index = index
    this.broker = broker
    this.#clock = clock
  }

  /** It failed lately: claims pass it over. Ends with its next answer, or after some seconds. */
  get rests(): boolean {
    return this.#failures > 0 && this.#clock.monotonic() < this.#restsUntil
  }

  /** Any call, waited for as long as it takes. Its end is remembered. */
  async call<T>(run: (broker: Broker) => Promise<T>): Promise<T> {
    try {
      const answer = await run(this.broker)
      this.#failures = 0
      return answer
    } catch (error) {
      this.#failed()
      throw error
    }
  }

  /**
   * A call that is given up after two seconds.
   *
   * @param late hears an answer that came after that
   * @throws BROKER_UNAVAILABLE, and what the call throws
   */
  callSoon<T>(run: (broker: Broker) => Promise<T>, late: (answer: T) => void = () => undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      let over = false
      const timer = this.#clock.schedule(PATIENCE_MS, () => {
        over = true
        this.#failed()
        const said = `shard ${this.index} has not answered for ${formatMs(PATIENCE_MS)}`
        reject(new OffstageError('BROKER_UNAVAILABLE', said, { details: { shard: this.index } }))
      })
      this.call(run).then(
        (answer) => {
          timer.cancel()
          if (over) late(answer)
          else resolve(answer)
        },
        (error: unknown) => {
          timer.cancel()
          reject(error)
        },
      )
    })
  }

  #failed(): void {
    this.#failures += 1
    const restMs = Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** (this.#failures - 1))
    this.#restsUntil = this.#clock.monotonic() + restMs
  }
}
