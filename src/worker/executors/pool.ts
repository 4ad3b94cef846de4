// A bounded number of places in threads or processes, and the line of those who wait for one. What they run on is opened
// at the first use, so that a worker without such tasks has none of it.
import type { Host, Running } from './host.ts'
import type { Note, Request } from './protocol.ts'

/** For one request, then it is free again. */
export interface Place {
  /** @throws NOT_CLONEABLE */
  start(request: Request, hear: (note: Note) => void): Running
  /** Where nothing was started in it. */
  leave(): void
}

export class Pool {
  readonly #max: number
  readonly #open: () => Promise<Host>
  #host: Promise<Host> | undefined
  #taken = 0
  readonly #waiting = new Set<(granted: boolean) => void>()
  #closed = false

  constructor(max: number, open: () => Promise<Host>) {
    this.#max = max
    this.#open = open
  }

  /** Waits for a place; undefined where the signal was aborted or the pool closed before there was one. */
  async enter(signal: AbortSignal | undefined): Promise<Place | undefined> {
    if (!(await this.#granted(signal))) return undefined
    try {
      this.#host ??= this.#open()
      return this.#place(await this.#host)
    } catch (error) {
      this.#host = undefined
      this.#left()
      throw error
    }
  }

  /** Nobody gets a place any more, also those who wait for one. What runs goes on. */
  shut(): void {
    this.#closed = true
    for (const answer of this.#waiting) answer(false)
  }

  async close(): Promise<void> {
    this.shut()
    const host = await this.#host?.catch(() => undefined)
    await host?.close()
  }

  #granted(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#closed || signal?.aborted === true) return Promise.resolve(false)
    if (this.#taken < this.#max) {
      this.#taken += 1
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const refuse = (): void => answer(false)
      const answer = (granted: boolean): void => {
        this.#waiting.delete(answer)
        signal?.removeEventListener('abort', refuse)
        resolve(granted)
      }
      this.#waiting.add(answer)
      signal?.addEventListener('abort', refuse, { once: true })
    })
  }

  #place(host: Host): Place {
    const leave = once(() => this.#left())
    return {
      leave,
      start: (request, hear) => {
        try {
          return leaving(host.start(request, hear), leave)
        } catch (error) {
          leave()
          throw error
        }
      },
    }
  }

  /** The place goes to who has waited longest. */
  #left(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#taken -= 1
    else next(true)
  }
}

function leaving({ done, abort, kill }: Running, leave: () => void): Running {
  done.then(leave, leave)
  return {
    done,
    abort,
    kill: () => {
      kill()
      leave()
    },
  }
}

function once(run: () => void): () => void {
  let ran = false
  return () => {
    if (ran) return
    ran = true
    run()
  }
}
