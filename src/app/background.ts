// Small pieces of work beside the answer to a request: run in this process, awaited when the app closes. Not a queue:
// what a crash takes away is lost.
import type { Logger } from '../runtime/logger.ts'

export class Background {
  readonly #logger: Logger
  readonly #running = new Set<Promise<void>>()
  #closed = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get closed(): boolean {
    return this.#closed
  }

  add(work: PromiseLike<unknown> | (() => unknown)): void {
    const running: Promise<void> = this.#run(work).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Resolves once nothing runs, also nothing that was added meanwhile. From then on nothing may be added. */
  async close(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
    this.#closed = true
  }

  async #run(work: PromiseLike<unknown> | (() => unknown)): Promise<void> {
    try {
      if (typeof work !== 'function') await work
      else {
        // After what the caller does now, so that a request is answered first.
        await new Promise(setImmediate)
        await work()
      }
    } catch (error) {
      this.#logger.error({ error }, 'a piece of work given to waitUntil failed')
    }
  }
}
