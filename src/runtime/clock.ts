// Time, handed in: wall time for storage, monotonic time for durations, timers for waiting.
// Nothing else in the library touches Date.now or setTimeout, so that tests and simulation own the time.

export interface Clock {
  /** Epoch milliseconds. May jump; only for what is stored or shown. */
  now(): number
  /** Milliseconds from an arbitrary start that never jump or run backwards; only for durations. */
  monotonic(): number
  /** Calls `run` once after `ms`. `ref: false` (the default) lets the process end while it waits. */
  schedule(ms: number, run: () => void, options?: { readonly ref?: boolean | undefined }): Timer
}

export interface Timer {
  cancel(): void
}

/** The longest delay that Node's timers take; longer waits are made of several. */
const MAX_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (ms, run, options) => {
    const deadline = performance.now() + ms
    let handle: NodeJS.Timeout
    const arm = (): void => {
      const left = Math.max(0, deadline - performance.now())
      handle = setTimeout(() => (left > MAX_TIMER_MS ? arm() : run()), Math.min(left, MAX_TIMER_MS))
      if (options?.ref !== true) handle.unref()
    }
    arm()
    return { cancel: () => clearTimeout(handle) }
  },
}

export interface SleepOptions {
  readonly signal?: AbortSignal | undefined
  /** Keeps the process alive while it waits. Default false. */
  readonly ref?: boolean | undefined
}

/** Resolves after `ms`, or at once when the signal aborts: waiting is never a reason to throw. */
export function sleep(clock: Clock, ms: number, options: SleepOptions = {}): Promise<void> {
  const { signal, ref } = options
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.schedule(ms, done, { ref })
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** Milliseconds of the system's monotonic clock: the same in all threads of a process, unlike `monotonic`. */
export function processMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000 + nanoseconds / 1_000_000
}
