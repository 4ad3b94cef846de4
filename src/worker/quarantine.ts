// A job that was counted for a crash runs apart from then on: nothing begins shortly before or after it, so that a process
// that dies then has died of it (docs/decisions/0003). Killers mostly kill at once.
import type { ReservedJob } from '../broker/message.ts'
import type { RunnableTask } from '../task/runnable.ts'
import type { Attempt } from './attempt.ts'

/** The least time between the begin of one that runs apart and that of any other, unless either has ended by then. */
export const APART_MS = 1_000

/** Whether its next counted crash comes after another, or would be its last. */
export function runsApart({ suspect, crashes }: ReservedJob, task: RunnableTask | undefined): boolean {
  return suspect && (crashes > 0 || task?.maxCrashes === 1)
}

export class Quarantine {
  #inside: Attempt | undefined

  /** Milliseconds until a job may start; 0 for now. */
  waitMs(
    job: ReservedJob,
    task: RunnableTask | undefined,
    running: ReadonlySet<Attempt>,
    now: number,
  ): number {
    const inside = this.#inside
    // Until its outcome is answered: before that its death could still be taken for a crash of its own.
    if (inside !== undefined && !inside.claim.over && inside.begunAt + APART_MS > now)
      return wholeMs(inside.begunAt + APART_MS - now)
    if (!runsApart(job, task)) return 0
    let latest = Number.NEGATIVE_INFINITY
    for (const { begunAt } of running) latest = Math.max(latest, begunAt)
    return wholeMs(latest + APART_MS - now)
  }

  started(attempt: Attempt): void {
    if (runsApart(attempt.job, attempt.task)) this.#inside = attempt
  }
}

/** What is left of a millisecond is waited for too: adding it to a time may not change that. */
function wholeMs(ms: number): number {
  return Math.max(0, Math.ceil(ms))
}
