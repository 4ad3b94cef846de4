// Calls of a module's functions in a pool of threads: what `app.offload` is made of. No queue: a call waits for a thread
// in this process, and is lost with it.
import { OffstageError } from '../../errors/error.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import type { Logger } from '../../runtime/logger.ts'
import { type Places, placesOf } from '../../task/places.ts'
import type { Running } from './host.ts'
import { Pool } from './pool.ts'
import type { CallRequest, Done } from './protocol.ts'
import { unpack } from './thrown.ts'

export interface CallBounds {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
}

export class Calls {
  readonly #clock: Clock
  readonly #pool: Pool
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(places: Places, clock: Clock, logger: Logger) {
    this.#clock = clock
    const { memoryBytes } = places
    this.#pool = new Pool(placesOf(places), async () => {
      const { ThreadHost } = await import('./threads.ts')
      return new ThreadHost({ max: placesOf(places), memoryBytes, clock, logger })
    })
  }

  /**
   * @throws what the function throws; MODULE_FAILED, MODULE_INVALID, NOT_CLONEABLE, OFFLOAD_TIMEOUT, EXECUTOR_CRASHED,
   * the reason of the signal
   */
  call(request: CallRequest, bounds: CallBounds): Promise<unknown> {
    const calling = this.#call(request, bounds)
    this.#underWay.add(calling)
    const ended = (): void => void this.#underWay.delete(calling)
    calling.then(ended, ended)
    return calling
  }

  /** Waits for what is under way. Nothing may be called after it. */
  async close(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
    await this.#pool.close()
  }

  async #call(request: CallRequest, bounds: CallBounds): Promise<unknown> {
    const { signal } = bounds
    const place = await this.#pool.enter(signal)
    if (place === undefined) throw signal?.reason ?? new OffstageError('APP_CLOSED', 'the app was closed')
    const done = await this.#bounded(request.name, place.start(request, ignore), bounds)
    if (done.ok) return done.value
    throw unpack(done.thrown)
  }

  #bounded(name: string, running: Running, { timeoutMs, signal }: CallBounds): Promise<Done> {
    return new Promise<Done>((resolve, reject) => {
      let timer: Timer | undefined
      const settle = (end: () => void): void => {
        timer?.cancel()
        signal?.removeEventListener('abort', abort)
        end()
      }
      const giveUp = (error: unknown): void => {
        running.kill()
        settle(() => reject(error))
      }
      const abort = (): void => giveUp(signal?.reason)
      running.done.then(
        (done) => settle(() => resolve(done)),
        (error: unknown) => settle(() => reject(error)),
      )
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort, { once: true })
      if (timeoutMs !== undefined) {
        timer = this.#clock.schedule(timeoutMs, () => giveUp(timedOut(name, timeoutMs)))
      }
    })
  }
}

function timedOut(name: string, timeoutMs: number): OffstageError {
  const message = `'${name}' ran longer than ${formatMs(timeoutMs)}; its thread was ended`
  return new OffstageError('OFFLOAD_TIMEOUT', message)
}

/** A function says nothing before its last word. */
function ignore(): void {}
