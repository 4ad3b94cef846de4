// The worker's sign of life in the broker: what `workers()` shows. Nothing depends on it but the eyes of people.

import { hostname } from 'node:os'
import { hasCode } from '../errors/error.ts'
import { Loop } from '../runtime/service.ts'
import type { WorkerEnv } from './env.ts'

const BEAT_MS = 5_000
const TTL_MS = 3 * BEAT_MS
const HOUR_MS = 3_600_000

export class Presence {
  readonly #env: WorkerEnv
  readonly #tasks: readonly string[]
  readonly #active: () => number
  readonly #startedAt: number
  readonly #loop: Loop
  #state: 'running' | 'stopping' = 'running'

  /** @param startedAt wall time of the start of the worker */
  constructor(env: WorkerEnv, tasks: readonly string[], startedAt: number, active: () => number) {
    this.#env = env
    this.#tasks = tasks
    this.#active = active
    this.#startedAt = startedAt
    this.#loop = new Loop({
      name: 'presence',
      clock: env.clock,
      logger: env.logger,
      turn: () => this.#turn(),
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Says at once that the worker is stopping. */
  stopping(): void {
    this.#state = 'stopping'
    this.#loop.nudge()
  }

  /** Gives no more signs. The entry stays until it runs out. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Takes the entry away. */
  async leave(): Promise<void> {
    await this.stop()
    await this.#env.broker.leave(this.#env.worker)
  }

  async #turn(): Promise<number> {
    const { worker, broker, settings } = this.#env
    const entry = {
      id: worker,
      host: hostname(),
      pid: process.pid,
      queues: settings.queues,
      tasks: this.#tasks,
      concurrency: this.#env.concurrency.now,
      active: this.#active(),
      startedAt: this.#startedAt,
      state: this.#state,
    }
    try {
      await broker.beat(entry, TTL_MS)
      return BEAT_MS
    } catch (error) {
      // A broker without a record half shows no workers.
      if (hasCode(error, 'BROKER_UNSUPPORTED')) return HOUR_MS
      throw error
    }
  }
}
