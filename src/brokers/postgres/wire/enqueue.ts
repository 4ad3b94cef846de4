// Groups of jobs on their way to the function `enqueue_jobs`, as columns, and its answer. Columns that no job has are null.
import type { EnqueuedJob, GroupAnswer } from '../../../broker/contract.ts'
import { defaultMaxCrashes, defaultPriority, defaultRetention } from '../../../job/defaults.ts'
import { type JobSpec, packRare, RECORD_VERSION } from '../../../job/record.ts'
import type { Row, Value } from '../client/client.ts'
import type { Call } from '../space.ts'
import {
  packBools,
  packBytes,
  packInts,
  packLongs,
  packShorts,
  packTexts,
  readNumbers,
  readTexts,
} from './arrays.ts'
import { FLAG } from './flags.ts'

const DEFAULTS = { retention: defaultRetention, maxCrashes: defaultMaxCrashes }

/** The columns in the order of the function's parameters, and their types. */
const COLUMNS = {
  queues: 'text[]',
  tasks: 'text[]',
  pairs: 'integer[]',
  ids: 'text[]',
  inputs: 'bytea[]',
  groups: 'integer[]',
  priorities: 'smallint[]',
  codecs: 'smallint[]',
  versions: 'smallint[]',
  delays: 'bigint[]',
  runAts: 'bigint[]',
  expires: 'bigint[]',
  partitions: 'text[]',
  rares: 'text[]',
  workflows: 'text[]',
  tags: 'text[]',
  flags: 'integer[]',
  uniques: 'text[]',
  keepSucceeded: 'bigint[]',
  keepFailed: 'bigint[]',
  keepCancelled: 'bigint[]',
  maxCrashes: 'integer[]',
  afterJobs: 'integer[]',
  afterIds: 'text[]',
  afterSuccess: 'boolean[]',
  searchJobs: 'integer[]',
  searchFields: 'text[]',
  searchValues: 'text[]',
  wake: 'text[]',
} as const

type Column = keyof typeof COLUMNS
type Type = (typeof COLUMNS)[Column]
type Columns = { readonly [C in Column]: readonly unknown[] | null }

export const enqueueCall: Call = { name: 'enqueue_jobs', types: Object.values(COLUMNS) }

const packers: { readonly [T in Type]: (values: never) => Buffer } = {
  'text[]': packTexts,
  'bytea[]': packBytes,
  'integer[]': packInts,
  'smallint[]': packShorts,
  'bigint[]': packLongs,
  'boolean[]': packBools,
}

/** The parameters in binary. */
export function packGroups(groups: readonly (readonly JobSpec[])[], wake: readonly string[] | null): Value[] {
  const columns = toColumns(groups, wake)
  return (Object.keys(COLUMNS) as Column[]).map((name) => {
    const values = columns[name]
    return values === null ? null : packers[COLUMNS[name]](values as never)
  })
}

/** The parameters as one JSON text, with inputs in base64, for connections that are not ours: `enqueue_within`. */
export function groupsAsText(groups: readonly (readonly JobSpec[])[]): string {
  const columns = toColumns(groups, null)
  return JSON.stringify({
    ...columns,
    inputs: columns.inputs?.map((input) => Buffer.from(input as Uint8Array).toString('base64')),
  })
}

function toColumns(groups: readonly (readonly JobSpec[])[], wake: readonly string[] | null): Columns {
  const specs = groups.flat()
  const pairs = new Map<string, number>()
  const pairOf = specs.map(({ queue, task }) => {
    const text = `${queue}\n${task}`
    let pair = pairs.get(text)
    if (pair === undefined) {
      pair = pairs.size + 1
      pairs.set(text, pair)
    }
    return pair
  })
  const kinds = [...pairs.keys()].map((text) => text.split('\n'))
  const column = <T>(of: (spec: JobSpec) => T | undefined): (T | undefined)[] | null => {
    const values = specs.map(of)
    return values.every((value) => value === undefined) ? null : values
  }
  const after = specs.flatMap((spec, i) => (spec.after ?? []).map((one) => ({ job: i + 1, ...one })))
  const search = specs.flatMap((spec, i) =>
    Object.entries(spec.search ?? {}).map(([field, value]) => ({ job: i + 1, field, value })),
  )
  return {
    queues: kinds.map(([queue]) => queue),
    tasks: kinds.map(([, task]) => task),
    pairs: pairOf,
    ids: specs.map(({ id }) => id),
    inputs: specs.map(({ input }) => input.bytes),
    groups: groups.flatMap((group, i) => group.map(() => i)),
    priorities: column(({ priority }) => (priority === defaultPriority ? undefined : priority)),
    codecs: column(({ input }) => (input.codec === 0 ? undefined : input.codec)),
    versions: column(({ version }) => (version === RECORD_VERSION ? undefined : version)),
    delays: column(({ delayMs }) => delayMs),
    runAts: column(({ runAt }) => runAt),
    expires: column(({ expiresInMs }) => expiresInMs),
    partitions: column(({ partition }) => partition),
    rares: column((spec) => packRare(spec, DEFAULTS) ?? undefined),
    workflows: column(({ workflow }) => workflow),
    tags: column(({ tags }) => (tags === undefined || tags.length === 0 ? undefined : arrayText(tags))),
    flags: column((spec) => flagsOf(spec) || undefined),
    uniques: column(({ unique }) => unique?.key),
    keepSucceeded: column(({ retention }) => own(retention.succeededMs, defaultRetention.succeededMs)),
    keepFailed: column(({ retention }) => own(retention.failedMs, defaultRetention.failedMs)),
    keepCancelled: column(({ retention }) => own(retention.cancelledMs, defaultRetention.cancelledMs)),
    maxCrashes: column(({ maxCrashes }) => own(maxCrashes, defaultMaxCrashes)),
    afterJobs: after.length === 0 ? null : after.map(({ job }) => job),
    afterIds: after.length === 0 ? null : after.map(({ id }) => id),
    afterSuccess: after.length === 0 ? null : after.map(({ when }) => when === 'succeeded'),
    searchJobs: search.length === 0 ? null : search.map(({ job }) => job),
    searchFields: search.length === 0 ? null : search.map(({ field }) => field),
    searchValues: search.length === 0 ? null : search.map(({ value }) => value),
    wake,
  }
}

function own(value: number, usual: number): number | undefined {
  return value === usual ? undefined : value
}

function arrayText(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`
}

function flagsOf(spec: JobSpec): number {
  const { unique, after, search, staged, retention } = spec
  let flags = 0
  if (unique !== undefined) {
    flags |= FLAG.unique
    if (unique.during === 'waiting') flags |= FLAG.waitingKey
    if (unique.onConflict === 'replace') flags |= FLAG.replaces
  }
  if (after !== undefined && after.length > 0) flags |= FLAG.child
  if (search !== undefined && Object.keys(search).length > 0) flags |= FLAG.search
  if (staged === true) flags |= FLAG.staged
  if (
    retention.succeededMs !== defaultRetention.succeededMs ||
    retention.failedMs !== defaultRetention.failedMs ||
    retention.cancelledMs !== defaultRetention.cancelledMs
  )
    flags |= FLAG.retention
  return flags
}

// ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────────

const STATUS = { enqueued: 0, duplicateId: 1, duplicateKey: 2, taken: 3, missing: 4 } as const

/** @param row of `enqueue_jobs`: now, statuses, others */
export function readGroups(groups: readonly (readonly JobSpec[])[], row: Row): GroupAnswer[] {
  if (row[1] === null) return allEnqueued(groups)
  return toAnswers(groups, readNumbers(row[1]), readTexts(row[2]))
}

/** @param text the answer of `enqueue_within` */
export function groupsFromText(groups: readonly (readonly JobSpec[])[], text: string): GroupAnswer[] {
  const { statuses, others } = JSON.parse(text) as {
    statuses: number[] | null
    others: (string | null)[] | null
  }
  return statuses === null ? allEnqueued(groups) : toAnswers(groups, statuses, others ?? [])
}

function allEnqueued(groups: readonly (readonly JobSpec[])[]): GroupAnswer[] {
  return groups.map((group) => ({ ok: true, jobs: group.map(({ id }) => ({ status: 'enqueued', id })) }))
}

function toAnswers(
  groups: readonly (readonly JobSpec[])[],
  statuses: readonly (number | null)[],
  others: readonly (string | null)[],
): GroupAnswer[] {
  let at = 0
  return groups.map((group) => {
    const from = at
    at += group.length
    const jobs: EnqueuedJob[] = []
    for (const [i, spec] of group.entries()) {
      const status = statuses[from + i]
      const other = others[from + i] ?? ''
      if (status === STATUS.taken || status === STATUS.missing) return refusal(spec, status, other)
      if (status === STATUS.duplicateId) jobs.push({ status: 'duplicate', id: spec.id, by: 'id' })
      else if (status === STATUS.duplicateKey) jobs.push({ status: 'duplicate', id: other, by: 'unique' })
      else jobs.push({ status: 'enqueued', id: spec.id })
    }
    return { ok: true, jobs }
  })
}

function refusal({ id, task }: JobSpec, status: 3 | 4, other: string): GroupAnswer {
  if (status === STATUS.taken) {
    const message = `the id '${id}' belongs to a job of task '${other}', so a job of '${task}' cannot have it`
    return { ok: false, code: 'ID_TAKEN', id, message }
  }
  const message = `job '${id}' is to run after '${other}', and no such job is kept`
  return { ok: false, code: 'DEPENDENCY_MISSING', id, message }
}
