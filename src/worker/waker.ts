// Keeps one call of the broker's `wake` open while somebody wants to know. A hint and no more: whoever relies on it
// polls beneath it.
import { storedError } from '../job/stored-error.ts'
import type { WorkerEnv } from './env.ts'

export class Waker {
  readonly #env: WorkerEnv
  readonly #onWake: () => void
  readonly #stop = new AbortController()
  #open: Promise<void> | undefined

  constructor(env: WorkerEnv, onWake: () => void) {
    this.#env = env
    this.#onWake = onWake
  }

  /** From now on the next hint is heard. Called before looking for work, so that nothing falls in between. */
  arm(): void {
    if (this.#open === undefined && !this.#stop.signal.aborted) this.#open = this.#wait()
  }

  /** Passes the last hint on once more: it came when its hearers had nothing to look after. */
  again(): void {
    if (!this.#stop.signal.aborted) this.#onWake()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#open
  }

  async #wait(): Promise<void> {
    try {
      await this.#env.broker.wake(this.#env.settings.queues, this.#stop.signal)
      this.#open = undefined
      if (!this.#stop.signal.aborted) this.#onWake()
    } catch (error) {
      this.#open = undefined
      this.#env.logger.debug({ error: storedError(error) }, 'waiting for the broker failed; polling goes on')
    }
  }
}
