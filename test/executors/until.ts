// Waits of tests with real threads and processes: for a condition, with a limit.
import { setTimeout as pause } from 'node:timers/promises'

export const LIMIT_MS = 25_000

/** Waits until it is so. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${LIMIT_MS} ms: ${what}`)
    await pause(5)
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
