// What the example asks Offstage about its jobs.
import { app } from './app.ts'
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
  const handle = parseBook.job(id)
  const job = await handle.get()
  if (job === undefined) return undefined
  const result = job.state === 'succeeded' ? { result: await handle.result() } : {}
  return { id, state: job.state, attempts: job.attempts.length, error: job.error?.message, ...result }
}

/** How many jobs of the queue have not ended. */
export async function countUnfinished(): Promise<number> {
  const queues = await app.queues.list()
  const counts = queues.find(({ queue }) => queue === parseBook.queue)?.counts
  return counts === undefined ? 0 : counts.blocked + counts.scheduled + counts.ready + counts.active
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

/** Reads all jobs of the queue, a thousand a page, and adds up those with the given ids. */
export async function tellOutcome(ids: ReadonlySet<string>): Promise<Outcome> {
  const outcome: Outcome = { succeeded: 0, failed: 0, retried: 0, extraAttempts: 0, reasons: new Map() }
  let cursor: string | undefined
  do {
    const page = await app.jobs.list({ queue: parseBook.queue, limit: 1000, cursor })
    for (const job of page.jobs) {
      if (!ids.has(job.id)) continue
      const extra = Math.max(0, job.attempts.length - 1)
      outcome.extraAttempts += extra
      if (extra > 0) outcome.retried += 1
      if (job.state === 'succeeded') outcome.succeeded += 1
      if (job.state !== 'failed') continue
      outcome.failed += 1
      const reason = job.error?.message ?? 'no reason was kept'
      outcome.reasons.set(reason, (outcome.reasons.get(reason) ?? 0) + 1)
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  return outcome
}
