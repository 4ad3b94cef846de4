// The record half: asking about jobs and steering them. What goes by ids goes in chunks, so that no transaction holds many
// jobs for long; a query walks one index on the server, no further than the answer needs.

import type { JobPage, JobQuery, JobSelection, ListRequest, SelectionAnswer } from '../../broker/contract.ts'
import { boundedLimit, readCursor } from '../../broker/paging.ts'
import { hasCode } from '../../errors/error.ts'
import type { JobRecord } from '../../job/record.ts'
import { type JobState, jobStates, waitingStates } from '../../job/states.ts'
import type { Row, Value } from './client/client.ts'
import { call, type Space, type Statement, select, selectRows } from './space.ts'
import { packShorts, packTexts, readBool, readNumber, readNumbers, readTexts } from './wire/arrays.ts'
import { placeOf, readRecord } from './wire/records.ts'

/** Ids that one transaction works on. */
const CHUNK = 200
const MAX_LIMIT = 1_000
/** How many rows a listing may read for each row that it may answer. */
const READ_AHEAD = 10
/** What `steer_jobs` answers for a job that it has changed. */
const DONE = 7

export type Action = 'cancel' | 'retry' | 'remove' | 'promote'

/** The states of jobs that an action is for. By query, others are passed over. */
const ACTS_ON: { readonly [A in Action]: readonly JobState[] } = {
  cancel: [...waitingStates, 'active'],
  retry: ['failed', 'cancelled'],
  remove: [...waitingStates, 'succeeded', 'failed', 'cancelled'],
  promote: ['scheduled'],
}

/** The functions that show jobs: all of them, and what a role may see that is not to see payloads. */
type Reader = 'read_jobs' | 'read_jobs_bare'
type Shown = { readonly [R in Reader]: Statement }

function shown(name: string, text: (schema: string, reader: Reader) => string): Shown {
  const of = (reader: Reader): Statement => ({
    name: `${name}_by_${reader}`,
    text: (schema) => text(schema, reader),
  })
  return { read_jobs: of('read_jobs'), read_jobs_bare: of('read_jobs_bare') }
}

const LIST = shown(
  'list',
  (schema, reader) =>
    `SELECT f.last, f.more, r.* FROM ${findText(schema)} f LEFT JOIN LATERAL ${schema}.${reader}(f.seqs) r ON true`,
)
const GET = shown(
  'get',
  (schema, reader) => `SELECT r.* FROM ${schema}.${reader}(${schema}.seqs_of($1::text[])) r`,
)
const FIND = {
  name: 'find_ids',
  text: (schema: string): string =>
    `SELECT f.last, f.more, f.seqs, ${schema}.ids_of(f.seqs) FROM ${findText(schema)} f`,
}
const steerCall = { name: 'steer_jobs', types: ['text', 'text[]', 'smallint[]'] }

export async function get(space: Space, ids: readonly string[]): Promise<(JobRecord | undefined)[]> {
  const records = new Array<JobRecord | undefined>(ids.length).fill(undefined)
  for (let from = 0; from < ids.length; from += CHUNK) {
    const rows = await show(space, GET, [packTexts(ids.slice(from, from + CHUNK))])
    for (const row of rows) records[from + placeOf(row) - 1] = readRecord(row, space.namespace)
  }
  return records
}

/** Those that were refused the payloads. */
const bare = new WeakSet<Space>()

async function show(space: Space, statement: Shown, values: readonly Value[]): Promise<readonly Row[]> {
  if (bare.has(space)) return selectRows(space, statement.read_jobs_bare, values)
  try {
    return await selectRows(space, statement.read_jobs, values)
  } catch (error) {
    if (!hasCode(error, 'BROKER_FORBIDDEN')) throw error
    const rows = await selectRows(space, statement.read_jobs_bare, values).catch((other: unknown) => {
      // Where neither is allowed, the first refusal is the one to tell.
      throw hasCode(other, 'BROKER_FORBIDDEN') ? error : other
    })
    bare.add(space)
    return rows
  }
}

export async function list(space: Space, request: ListRequest): Promise<JobPage> {
  const limit = boundedLimit(request.limit ?? 50)
  const newest = (request.order ?? 'newest') === 'newest'
  const cursor = request.cursor === undefined ? null : readCursor(request.cursor)
  const values = packQuery(request, { newest, cursor, most: limit, look: limit * READ_AHEAD })
  const rows = await show(space, LIST, values)
  const [last, more] = rows[0] ?? []
  const jobs = rows
    .filter(([, , place]) => place !== null)
    .map((row) => readRecord(row.slice(2), space.namespace))
  return readBool(more) ? { jobs, cursor: String(readNumber(last)) } : { jobs }
}

export async function steer(space: Space, action: Action, selection: JobSelection): Promise<SelectionAnswer> {
  const done: string[] = []
  const skipped: { id: string; state: JobState }[] = []
  if ('ids' in selection) {
    for (let from = 0; from < selection.ids.length; from += CHUNK)
      await act(space, action, jobStates, selection.ids.slice(from, from + CHUNK), done, skipped)
    return { done, skipped, more: false }
  }
  const limit = boundedLimit(selection.limit ?? 500)
  const states = (selection.query.states ?? jobStates).filter((state) => ACTS_ON[action].includes(state))
  const query = { ...selection.query, states }
  for (let cursor: number | null = null; ; ) {
    const { ids, last } = await find(space, query, {
      cursor,
      most: limit + 1,
      uncancelled: action === 'cancel',
    })
    for (let from = 0; from < ids.length; ) {
      const room = limit - done.length
      if (room === 0) return { done, skipped, more: true }
      const chunk = ids.slice(from, from + Math.min(room, CHUNK))
      from += chunk.length
      const left: { id: string; state: JobState }[] = []
      await act(space, action, states, chunk, done, left)
      // What an earlier one took along matches no more; what still does was left alone, such as for its unique key.
      skipped.push(...left.filter(({ state }) => states.includes(state)))
    }
    if (ids.length <= limit) return { done, skipped, more: false }
    cursor = last
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
  const values = [action, packTexts(ids), packShorts(states.map((state) => jobStates.indexOf(state)))]
  const [row] = await call(space, steerCall, values)
  for (const [i, answer] of readNumbers(row).entries()) {
    const id = ids[i] ?? ''
    if (answer === DONE) done.push(id)
    else if (answer !== null) skipped.push({ id, state: jobStates[answer] ?? 'ready' })
  }
}

/** Jobs that match, the oldest first, however many have to be looked at. */
async function find(
  space: Space,
  query: JobQuery,
  { cursor: from, most, uncancelled }: { cursor: number | null; most: number; uncancelled: boolean },
): Promise<{ ids: string[]; last: number | null }> {
  const ids: string[] = []
  let cursor = from
  for (;;) {
    const window = {
      newest: false,
      cursor,
      most: most - ids.length,
      look: MAX_LIMIT * READ_AHEAD,
      uncancelled,
    }
    const [last, more, seqs, found] = await select(space, FIND, packQuery(query, window))
    ids.push(...(readTexts(found) as string[]))
    cursor = readNumbers(seqs).at(-1) ?? cursor
    if (ids.length >= most || !readBool(more)) return { ids, last: cursor }
    cursor = readNumber(last) ?? cursor
  }
}

interface Window {
  readonly newest: boolean
  /** Number of the last job of the page before. */
  readonly cursor: number | null
  /** The most jobs. */
  readonly most: number
  /** The most that are looked at. */
  readonly look: number
  /** Passes over those that are being cancelled already. */
  readonly uncancelled?: boolean
}

const FIND_TYPES = [
  'smallint[]',
  ...['text', 'text', 'text', 'text', 'text[]', 'text[]', 'text', 'text'],
  ...['bigint', 'bigint', 'boolean', 'bigint', 'integer', 'integer', 'boolean'],
]

function findText(schema: string): string {
  return `${schema}.find_jobs(${FIND_TYPES.map((type, i) => `$${i + 1}::${type}`).join(', ')})`
}

function packQuery(query: JobQuery, { newest, cursor, most, look, uncancelled = false }: Window): Value[] {
  const { states, queue, task, partition, workflow, search, tag, fingerprint, createdFrom, createdTo } = query
  const fields = Object.entries(search ?? {})
  return [
    states === undefined ? null : packShorts([...new Set(states)].map((state) => jobStates.indexOf(state))),
    queue ?? null,
    task ?? null,
    partition ?? null,
    workflow ?? null,
    fields.length === 0 ? null : packTexts(fields.map(([field]) => field)),
    fields.length === 0 ? null : packTexts(fields.map(([, value]) => value)),
    tag ?? null,
    fingerprint ?? null,
    timeOf(createdFrom),
    timeOf(createdTo),
    newest ? 't' : 'f',
    cursor === null ? null : String(cursor),
    String(most),
    String(look),
    uncancelled ? 't' : 'f',
  ]
}

/** Times beyond what a clock can show bound nothing. */
const LAST_TIME = 2 ** 46

function timeOf(at: number | undefined): string | null {
  if (at === undefined || Number.isNaN(at)) return null
  return String(Math.max(0, Math.min(LAST_TIME, Math.ceil(at))))
}
