// How a job is shown: as one row of a table, and as JSON with moments in ISO 8601 and payloads decoded.
import type { JobSnapshot } from '../client/snapshot.ts'
import type { AttemptRecord, StoredError } from '../job/record.ts'
import type { JobState } from '../job/states.ts'
import type { Cell, Column, Style } from './output.ts'
import { formatAge, plain } from './text.ts'

export const stateStyles: { readonly [S in JobState]: Style } = {
  blocked: 'dim',
  scheduled: 'blue',
  ready: 'cyan',
  active: 'yellow',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'dim',
}

/** A moment for machines. */
export function iso(at: number): string {
  return new Date(at).toISOString()
}

interface JsonObject {
  readonly [name: string]: unknown
}

/** What a list tells of a job: everything but payloads, attempts and settings. */
export function summaryOf(job: JobSnapshot): JsonObject {
  return {
    id: job.id,
    task: job.task,
    queue: job.queue,
    partition: job.partition,
    priority: job.priority,
    state: job.state,
    reason: job.reason,
    failures: job.failures,
    crashes: job.crashes,
    cancelling: job.cancelling,
    createdAt: iso(job.createdAt),
    runAt: maybeIso(job.runAt),
    startedAt: maybeIso(job.startedAt),
    endedAt: maybeIso(job.endedAt),
    error: job.error === undefined ? undefined : errorSummary(job.error),
    search: job.search,
    tags: job.tags,
    workflow: job.workflow,
    node: job.node,
  }
}

/** All that is known of a job. */
export function detailOf(job: JobSnapshot): JsonObject {
  const { lease } = job
  return {
    ...summaryOf(job),
    error: job.error,
    input: job.input,
    result: job.result,
    progress: job.progress,
    unreadable: job.unreadable,
    headers: job.headers,
    expiresAt: maybeIso(job.expiresAt),
    retry: job.retry,
    timeoutMs: job.timeoutMs,
    retention: job.retention,
    maxCrashes: job.maxCrashes,
    suspect: job.suspect,
    unique: job.unique,
    lease: lease === undefined ? undefined : { ...lease, until: iso(lease.until) },
    after: job.after,
    dependenciesLeft: job.dependenciesLeft,
    attempts: job.attempts.map(attemptOf),
    seq: job.seq,
    version: job.version,
  }
}

function attemptOf(attempt: AttemptRecord): JsonObject {
  return { ...attempt, startedAt: iso(attempt.startedAt), endedAt: iso(attempt.endedAt) }
}

function errorSummary({ name, message, code, fingerprint }: StoredError): JsonObject {
  return { name, message, code, fingerprint }
}

function maybeIso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : iso(at)
}

export const jobColumns: readonly Column[] = [
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'TASK' },
  { title: 'QUEUE' },
  { title: 'ENQUEUED' },
  { title: 'FAILURES', align: 'right' },
  { title: 'NOTE', shrinks: true },
]

/** One row under `jobColumns`. */
export function jobRow(job: JobSnapshot, now: number): readonly Cell[] {
  return [
    { text: plain(job.id) },
    { text: job.state, style: stateStyles[job.state] },
    { text: plain(job.task) },
    { text: plain(job.queue) },
    { text: formatAge(job.createdAt, now), style: 'dim' },
    { text: String(job.failures) },
    { text: noteOf(job, now), style: 'dim' },
  ]
}

/** Why it is where it is, in few words. */
function noteOf(job: JobSnapshot, now: number): string {
  const parts: string[] = []
  if (job.cancelling) parts.push('cancelling')
  if (job.state === 'scheduled' && job.runAt !== undefined) parts.push(`due ${formatAge(job.runAt, now)}`)
  if (job.state === 'active' && job.lease !== undefined) parts.push(`on ${plain(job.lease.worker)}`)
  if (job.reason !== undefined) parts.push(job.reason)
  if (job.error !== undefined) parts.push(`${plain(job.error.name)}: ${plain(job.error.message)}`)
  return parts.join('; ')
}
