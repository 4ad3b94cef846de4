// Runs the broker's upkeep, one bounded step after another. Every worker does; none has to.
import { publish } from '../runtime/channels.ts'
import { Loop } from '../runtime/service.ts'
import type { WorkerEnv } from './env.ts'

/** Lost jobs are to be back within a second of the end of their lease, the trip included. */
const MIN_MS = 400
const MAX_MS = 750

export class Upkeep {
  readonly #env: WorkerEnv
  readonly #loop: Loop

  constructor(env: WorkerEnv) {
    this.#env = env
    this.#loop = new Loop({
      name: 'upkeep',
      clock: env.clock,
      logger: env.logger,
      turn: () => this.#turn(),
      maxBackoffMs: 1_000,
    })
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #turn(): Promise<number> {
    const { promoted, reclaimed, expired, pruned, spread, more, nextDueInMs } =
      await this.#env.broker.maintain()
    if (promoted + reclaimed + expired + pruned + spread > 0) {
      publish('offstage:maintain', () => ({ promoted, reclaimed, expired, pruned, spread }))
    }
    if (more) return 0
    const usualMs = MIN_MS + Math.random() * (MAX_MS - MIN_MS)
    return Math.max(10, Math.min(usualMs, nextDueInMs ?? usualMs))
  }
}
