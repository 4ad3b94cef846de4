// One of several shards, as the others' neighbour: a call to it that does not come back soon is not waited for, and
// after a failure it is left to rest, so that a shard that is away does not slow down the work in the others.

import { hasCode, OffstageError } from '../../errors/error.ts'
import type { Clock } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import type { Broker } from '../contract.ts'

/** How long a call waits for one shard while others could answer. */
const PATIENCE_MS = 2_000
/** The same for a shard that failed last time. */
const IMPATIENCE_MS = 250
const FIRST_REST_MS = 250
const MAX_REST_MS = 1_000

export interface Patience<T> {
  /** Hears an answer that came after the call had been given up. */
  readonly late?: ((answer: T) => void) | undefined
  readonly maxMs?: number | undefined
}

/** The shard could not be reached, and may be again. */
export function isAway(error: unknown): boolean {
  return hasCode(error, 'BROKER_UNAVAILABLE')
}

export class Shard {
  readonly index: number
  readonly broker: Broker
  readonly #clock: Clock
  #opened = false
  #opening: Promise<void> | undefined
  #failures = 0
  /** Monotonic. */
  #restsUntil = Number.NEGATIVE_INFINITY

  constructor(index: number, broker: Broker, clock: Clock) {
    this.index = index
    this.broker = broker
    this.#clock = clock
  }

  /** It was reached at least once. Until then each call opens it first. */
  get opened(): boolean {
    return this.#opened
  }

  /** It failed lately: it is passed over where others will do. Ends with its next answer, or within a second. */
  get rests(): boolean {
    return this.restsForMs > 0
  }

  /** Until its rest is over, if nothing is heard of it before. */
  get restsForMs(): number {
    return this.#failures === 0 ? 0 : Math.max(0, this.#restsUntil - this.#clock.monotonic())
  }

  async open(): Promise<void> {
    await this.call(async () => undefined)
  }

  /** Any call, waited for as long as it takes. Its end is remembered. */
  async call<T>(run: (broker: Broker) => Promise<T>): Promise<T> {
    try {
      if (!this.#opened) await this.#open()
      const answer = await run(this.broker)
      this.#failures = 0
      return answer
    } catch (error) {
      // Another error is one of the call and says nothing of the shard.
      if (isAway(error)) this.#failed()
      throw error
    }
  }

  /**
   * A call that is given up after two seconds, or sooner where the shard has failed already.
   *
   * @throws BROKER_UNAVAILABLE, and what the call throws
   */
  callSoon<T>(
    run: (broker: Broker) => Promise<T>,
    { late, maxMs = PATIENCE_MS }: Patience<T> = {},
  ): Promise<T> {
    const patienceMs = Math.min(maxMs, this.#failures > 0 ? IMPATIENCE_MS : PATIENCE_MS)
    return new Promise((resolve, reject) => {
      let state: 'waiting' | 'answered' | 'over' = 'waiting'
      const giveUp = (): void => {
        if (state === 'answered') return
        state = 'over'
        this.#failed()
        reject(this.away(`has not answered for ${formatMs(patienceMs)}`))
      }
      // After a blocked loop the timer is served before the answer that has been there for long: that one goes first.
      const timer = this.#clock.schedule(patienceMs, () => setImmediate(giveUp))
      const ended = (): void => {
        timer.cancel()
        if (state === 'waiting') state = 'answered'
      }
      this.call(run).then(
        (answer) => {
          ended()
          if (state === 'over') late?.(answer)
          else resolve(answer)
        },
        (error: unknown) => {
          ended()
          reject(error)
        },
      )
    })
  }

  /** As `callSoon`, but not at all while it rests and others do not. */
  async callAwake<T>(
    shards: readonly Shard[],
    run: (broker: Broker) => Promise<T>,
    patience?: Patience<T>,
  ): Promise<T> {
    if (this.rests && !shards.every(({ rests }) => rests)) throw this.away('did not answer lately')
    return this.callSoon(run, patience)
  }

  away(why: string): OffstageError {
    return new OffstageError('BROKER_UNAVAILABLE', `shard ${this.index} ${why}`, {
      details: { shard: this.index },
    })
  }

  #open(): Promise<void> {
    this.#opening ??= this.broker
      .open()
      .then(() => {
        this.#opened = true
      })
      .finally(() => {
        this.#opening = undefined
      })
    return this.#opening
  }

  #failed(): void {
    this.#failures += 1
    const restMs = Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** (this.#failures - 1))
    this.#restsUntil = this.#clock.monotonic() + restMs
  }
}
