// Real time for the fault suite: its one place for clocks, timers, waiting with a limit, and the machine's own stalls.
import { setTimeout as sleep } from 'node:timers/promises'
import { StallProbe } from '../../src/laws/time.ts'

export { within } from '../../src/laws/time.ts'

const LOOK_MS = 15

/** Monotonic milliseconds. */
export function now(): number {
  return performance.now()
}

/** For how long a fault lasts. Nothing waits for a condition this way. */
export function lasting(ms: number): Promise<void> {
  return sleep(ms)
}

/** Waits until `look` answers something; the answer is what it came to. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { limitMs = 30_000, everyMs = LOOK_MS, tail = () => '' }: UntilOptions = {},
): Promise<T> {
  const endsAt = now() + limitMs
  for (;;) {
    const value = await look()
    if (value !== undefined && value !== false) return value
    if (now() > endsAt) throw new Error(`not within ${limitMs} ms: ${what}\n${await tail()}`)
    await sleep(everyMs)
  }
}

interface UntilOptions {
  readonly limitMs?: number
  readonly everyMs?: number
  /** What the error tells besides. */
  readonly tail?: () => string | Promise<string>
}

/** Calls `act` after so many milliseconds; the answer calls it off. */
export function after(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms)
  return () => clearTimeout(timer)
}

/** Calls `act` again and again until it is called off. */
export function every(ms: number, act: () => void): () => void {
  const timer = setInterval(act, ms)
  return () => clearInterval(timer)
}

/** What a wait may come to within `ms`; false where it comes to nothing by then. */
export function inTime<T>(ms: number, work: Promise<T>): Promise<T | false> {
  return Promise.race([work, new Promise<false>((resolve) => void after(ms, () => resolve(false)))])
}

/**
 * Holds a measured time against its bound, and allows for how long the machine kept this process from running
 * meanwhile. Both are printed, so that a slow machine is seen as what it is.
 */
export class Watch {
  readonly #probe = new StallProbe()
  readonly #facts: string[] = []

  /** @param allowedMs what the machine may need besides, for example to start a process */
  check(what: string, tookMs: number, boundMs: number, allowedMs = 0): void {
    const stallMs = this.#probe.longestMs
    const fact = `${what} took ${Math.round(tookMs)} ms (at most ${boundMs}, stalls of ${stallMs} ms)`
    this.#facts.push(fact)
    if (tookMs > boundMs + stallMs + allowedMs) throw new Error(fact)
  }

  /** Ends the measurement and answers what was measured. */
  stop(): readonly string[] {
    this.#probe.stop()
    return this.#facts
  }
}
