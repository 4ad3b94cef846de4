// Calls that wait for a connection: looked at again whenever something has changed, and rejected when their time is
// over. They keep the process alive meanwhile.
import type { OffstageError } from '../../../errors/error.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { unavailable } from './errors.ts'

type Look<T extends object> = () => T | { failure: OffstageError | undefined }

export class Waiters {
  readonly #clock: Clock
  readonly #waiting = new Set<(closed?: OffstageError) => void>()
  #closed: OffstageError | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * What `look` finds, now or within `ms`.
   *
   * @param hopeless tells the failures that are not waited out
   */
  wait<T extends object>(
    look: Look<T>,
    ms: number,
    hopeless: (failure: OffstageError) => boolean,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer?.cancel()
        this.#waiting.delete(again)
      }
      const again = (closed = this.#closed): void => {
        const found = look()
        if (closed === undefined && !('failure' in found)) {
          end()
          resolve(found)
          return
        }
        const failure = closed ?? ('failure' in found ? found.failure : undefined)
        if (failure === undefined || (closed === undefined && !hopeless(failure))) return
        end()
        reject(failure)
      }
      const over = (): void => {
        end()
        const found = look()
        if (!('failure' in found)) resolve(found)
        else reject(found.failure ?? unavailable(`Redis could not be reached within ${ms} ms`))
      }
      this.#waiting.add(again)
      const timer = this.#clock.schedule(ms, over, { ref: true })
      again()
    })
  }

  /** Rejects with `why` unless it is there within `ms`. */
  limit<T>(promise: Promise<T>, ms: number, why: OffstageError): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.schedule(ms, () => reject(why), { ref: true })
      promise.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  /** Something has changed. */
  look(): void {
    for (const again of [...this.#waiting]) again()
  }

  close(why: OffstageError): void {
    this.#closed = why
    for (const again of [...this.#waiting]) again(why)
  }
}
