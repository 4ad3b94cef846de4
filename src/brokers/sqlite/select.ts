// Asking for jobs by query, and steering them by ids or by query. A query reads one index in the order of enqueueing,
// looks at narrow rows, and only reads those whole that match.

import type { JobQuery, JobSelection, ListRequest, SelectionAnswer } from '../../broker/contract.ts'
import { boundedLimit, readCursor } from '../../broker/paging.ts'
import type { StoredError } from '../../job/record.ts'
import { type JobState, jobStates } from '../../job/states.ts'
import type { Statement, Value } from './engine.ts'
import { type JobRow, rareOf, STATE } from './row.ts'
import type { Store } from './store.ts'

/** How many rows a listing may read for each row that it may answer. */
const READ_AHEAD = 10

type Narrow = readonly [
  seq: number,
  state: number,
  task: number,
  queue: number,
  partition: string | null,
  workflow: string | null,
  createdAt: number,
  flags: number,
]

export interface FoundPage {
  readonly rows: readonly JobRow[]
  readonly cursor?: string | undefined
}

export interface Steering {
  /** The states of jobs that the action is for. By query, others are passed over. */
  readonly states: readonly JobState[]
  /** False where it has to leave this one alone. */
  readonly act: (row: JobRow) => boolean
  /** By query: flags of jobs that it has been done to already. */
  readonly already?: number | undefined
}

export class Select {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  list(request: ListRequest): FoundPage {
    const limit = boundedLimit(request.limit ?? 50)
    const newest = (request.order ?? 'newest') === 'newest'
    const cursor = request.cursor === undefined ? undefined : readCursor(request.cursor)
    const { createdFrom = Number.NEGATIVE_INFINITY, createdTo = Number.POSITIVE_INFINITY } = request
    const most = limit * READ_AHEAD
    // Ids go with time: the first of a time bounds the walk, so that a narrow range costs what is in it.
    const from = cursor ?? this.#edge(newest, request)
    const read = this.#narrow(request, newest, from, most + 1)
    const rows: JobRow[] = []
    let last: number | undefined
    for (const [index, narrow] of read.entries()) {
      const createdAt = narrow[6]
      if (newest ? createdAt < createdFrom : createdAt >= createdTo) return { rows }
      if (rows.length === limit || index === most) return { rows, cursor: String(last) }
      last = narrow[0]
      const row = this.#match(narrow, request)
      if (row !== undefined) rows.push(row)
    }
    return { rows }
  }

  /** @param after called after each job that was acted upon */
  steer(selection: JobSelection, steering: Steering, after: () => void): SelectionAnswer {
    const done: string[] = []
    const skipped: { id: string; state: JobState }[] = []
    const visit = (row: JobRow): void => {
      const state = jobStates[row.state] ?? 'ready'
      if (steering.states.includes(state) && steering.act(row)) done.push(row.id)
      else skipped.push({ id: row.id, state })
      after()
    }
    if ('ids' in selection) {
      for (const id of selection.ids) {
        const row = this.#store.jobById(id)
        if (row !== undefined) visit(row)
      }
      return { done, skipped, more: false }
    }
    const more = this.#visitMatching(selection.query, boundedLimit(selection.limit ?? 500), steering, visit)
    return { done, skipped, more }
  }

  /** Visits up to `limit` matching jobs, the oldest first; true where there may be more. */
  #visitMatching(query: JobQuery, limit: number, steering: Steering, visit: (row: JobRow) => void): boolean {
    const states = (query.states ?? jobStates).filter((state) => steering.states.includes(state))
    const wanted = { ...query, states }
    let cursor = 0
    let visited = 0
    for (let read = 0; read < limit * READ_AHEAD; ) {
      const rows = this.#narrow(wanted, false, cursor, limit)
      for (const narrow of rows) {
        if (steering.already !== undefined && (narrow[7] & steering.already) !== 0) continue
        const row = this.#match(narrow, wanted)
        if (row === undefined) continue
        if (visited === limit) return true
        visit(row)
        visited += 1
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < limit) return false
      cursor = last[0]
      read += rows.length
    }
    return true
  }

  /** The whole row of a job that matches all conditions. */
  #match(narrow: Narrow, query: JobQuery): JobRow | undefined {
    const [seq, state, task, queue, partition, workflow, createdAt] = narrow
    const { names } = this.#store
    if (query.states !== undefined && !query.states.includes(jobStates[state] ?? 'ready')) return undefined
    if (query.task !== undefined && query.task !== names.text(task)) return undefined
    if (query.queue !== undefined && query.queue !== names.text(queue)) return undefined
    if (query.partition !== undefined && query.partition !== partition) return undefined
    if (query.workflow !== undefined && query.workflow !== workflow) return undefined
    if (query.createdFrom !== undefined && createdAt < query.createdFrom) return undefined
    if (query.createdTo !== undefined && createdAt >= query.createdTo) return undefined
    const row = this.#store.jobBySeq(seq)
    if (row === undefined || row.state !== state) return undefined
    if (query.fingerprint !== undefined && fingerprint(row) !== query.fingerprint) return undefined
    if (query.search === undefined && query.tag === undefined) return row
    const { search, tags } = rareOf(row)
    for (const [field, value] of Object.entries(query.search ?? {}))
      if (search?.[field] !== value) return undefined
    return query.tag === undefined || tags?.includes(query.tag) === true ? row : undefined
  }

  /** Rows of the index that fits the query best, after `from`, in order. */
  #narrow(query: JobQuery, newest: boolean, from: number, max: number): Narrow[] {
    const { sql, names } = this.#store
    const [field] = Object.entries(query.search ?? {})
    const pick = (down: Statement, up: Statement, ...key: Value[]): Narrow[] =>
      (newest ? down : up).all<Narrow>(...key, from, max)
    if (query.workflow !== undefined) return pick(sql.listWorkflowDown, sql.listWorkflowUp, query.workflow)
    if (field !== undefined) return pick(sql.listSearchDown, sql.listSearchUp, ...field)
    const { states } = query
    const rare = states?.every((state) => state !== 'succeeded' && state !== 'ready') === true
    if (!rare && query.task !== undefined)
      return pick(sql.listTaskDown, sql.listTaskUp, names.find(query.task) ?? 0)
    if (!rare && query.queue !== undefined)
      return pick(sql.listQueueDown, sql.listQueueUp, names.find(query.queue) ?? 0)
    if (states === undefined) return pick(sql.listTimeDown, sql.listTimeUp)
    const found = states.flatMap((state) => pick(sql.listStateDown, sql.listStateUp, STATE[state]))
    return found.sort((a, b) => (newest ? b[0] - a[0] : a[0] - b[0])).slice(0, max)
  }

  /** Where to start without a cursor. */
  #edge(newest: boolean, { createdFrom, createdTo }: ListRequest): number {
    if (newest) return createdTo === undefined ? Number.MAX_SAFE_INTEGER : this.#firstAt(createdTo)
    return createdFrom === undefined ? 0 : this.#firstAt(createdFrom) - 1
  }

  /** The sequence number of the first job that was enqueued at or after a time: found by halving, as both grow. */
  #firstAt(at: number): number {
    let low = 1
    let high = this.#store.counters.seq + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const row = this.#store.sql.createdAfter.get<[number, number]>(middle)
      if (row === undefined || row[1] >= at) high = middle
      else low = row[0] + 1
    }
    return low
  }
}

function fingerprint(row: JobRow): string | undefined {
  return row.error === null ? undefined : (JSON.parse(row.error) as StoredError).fingerprint
}
