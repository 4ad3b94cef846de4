// Asking for jobs of several shards by query, page by page in the order of time, and steering them.

import { OffstageError } from '../../errors/error.ts'
import type { JobRecord } from '../../job/record.ts'
import type { JobPage, JobSelection, ListRequest, SelectionAnswer } from '../contract.ts'
import { boundedLimit } from '../paging.ts'
import { all, shareOut } from './claims.ts'
import type { Shard } from './shard.ts'

const MAX_LIMIT = 1_000
/** How often a page goes back to shards whose jobs it has used up; then it is answered as it is. */
const MAX_ROUNDS = 5

/** Where a page goes on in one shard: the shard's own cursor, and how far what follows it has been answered. */
interface Position {
  cursor: string | undefined
  /** Sequence number of the last job that was answered. */
  seq: number | undefined
  /** How many that follow the cursor have been answered. */
  answered: number
  /** Nothing follows. */
  ended: boolean
}

interface Source extends Position {
  readonly shard: Shard
  /** Read and not yet answered, in order. */
  jobs: JobRecord[]
  /** The shard's cursor behind `jobs`. */
  next: string | undefined
  /** How many follow the cursor as far as was read; undefined where nothing was. */
  read: number | undefined
}

/**
 * A page over all shards. Each shard is asked for a little more than its share, so that a page costs about as much as
 * it would in one shard; those that have more to give than others are asked again.
 */
export async function list(shards: readonly Shard[], request: ListRequest): Promise<JobPage> {
  const limit = boundedLimit(request.limit ?? 50)
  const newest = (request.order ?? 'newest') === 'newest'
  const positions = readCursor(request.cursor, shards.length)
  const sources = positions.map(
    (position, i): Source => ({
      ...position,
      shard: shards[i] as Shard,
      jobs: [],
      next: undefined,
      read: undefined,
    }),
  )
  const found: JobRecord[] = []
  for (let round = 1; found.length < limit; round += 1) {
    const empty = sources.filter((source) => !source.ended && source.jobs.length === 0)
    if (round > MAX_ROUNDS && empty.length > 0) break
    const left = limit - found.length
    const share = round === 1 ? Math.min(left, 2 * Math.ceil(left / sources.length) + 2) : left
    await all(empty.map((source) => read(source, request, share, newest)))
    const more = take(sources, found, limit, newest)
    if (!more) break
  }
  const ended = sources.every((source) => source.ended)
  return ended ? { jobs: found } : { jobs: found, cursor: writeCursor(sources) }
}

/** Reads on in a shard, behind what was answered of it. */
async function read(source: Source, request: ListRequest, share: number, newest: boolean): Promise<void> {
  if (source.read !== undefined) {
    source.cursor = source.next
    source.answered = 0
  }
  const { cursor, seq, answered } = source
  // What was answered is read again with the rest, unless it is much more: then only it is, for the cursor behind it.
  const limit = answered > 2 * share ? answered : answered + share
  const page = await source.shard.call((broker) => broker.list({ ...request, limit, cursor }))
  source.read = page.jobs.length
  source.next = page.cursor
  // Sequence numbers grow in the order of enqueueing, which is the order of the page.
  source.jobs = page.jobs.filter((job) => seq === undefined || (newest ? job.seq < seq : job.seq > seq))
  source.ended = source.jobs.length === 0 && page.cursor === undefined
}

/** Moves jobs to the page in the order of time. False when nothing is left anywhere. */
function take(sources: readonly Source[], found: JobRecord[], limit: number, newest: boolean): boolean {
  while (found.length < limit) {
    let first: Source | undefined
    for (const source of sources) {
      if (source.ended) continue
      // Its next job is not known yet, and may be the next of all.
      if (source.jobs.length === 0) return true
      if (first === undefined || isBefore(source, first, newest)) first = source
    }
    const job = first?.jobs.shift()
    if (first === undefined || job === undefined) return false
    found.push(job)
    first.seq = job.seq
    first.ended = first.jobs.length === 0 && first.next === undefined
  }
  return true
}

function isBefore(a: Source, b: Source, newest: boolean): boolean {
  const [first, second] = [a.jobs[0]?.createdAt ?? 0, b.jobs[0]?.createdAt ?? 0]
  return newest ? first > second : first < second
}

/** A shard of which all that was read was answered goes on at its own cursor. */
function writeCursor(sources: readonly Source[]): string {
  const positions = sources.map(({ ended, read: known, jobs, next, cursor, seq, answered }) => {
    if (ended) return 0
    if (known === undefined) return [cursor ?? null, seq ?? null, answered]
    return jobs.length === 0
      ? [next ?? null, seq ?? null, 0]
      : [cursor ?? null, seq ?? null, known - jobs.length]
  })
  return Buffer.from(JSON.stringify(positions)).toString('base64url')
}

function readCursor(cursor: string | undefined, shards: number): Position[] {
  const start: Position = { cursor: undefined, seq: undefined, answered: 0, ended: false }
  if (cursor === undefined) return Array.from({ length: shards }, () => ({ ...start }))
  const positions = parsed(cursor)
  if (!Array.isArray(positions) || positions.length !== shards) throw badCursor()
  return positions.map((position: unknown): Position => {
    if (position === 0) return { ...start, ended: true }
    if (!Array.isArray(position) || position.length !== 3) throw badCursor()
    const [at, seq, answered]: unknown[] = position
    if (at !== null && typeof at !== 'string') throw badCursor()
    if (seq !== null && typeof seq !== 'number') throw badCursor()
    if (typeof answered !== 'number' || !(answered >= 0 && answered <= MAX_LIMIT)) throw badCursor()
    return { cursor: at ?? undefined, seq: seq ?? undefined, answered, ended: false }
  })
}

function parsed(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    throw badCursor()
  }
}

function badCursor(): OffstageError {
  return new OffstageError('OPTION_INVALID', 'cursor is not one that a page of this broker has answered', {
    details: { path: 'cursor' },
  })
}

export type Steering = 'cancel' | 'retry' | 'remove' | 'promote'

export async function steer(
  shards: readonly Shard[],
  shardOf: (id: string) => number,
  call: Steering,
  selection: JobSelection,
): Promise<SelectionAnswer> {
  const act = (shard: Shard, own: JobSelection): Promise<SelectionAnswer> =>
    shard.call((broker) => broker[call](own))
  if ('query' in selection) return steerByQuery(shards, selection, act)
  const { ids } = selection
  const answers = await all(
    shareOut(shards, shardOf, ids, (id) => id).map(({ shard, items }) => act(shard, { ids: items })),
  )
  const place = new Map(ids.map((id, i) => [id, i]))
  const at = (id: string): number => place.get(id) ?? 0
  return {
    done: answers.flatMap(({ done }) => done).sort((a, b) => at(a) - at(b)),
    skipped: answers.flatMap(({ skipped }) => skipped).sort((a, b) => at(a.id) - at(b.id)),
    more: false,
  }
}

/** Each shard works on its share of the limit; those that have more get what others have left. */
async function steerByQuery(
  shards: readonly Shard[],
  { query, limit: wanted }: Extract<JobSelection, { readonly query: unknown }>,
  act: (shard: Shard, selection: JobSelection) => Promise<SelectionAnswer>,
): Promise<SelectionAnswer> {
  const limit = boundedLimit(wanted ?? 500)
  const done: string[] = []
  const skipped: SelectionAnswer['skipped'][number][] = []
  let left = [...shards]
  while (done.length < limit && left.length > 0) {
    const room = limit - done.length
    const asked = left.slice(0, room)
    const rest = left.slice(room)
    const answers = await all(
      asked.map((shard, i) => {
        const share = Math.floor(room / asked.length) + (i < room % asked.length ? 1 : 0)
        return act(shard, { query, limit: share })
      }),
    )
    const before = done.length
    for (const answer of answers) {
      done.push(...answer.done)
      skipped.push(...answer.skipped)
    }
    left = [...rest, ...asked.filter((_, i) => answers[i]?.more === true)]
    if (done.length === before && rest.length === 0) break
  }
  return { done, skipped, more: left.length > 0 }
}
