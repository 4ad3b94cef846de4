// A job's row: how it is read, changed and written back whole. The paths that many jobs take (enqueue, claim, success)
// have narrower statements of their own.
import { defaultMaxCrashes, defaultRetention } from '../../job/defaults.ts'
import type {
  AttemptRecord,
  JobRecord,
  Payload,
  RareFields,
  Retention,
  StoredError,
} from '../../job/record.ts'
import { unpackRare } from '../../job/record.ts'
import { type JobState, jobStates, type Reason, reasons } from '../../job/states.ts'
import type { Value } from './engine.ts'
import { FLAG } from './flags.ts'
import type { Names } from './names.ts'

export const STATE: { readonly [S in JobState]: number } = {
  blocked: 0,
  scheduled: 1,
  ready: 2,
  active: 3,
  succeeded: 4,
  failed: 5,
  cancelled: 6,
}

export interface JobRow {
  readonly seq: number
  readonly id: string
  state: number
  flags: number
  readonly task: number
  readonly queue: number
  readonly partition: string | null
  readonly priority: number
  lane: number | null
  pos: number | null
  readonly version: number
  readonly created_at: number
  due_at: number | null
  readonly expires_at: number | null
  readonly codec: number
  readonly input: Uint8Array | null
  readonly rare: string | null
  readonly workflow: string | null
  waits: number | null
  lease_until: number | null
  worker: number | null
  token: number
  settled: number
  claimed_at: number | null
  started: number
  begun: number
  started_at: number | null
  ended_at: number | null
  prune_at: number | null
  failures: number
  crashes: number
  suspect: number
  reason: number | null
  result_codec: number | null
  result: Uint8Array | null
  error: string | null
  attempts: string | null
  readonly progress_codec: number | null
  readonly progress: Uint8Array | null
  unknown_since: number | null
}

/** The columns in the order in which `job-by-id` and `job-by-seq` answer them. */
const COLUMNS: readonly (keyof JobRow)[] = [
  'seq',
  'id',
  'state',
  'flags',
  'task',
  'queue',
  'partition',
  'priority',
  'lane',
  'pos',
  'version',
  'created_at',
  'due_at',
  'expires_at',
  'codec',
  'input',
  'rare',
  'workflow',
  'waits',
  'lease_until',
  'worker',
  'token',
  'settled',
  'claimed_at',
  'started',
  'begun',
  'started_at',
  'ended_at',
  'prune_at',
  'failures',
  'crashes',
  'suspect',
  'reason',
  'result_codec',
  'result',
  'error',
  'attempts',
  'progress_codec',
  'progress',
  'unknown_since',
]

/** What `save-job` writes, in its order; the number of the row comes last. */
const CHANGING: readonly (keyof JobRow)[] = [
  'state',
  'flags',
  'lane',
  'pos',
  'due_at',
  'waits',
  'lease_until',
  'worker',
  'token',
  'settled',
  'claimed_at',
  'started',
  'begun',
  'started_at',
  'ended_at',
  'prune_at',
  'failures',
  'crashes',
  'suspect',
  'reason',
  'result_codec',
  'result',
  'error',
  'attempts',
  'unknown_since',
  'seq',
]

export function readRow(values: readonly Value[]): JobRow {
  const row: { [column: string]: Value | undefined } = {}
  COLUMNS.forEach((column, i) => {
    row[column] = values[i]
  })
  return row as unknown as JobRow
}

export function changes(row: JobRow): Value[] {
  return CHANGING.map((column) => row[column])
}

export function has(row: { readonly flags: number }, flag: number): boolean {
  return (row.flags & flag) !== 0
}

export function setFlag(row: JobRow, flag: number, on: boolean): void {
  row.flags = on ? row.flags | flag : row.flags & ~flag
}

export function retentionOf(row: JobRow): Retention {
  if (!has(row, FLAG.retention)) return defaultRetention
  return rareOf(row).retention ?? defaultRetention
}

export function readAttempts(row: JobRow): readonly AttemptRecord[] {
  return row.attempts === null ? [] : (JSON.parse(row.attempts) as AttemptRecord[])
}

/** The rare fields; none where they cannot be read, so that a damaged row can still be shown, ended and removed. */
export function rareOf({ rare }: { readonly rare: string | null }): RareFields {
  return isReadable(rare) ? unpackRare(rare) : {}
}

export function isReadable(rare: string | null): boolean {
  if (rare === null) return true
  try {
    const value = JSON.parse(rare) as unknown
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

export function isEndedRow(row: { readonly state: number }): boolean {
  return row.state >= STATE.succeeded
}

/** A row as `get` and `list` answer it; without its `namespace`, which the main thread knows. */
export function toRecord(row: JobRow, names: Names, input: Uint8Array): Omit<JobRecord, 'namespace'> {
  const rare = rareOf(row)
  const { retention = defaultRetention, maxCrashes = defaultMaxCrashes, ...others } = rare
  const record: { [K in keyof JobRecord]?: JobRecord[K] | undefined } = {
    version: row.version,
    id: row.id,
    task: names.text(row.task),
    queue: names.text(row.queue),
    partition: row.partition ?? undefined,
    priority: row.priority,
    seq: row.seq,
    state: jobStates[row.state],
    reason: row.reason === null ? undefined : reasons[row.reason],
    input: { codec: row.codec, bytes: input },
    result: payload(row.result_codec, row.result),
    error: row.error === null ? undefined : (JSON.parse(row.error) as StoredError),
    createdAt: row.created_at,
    runAt: row.due_at ?? undefined,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    retention,
    maxCrashes,
    failures: row.failures,
    crashes: row.crashes,
    suspect: row.suspect === 1,
    cancelling: has(row, FLAG.cancelling),
    lease:
      row.lease_until === null
        ? undefined
        : {
            worker: names.text(row.worker ?? 0),
            token: row.token,
            until: row.lease_until,
            started: row.started === 1,
          },
    attempts: allAttempts(row, names),
    progress: payload(row.progress_codec, row.progress),
    ...others,
    dependenciesLeft: row.waits === null || row.waits === 0 ? undefined : row.waits,
  }
  for (const key of Object.keys(record) as (keyof JobRecord)[])
    if (record[key] === undefined) delete record[key]
  return record as Omit<JobRecord, 'namespace'>
}

/** The attempt that succeeded is not written down a second time: its row says it all. */
function allAttempts(row: JobRow, names: Names): readonly AttemptRecord[] {
  const attempts = readAttempts(row)
  if (row.state !== STATE.succeeded) return attempts
  const last: AttemptRecord = {
    worker: names.text(row.worker ?? 0),
    token: row.token,
    startedAt: row.started_at ?? 0,
    endedAt: row.ended_at ?? 0,
    outcome: 'succeeded',
  }
  return [...attempts, last].slice(-10)
}

function payload(codec: number | null, bytes: Uint8Array | null): Payload | undefined {
  // An engine may store no bytes at all as null; the codec tells that there is a value.
  return codec === null ? undefined : { codec, bytes: bytes ?? new Uint8Array(0) }
}

export function reasonIndex(reason: Reason | undefined): number | null {
  return reason === undefined ? null : reasons.indexOf(reason)
}
