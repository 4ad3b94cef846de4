// What a handler may do to the process it runs in.
import { now } from './time.ts'

export type Deed =
  /** Ends it as the system does when memory is short: no handler, no goodbye. */
  | 'kill'
  | 'exit'
  /** Throws where nobody catches it, and goes on. */
  | 'throw'
  /** Rejects where nobody hears of it, and goes on. */
  | 'reject'
  /** Asks for more memory than there is. */
  | 'memory'
  /** Never ends, and heeds no signal. */
  | 'never'
  /** Holds the event loop for as long as the handler is to work. */
  | 'block'

/** Long enough for what was begun to end the process. */
const AFTERWARDS_MS = 60_000

/** What it does first. Answers for how long the handler goes on afterwards. */
export function doDeed(deed: Deed, workMs: number): number {
  if (deed === 'kill') process.kill(process.pid, 'SIGKILL')
  else if (deed === 'exit') process.exit(7)
  else if (deed === 'throw')
    setImmediate(() => {
      throw new Error('thrown where nobody catches it')
    })
  else if (deed === 'reject') void Promise.reject(new Error('rejected where nobody hears of it'))
  else if (deed === 'memory') hoard()
  else if (deed === 'block') {
    for (const endsAt = now() + workMs; now() < endsAt; ) {
      // Nothing else runs meanwhile, which is the point.
    }
    return 0
  }
  return deed === 'never' ? Number.POSITIVE_INFINITY : AFTERWARDS_MS
}

function hoard(): void {
  const kept: unknown[][] = []
  for (;;) kept.push(Array.from({ length: 100_000 }, (_, i) => ({ i })))
}
