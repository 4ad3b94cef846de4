// The small base of everything that runs in the background: starts once, stops once, and owns one loop that restarts
// itself after an error with back-off, so that no loop ever goes silent.
import { type Clock, sleep } from './clock.ts'
import type { Logger } from './logger.ts'

export interface LoopOptions {
  /** For logs: what stopped working. */
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /** One turn. Resolves to how long to wait before the next one, in milliseconds. */
  readonly turn: (signal: AbortSignal) => Promise<number>
  /** The longest back-off after errors in a row. Default 5,000 ms. */
  readonly maxBackoffMs?: number | undefined
}

/** Runs `turn` again and again until stopped. An error is logged (the first of a row loudly) and waited out. */
export class Loop {
  readonly #options: LoopOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #nudge: AbortController = new AbortController()
  #errorsInARow = 0
  #lastSuccessAt: number | undefined

  constructor(options: LoopOptions) {
    this.#options = options
  }

  /** Wall time of the last turn that did not throw; undefined before the first. */
  get lastSuccessAt(): number | undefined {
    return this.#lastSuccessAt
  }

  get errorsInARow(): number {
    return this.#errorsInARow
  }

  start(): void {
    this.#running ??= this.#loop()
  }

  /** Ends the wait before the next turn. */
  nudge(): void {
    this.#nudge.abort()
  }

  /** No turn starts any more; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#nudge.abort()
    await this.#running
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stop.signal.aborted) {
      this.#nudge = new AbortController()
      const waitMs = await this.#turn()
      if (this.#stop.signal.aborted) return
      if (waitMs > 0) await sleep(clock, waitMs, { signal: this.#nudge.signal })
    }
  }

  async #turn(): Promise<number> {
    const { name, clock, logger, turn, maxBackoffMs = 5_000 } = this.#options
    try {
      const waitMs = await turn(this.#stop.signal)
      if (this.#errorsInARow > 0)
        logger.info({ loop: name, errors: this.#errorsInARow }, `${name} works again`)
      this.#errorsInARow = 0
      this.#lastSuccessAt = clock.now()
      return waitMs
    } catch (error) {
      if (this.#stop.signal.aborted) return 0
      this.#errorsInARow += 1
      const backoffMs = Math.ceil(
        Math.random() * Math.min(maxBackoffMs, 50 * 2 ** Math.min(this.#errorsInARow, 16)),
      )
      const level = this.#errorsInARow === 1 ? 'error' : 'debug'
      logger[level](
        { loop: name, error, errors: this.#errorsInARow, backoffMs },
        `${name} failed and will try again`,
      )
      return backoffMs
    }
  }
}
