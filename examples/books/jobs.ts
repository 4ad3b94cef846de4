// What the example asks Offstage about its jobs, all of it through their handles.
import { hasCode } from 'offstage'
import { parseBook } from './tasks.ts'

/** The answer of `GET /jobs`. */
export interface JobView {
  id: string
  state: string
  /** How many attempts have ended, the successful one included. */
  attempts: number
  /** What the task returned, once it has succeeded. */
  result?: unknown
  /** The error of the last attempt that failed. */
  error?: string | undefined
}

/** One job, or undefined where none is kept under that id. */
export async function viewJob(id: string): Promise<JobView | undefined> {
  const job = await parseBook.job(id).record()
  if (job === undefined) return undefined
  const { state, result, attempts, error } = job
  return { id, state, attempts: attempts.length, result, error: error?.message }
}

/** Waits until every job has ended. The handles share one watch, so a thousand of them are as cheap as one. */
export async function waitForAll(ids: readonly string[], onEnded: () => void): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      try {
        await parseBook.job(id).result()
      } catch (error) {
        if (!isBadEnd(error)) throw error
      }
      onEnded()
    }),
  )
}

/** True where the error says that the job itself ended badly, and not that asking for it did. */
function isBadEnd(error: unknown): boolean {
  return hasCode(error, 'JOB_FAILED') || hasCode(error, 'JOB_CANCELLED')
}

/** How a run went, told from the records of its jobs. */
export interface Outcome {
  succeeded: number
  failed: number
  /** Jobs that needed more than one attempt, however they ended. */
  retried: number
  /** Attempts beyond the first, of all jobs. */
  extraAttempts: number
  /** How many dead letters have which reason. */
  reasons: Map<string, number>
}

/** Reads the jobs and adds them up. */
export async function tellOutcome(ids: readonly string[]): Promise<Outcome> {
  const outcome: Outcome = { succeeded: 0, failed: 0, retried: 0, extraAttempts: 0, reasons: new Map() }
  const jobs = await Promise.all(ids.map((id) => parseBook.job(id).record()))
  for (const job of jobs) {
    if (job === undefined) continue
    const extra = Math.max(0, job.attempts.length - 1)
    outcome.extraAttempts += extra
    if (extra > 0) outcome.retried += 1
    if (job.state === 'succeeded') outcome.succeeded += 1
    if (job.state !== 'failed') continue
    outcome.failed += 1
    const reason = job.error?.message ?? 'no reason was kept'
    outcome.reasons.set(reason, (outcome.reasons.get(reason) ?? 0) + 1)
  }
  return outcome
}
