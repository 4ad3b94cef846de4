// A graceful stop, in order:
// 1. nothing is claimed any more, and what has not started is given back in its place
// 2. what runs may finish within the grace; leases are renewed to the end
// 3. what still runs is aborted, given a moment to heed it, and given back
// 4. every outcome is recorded, then the actors stop and the worker's entry goes
import { OffstageError } from '../errors/error.ts'
import { storedError } from '../job/stored-error.ts'
import { sleep } from '../runtime/clock.ts'
import type { WorkerEnv } from './env.ts'
import type { Executor } from './executor.ts'
import type { Fetcher } from './fetcher.ts'
import type { Guard } from './keeper/guard.ts'
import type { Settler } from './settler.ts'
import type { Slots } from './slots.ts'
import type { Waker } from './waker.ts'

/** How long handlers have to heed the abort at the end of the grace. */
const HEED_MS = 300
/** How long the last outcomes may take beyond that, and then the actors. */
const FLUSH_MS = 500
/** All of it together, beyond the grace: the rest of its second is for a timer that is late. */
const LAST_MS = 950

export interface DrainParts {
  readonly fetcher: Fetcher
  readonly slots: Slots
  readonly executor: Executor
  readonly settler: Settler
  readonly guard: Guard
  readonly waker: Waker
}

export class Drain {
  readonly #env: WorkerEnv
  readonly #parts: DrainParts
  #running: Promise<void> | undefined
  /** Monotonic. */
  #graceEnds = Number.POSITIVE_INFINITY
  #abortedAt = 0
  #shortened = new AbortController()

  constructor(env: WorkerEnv, parts: DrainParts) {
    this.#env = env
    this.#parts = parts
  }

  /** Resolves when all is stopped. Called again, it shortens the grace. */
  run(graceMs: number): Promise<void> {
    const endsAt = this.#env.clock.monotonic() + graceMs
    if (endsAt < this.#graceEnds) {
      this.#graceEnds = endsAt
      this.#shortened.abort()
    }
    this.#running ??= this.#drain()
    return this.#running
  }

  async #drain(): Promise<void> {
    const { slots, fetcher, guard, executor, settler } = this.#parts
    guard.stopping()
    slots.close()
    executor.remote.shut()
    const claimsEnded = fetcher.stop()
    await this.#within(slots.idle(), () => this.#graceEnds)
    await this.#abortRest()
    const flushed = claimsEnded.then(() => settler.flush())
    await this.#within(flushed, () => Math.max(this.#graceEnds, this.#abortedAt + HEED_MS) + FLUSH_MS)
    executor.notes.stop()
    settler.stop()
    await this.#stopActors()
  }

  async #abortRest(): Promise<void> {
    const { slots, executor } = this.#parts
    this.#abortedAt = this.#env.clock.monotonic()
    if (slots.running.size === 0) return
    const reason = new OffstageError('WORKER_STOPPED', 'the worker stopped before the handler had finished')
    for (const attempt of slots.running) executor.abort(attempt, reason, HEED_MS)
    await this.#within(slots.idle(), () => this.#abortedAt + HEED_MS)
    for (const attempt of [...slots.running]) executor.abandon(attempt)
  }

  async #stopActors(): Promise<void> {
    const { guard, waker, executor } = this.#parts
    const ends = [guard.stop(), waker.stop(), executor.remote.close()]
    const ended = Promise.allSettled(ends).then((results) => {
      for (const result of results) {
        if (result.status === 'rejected') {
          this.#env.logger.warn(
            { error: storedError(result.reason) },
            'a part of the worker did not stop cleanly',
          )
        }
      }
    })
    const lastAt = Math.max(this.#graceEnds, this.#abortedAt) + LAST_MS
    const endsAt = Math.min(this.#env.clock.monotonic() + FLUSH_MS, lastAt)
    await this.#within(ended, () => endsAt)
  }

  /** Waits for the promise until a moment that may come closer meanwhile. */
  async #within(promise: Promise<void>, endsAt: () => number): Promise<void> {
    let done = false
    const settled = promise.then(() => {
      done = true
    })
    while (!done) {
      const leftMs = endsAt() - this.#env.clock.monotonic()
      if (leftMs <= 0) return
      this.#shortened = new AbortController()
      const waiting = new AbortController()
      const wake = (): void => waiting.abort()
      this.#shortened.signal.addEventListener('abort', wake, { once: true })
      await Promise.race([
        settled.then(wake),
        sleep(this.#env.clock, leftMs, { signal: waiting.signal, ref: true }),
      ])
      waiting.abort()
    }
  }
}
