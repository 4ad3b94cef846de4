// Real time for the suite: pauses between looks at a condition, and the machine's own stall, which bounds allow for.
import { setTimeout as pause } from 'node:timers/promises'

const LOOK_EVERY_MS = 5

/** Lets timers, messages and the machine go on for a moment. */
export function breathe(ms: number = LOOK_EVERY_MS): Promise<void> {
  return pause(ms)
}

/** What `work` comes to, or a rejection when it takes longer, which tells what `tell` knows of it. */
export async function within<T>(
  ms: number,
  work: Promise<T>,
  tell: () => string | Promise<string> = () => '',
): Promise<T> {
  const stop = new AbortController()
  const late = pause(ms, undefined, { signal: stop.signal }).then(async () => {
    throw new Error(`the case did not end within ${ms} ms\n${await tell()}`.trimEnd())
  })
  try {
    return await Promise.race([work, late])
  } finally {
    stop.abort()
    late.catch(() => undefined)
  }
}

/** Measures for how long this process was kept from running while a case ran. */
export class StallProbe {
  #longestMs = 0
  #lastAt: number = performance.now()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  /** The longest stall since the start, in milliseconds. */
  get longestMs(): number {
    this.#look()
    return Math.ceil(this.#longestMs)
  }

  stop(): number {
    const longest = this.longestMs
    clearInterval(this.#timer)
    return longest
  }

  #look(): void {
    const now = performance.now()
    this.#longestMs = Math.max(this.#longestMs, now - this.#lastAt - LOOK_EVERY_MS)
    this.#lastAt = now
  }
}
