// Asking for jobs by query, and steering them by ids or by query. A query reads the smallest index that covers it, in
// the order of enqueueing.

import type { JobPage, JobQuery, JobSelection, ListRequest, SelectionAnswer } from '../../broker/contract.ts'
import { boundedLimit, readCursor } from '../../broker/paging.ts'
import { type JobState, jobStates } from '../../job/states.ts'
import { spread } from './dependents.ts'
import { type StoredJob, toRecord } from './job.ts'
import type { Sequence } from './sequence.ts'
import type { Space } from './space.ts'
import { indexKey } from './store.ts'

/** How many rows a listing may read for each row that it may answer. */
const READ_AHEAD = 10

export function list(space: Space, namespace: string, request: ListRequest): JobPage {
  const limit = boundedLimit(request.limit ?? 50)
  const newest = (request.order ?? 'newest') === 'newest'
  const cursor = request.cursor === undefined ? undefined : readCursor(request.cursor)
  const { createdFrom = Number.NEGATIVE_INFINITY, createdTo = Number.POSITIVE_INFINITY } = request
  const rows = newest
    ? merge(
        indexes(space, request).map((index) =>
          index.descending(
            (job) => job.createdAt >= createdTo || job.seq >= (cursor ?? Number.POSITIVE_INFINITY),
          ),
        ),
        (a, b) => a.seq > b.seq,
      )
    : merge(
        indexes(space, request).map((index) =>
          index.ascending((job) => job.createdAt >= createdFrom && job.seq > (cursor ?? 0)),
        ),
        (a, b) => a.seq < b.seq,
      )
  const found: StoredJob[] = []
  let read = 0
  let last: StoredJob | undefined
  for (const job of rows) {
    const past = newest ? job.createdAt < createdFrom : job.createdAt >= createdTo
    if (past) break
    if (found.length === limit || read === limit * READ_AHEAD)
      return { jobs: found.map((one) => toRecord(one, namespace)), cursor: String(last?.seq) }
    read += 1
    last = job
    if (matches(job, request)) found.push(job)
  }
  return { jobs: found.map((one) => toRecord(one, namespace)) }
}

export interface Steering {
  /** The states of jobs that the action is for. By query, others are passed over. */
  readonly states: readonly JobState[]
  /** False where it has to leave this one alone. */
  readonly act: (job: StoredJob) => boolean
  /** By query: true for jobs that it has been done to already. */
  readonly already?: (job: StoredJob) => boolean
}

export function steer(space: Space, selection: JobSelection, steering: Steering): SelectionAnswer {
  const done: string[] = []
  const skipped: { id: string; state: JobState }[] = []
  const visit = (job: StoredJob): void => {
    const { id } = job.spec
    const { state } = job
    if (steering.states.includes(state) && steering.act(job)) done.push(id)
    else skipped.push({ id, state })
    spread(space)
  }
  if ('ids' in selection) {
    for (const id of selection.ids) {
      const job = space.store.get(id)
      if (job !== undefined) visit(job)
    }
    return { done, skipped, more: false }
  }
  const limit = boundedLimit(selection.limit ?? 500)
  const wanted = selection.query.states ?? jobStates
  const query = { ...selection.query, states: wanted.filter((state) => steering.states.includes(state)) }
  for (let from = 0; ; ) {
    const batch = matchesAfter(space, query, from, limit + 1, steering)
    for (const job of batch) {
      if (done.length === limit) return { done, skipped, more: true }
      from = job.seq
      // An earlier one of the selection may have taken it along.
      if (space.store.has(job) && query.states.includes(job.state)) visit(job)
    }
    if (batch.length <= limit) return { done, skipped, more: false }
  }
}

/** Up to `max` matches beyond a sequence number, the oldest first: a copy, since acting on them moves the indexes. */
function matchesAfter(
  space: Space,
  query: JobQuery,
  seq: number,
  max: number,
  { already }: Steering,
): StoredJob[] {
  const found: StoredJob[] = []
  const rows = merge(
    indexes(space, query).map((index) => index.ascending((job) => job.seq > seq)),
    (a, b) => a.seq < b.seq,
  )
  for (const job of rows) {
    if (!matches(job, query) || already?.(job) === true) continue
    found.push(job)
    if (found.length === max) break
  }
  return found
}

function matches({ spec, state, error, createdAt }: StoredJob, query: JobQuery): boolean {
  if (query.states !== undefined && !query.states.includes(state)) return false
  if (query.task !== undefined && query.task !== spec.task) return false
  if (query.queue !== undefined && query.queue !== spec.queue) return false
  if (query.partition !== undefined && query.partition !== spec.partition) return false
  if (query.workflow !== undefined && query.workflow !== spec.workflow) return false
  for (const [field, value] of Object.entries(query.search ?? {}))
    if (spec.search?.[field] !== value) return false
  if (query.tag !== undefined && spec.tags?.includes(query.tag) !== true) return false
  if (query.fingerprint !== undefined && query.fingerprint !== error?.fingerprint) return false
  if (query.createdFrom !== undefined && createdAt < query.createdFrom) return false
  return query.createdTo === undefined || createdAt < query.createdTo
}

/** The smallest set of indexes that together hold every match. */
function indexes(space: Space, query: JobQuery): Sequence<StoredJob>[] {
  const states = query.states ?? jobStates
  const candidates: string[][] = []
  if (query.workflow !== undefined) candidates.push([indexKey.workflow(query.workflow)])
  for (const [field, value] of Object.entries(query.search ?? {}))
    candidates.push([indexKey.search(field, value)])
  const { task, queue } = query
  if (task !== undefined) candidates.push(states.map((state) => indexKey.task(state, task)))
  if (queue !== undefined) candidates.push(states.map((state) => indexKey.queue(state, queue)))
  if (candidates.length === 0) candidates.push(states.map((state) => indexKey.state(state)))
  const sets = candidates.map((keys) => keys.flatMap((key) => space.store.index(key) ?? []))
  const size = (set: Sequence<StoredJob>[]): number => set.reduce((sum, index) => sum + index.size, 0)
  return sets.reduce((best, set) => (size(set) < size(best) ? set : best))
}

/** Several ordered sources as one. */
function* merge(
  sources: readonly Generator<StoredJob, void>[],
  before: (a: StoredJob, b: StoredJob) => boolean,
): Generator<StoredJob, void> {
  const heads = sources.flatMap((source) => {
    const { value } = source.next()
    return value === undefined ? [] : [{ source, job: value as StoredJob }]
  })
  while (heads.length > 0) {
    const first = heads.reduce((best, head) => (before(head.job, best.job) ? head : best))
    yield first.job
    const { value } = first.source.next()
    if (value === undefined) heads.splice(heads.indexOf(first), 1)
    else first.job = value as StoredJob
  }
}
