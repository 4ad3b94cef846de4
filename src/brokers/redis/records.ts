// The record half: asking about jobs and steering them. What goes by ids goes in chunks, so that no call holds up the
// server; a query walks an index in pages, and what the indexes do not know is checked here.

import type { JobPage, JobQuery, JobSelection, ListRequest, SelectionAnswer } from '../../broker/contract.ts'
import { boundedLimit, readCursor } from '../../broker/paging.ts'
import type { JobRecord } from '../../job/record.ts'
import { type JobState, jobStates, waitingStates } from '../../job/states.ts'
import { scripts } from './scripts.ts'
import { run, type Space } from './space.ts'
import { packId, unpackId } from './wire/ids.ts'
import { stateName, stateNumber } from './wire/layout.ts'
import { type RecordRow, readRecord } from './wire/records.ts'

/** Ids a script works on at once. */
const CHUNK = 200
/** How many rows a listing may read for each row that it may answer. */
const READ_AHEAD = 10
/** The most rows and bytes that one trip of a listing brings. */
const PAGE_ROWS = 200
const PAGE_BYTES = 1_000_000

export type Action = 'cancel' | 'retry' | 'remove' | 'promote'

/** The states of jobs that an action is for. By query, others are passed over. */
const ACTS_ON: { readonly [A in Action]: readonly JobState[] } = {
  cancel: [...waitingStates, 'active'],
  retry: ['failed', 'cancelled'],
  remove: [...waitingStates, 'succeeded', 'failed', 'cancelled'],
  promote: ['scheduled'],
}

export async function get(space: Space, ids: readonly string[]): Promise<(JobRecord | undefined)[]> {
  const records: (JobRecord | undefined)[] = []
  for (let from = 0; from < ids.length; from += CHUNK) {
    const chunk = ids.slice(from, from + CHUNK)
    const [rows, kinds] = (await run(space, scripts.get, ...chunk.map(packId))) as [
      (RecordRow | null)[],
      unknown,
    ]
    space.kinds.learn(kinds)
    for (const [i, row] of rows.entries())
      records.push(row === null ? undefined : readRecord(chunk[i] ?? '', row, space.kinds, space.namespace))
  }
  return records
}

export async function list(space: Space, request: ListRequest): Promise<JobPage> {
  const limit = boundedLimit(request.limit ?? 50)
  const newest = (request.order ?? 'newest') === 'newest'
  const jobs: JobRecord[] = []
  let left = limit * READ_AHEAD
  let cursor = request.cursor === undefined ? '' : String(readCursor(request.cursor))
  for (;;) {
    const page = await readPage(space, request, newest, cursor, Math.min(left, PAGE_ROWS))
    for (const job of page.jobs) {
      if (jobs.length === limit || left === 0) return { jobs, cursor }
      left -= 1
      cursor = String(job.seq)
      if (matches(job, request)) jobs.push(job)
    }
    if (page.next === '') return { jobs }
    cursor = page.next
    if (jobs.length === limit || left === 0) {
      // Without a look further it is not known whether there is more; a cursor to an empty page is allowed.
      return { jobs, cursor }
    }
  }
}

export async function steer(space: Space, action: Action, selection: JobSelection): Promise<SelectionAnswer> {
  const done: string[] = []
  const skipped: { id: string; state: JobState }[] = []
  if ('ids' in selection) {
    await act(space, action, jobStates, selection.ids, done, skipped)
    return { done, skipped, more: false }
  }
  const limit = boundedLimit(selection.limit ?? 500)
  const states = (selection.query.states ?? jobStates).filter((state) => ACTS_ON[action].includes(state))
  if (states.length === 0) return { done, skipped, more: false }
  const query = { ...selection.query, states }
  let cursor = ''
  for (;;) {
    const page = await readPage(space, query, false, cursor, PAGE_ROWS)
    const found = page.jobs.filter((job) => matches(job, query) && !(action === 'cancel' && job.cancelling))
    // One that comes before it in the selection may take others along, so no more than are still wanted at once.
    for (let from = 0; from < found.length; ) {
      const room = limit - done.length
      if (room === 0) return { done, skipped, more: true }
      const chunk = found.slice(from, from + Math.min(room, CHUNK))
      from += chunk.length
      const ids = chunk.map(({ id }) => id)
      const left: { id: string; state: JobState }[] = []
      await act(space, action, states, ids, done, left)
      // What an earlier one took along matches no more; what still does was left alone, such as for its unique key.
      skipped.push(...left.filter(({ state }) => states.includes(state)))
    }
    if (page.next === '') return { done, skipped, more: false }
    cursor = page.next
  }
}

/** @param states jobs that are in another one by then are left alone */
async function act(
  space: Space,
  action: Action,
  states: readonly JobState[],
  ids: readonly string[],
  done: string[],
  skipped: { id: string; state: JobState }[],
): Promise<void> {
  const wanted = states.map(stateNumber).join('')
  for (let from = 0; from < ids.length; from += CHUNK) {
    const chunk = ids.slice(from, from + CHUNK)
    const letters = String(await run(space, scripts.steer, action, wanted, ...chunk.map(packId)))
    for (const [i, id] of chunk.entries()) {
      const letter = letters[i]
      if (letter === 'd') done.push(id)
      else if (letter !== '-') skipped.push({ id, state: stateName(Number(letter)) })
    }
  }
}

interface Page {
  readonly jobs: readonly JobRecord[]
  /** Where to go on; '' where there is nothing more. */
  readonly next: string
}

async function readPage(
  space: Space,
  query: JobQuery,
  newest: boolean,
  cursor: string,
  rows: number,
): Promise<Page> {
  const { createdFrom, createdTo } = query
  const states = (query.states ?? jobStates).map(stateNumber).join('')
  const reply = await run(
    space,
    scripts.list,
    newest ? 'newest' : 'oldest',
    cursor,
    String(rows),
    String(PAGE_BYTES),
    states,
    query.queue ?? '',
    query.task ?? '',
    indexOf(query),
    timeOf(createdFrom),
    timeOf(createdTo),
  )
  const [found, kinds, next] = reply as [[Buffer, ...RecordRow][], unknown, Buffer]
  space.kinds.learn(kinds)
  const jobs = found.map(([id, ...row]) => readRecord(unpackId(id), row, space.kinds, space.namespace))
  return { jobs, next: next.toString() }
}

/** The index that holds the fewest by its nature: a declared field, or a workflow. */
function indexOf({ search, workflow }: JobQuery): string {
  const [field] = Object.entries(search ?? {})
  if (field !== undefined) return `search:${field[0]}=${field[1]}`
  return workflow === undefined ? '' : `workflow:${workflow}`
}

/** Times beyond what a number of the store can hold bound nothing. */
const LAST_TIME = 2 ** 46

function timeOf(at: number | undefined): string {
  if (at === undefined || !Number.isFinite(at)) return ''
  return String(Math.max(0, Math.min(LAST_TIME, Math.floor(at))))
}

function matches(job: JobRecord, query: JobQuery): boolean {
  if (query.states !== undefined && !query.states.includes(job.state)) return false
  if (query.task !== undefined && query.task !== job.task) return false
  if (query.queue !== undefined && query.queue !== job.queue) return false
  if (query.partition !== undefined && query.partition !== job.partition) return false
  if (query.workflow !== undefined && query.workflow !== job.workflow) return false
  for (const [field, value] of Object.entries(query.search ?? {}))
    if (job.search?.[field] !== value) return false
  if (query.tag !== undefined && job.tags?.includes(query.tag) !== true) return false
  if (query.fingerprint !== undefined && query.fingerprint !== job.error?.fingerprint) return false
  if (query.createdFrom !== undefined && job.createdAt < query.createdFrom) return false
  return query.createdTo === undefined || job.createdAt < query.createdTo
}
