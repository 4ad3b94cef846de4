// What `reserve_jobs` asks and answers: claimed jobs as columns.
import type { LeaseRef, Reserved, ReservedJob, ReserveRequest } from '../../../broker/contract.ts'
import { type RareFields, RECORD_VERSION, unpackRare } from '../../../job/record.ts'
import type { Row, Value } from '../client/client.ts'
import type { Call } from '../space.ts'
import { packLongs, packTexts, readBytes, readNumber, readNumbers, readTexts } from './arrays.ts'
import { FLAG } from './flags.ts'

const TYPES = ['text[]', 'integer', 'bigint', 'text', 'integer', 'integer', 'bigint[]', 'boolean']

export const reserveCall: Call = { name: 'reserve_jobs', types: ['bigint', ...TYPES] }
export const reserveTypes: readonly string[] = TYPES

/** Ten places a queue, one for each priority. */
export const PLACES = 10

export function packRequest(
  { queues, max, leaseMs, worker, starting, suspects }: ReserveRequest,
  lows: readonly (number | null)[],
  look: boolean,
): Value[] {
  return [
    packTexts(queues),
    String(max),
    String(leaseMs),
    worker,
    String(starting),
    String(suspects),
    packLongs(lows),
    look ? 't' : 'f',
  ]
}

export interface Kind {
  readonly queue: string
  readonly task: string
}

export interface ReadClaims extends Reserved {
  /** Claims whose stored fields do not parse: to be settled as dead letters. */
  readonly unreadable: readonly LeaseRef[]
  /** The first place in which a job was seen, ten a queue; null where none was, or was not looked for. */
  readonly heads: readonly (number | null)[]
  /** Where asked for: the last place given out, and the transactions that may hold places. */
  readonly tip: number | undefined
  readonly writers: readonly string[]
}

/** The columns of the answer. */
const AT = {
  now: 0,
  dueIn: 1,
  seqs: 2,
  tokens: 3,
  kinds: 4,
  priorities: 5,
  numbers: 6,
  created: 7,
  ids: 8,
  inputs: 9,
  codecs: 10,
  versions: 11,
  flags: 12,
  dues: 13,
  partitions: 14,
  rares: 15,
  failures: 16,
  crashes: 17,
  unknowns: 18,
  progressCodecs: 19,
  progresses: 20,
  heads: 21,
  tip: 22,
  writers: 23,
} as const

/** The kinds of the claimed jobs, for those that are to be looked up. */
export function kindsOf(row: Row): number[] {
  return readNumbers(row[AT.kinds]) as number[]
}

type Draft = { -readonly [K in keyof ReservedJob]: ReservedJob[K] }

/**
 * @param kindOf answers for each of `kindsOf`
 * @param claimed hears the number of each job
 */
export function readClaims(
  row: Row,
  kindOf: (kind: number) => Kind,
  claimed: (job: ReservedJob, seq: number) => void,
): ReadClaims {
  const numbers = (column: number): (number | null)[] => readNumbers(row[column])
  const texts = (column: number): (string | null)[] => readTexts(row[column])
  const [seqs, tokens, kinds] = [numbers(AT.seqs), numbers(AT.tokens), numbers(AT.kinds)]
  const [priorities, codecs, versions] = [numbers(AT.priorities), numbers(AT.codecs), numbers(AT.versions)]
  const [flags, dues] = [numbers(AT.flags), numbers(AT.dues)]
  const [failures, crashes, unknowns] = [numbers(AT.failures), numbers(AT.crashes), numbers(AT.unknowns)]
  const [partitions, rares] = [texts(AT.partitions), texts(AT.rares)]
  const [progressCodecs, progresses] = [numbers(AT.progressCodecs), readBytes(row[AT.progresses])]
  const [created, ids, inputs] = [numbers(AT.created), texts(AT.ids), readBytes(row[AT.inputs])]
  // Which of them stands where in the columns that are not in order.
  const places = new Array<number>(ids.length)
  for (const [place, n] of numbers(AT.numbers).entries()) places[(n ?? 1) - 1] = place
  const unreadable: LeaseRef[] = []
  const jobs: ReservedJob[] = []
  for (let i = 0; i < places.length; i++) {
    const place = places[i] ?? 0
    const { queue, task } = kindOf(kinds[i] ?? 0)
    const id = ids[place] ?? ''
    const token = tokens[i] ?? 0
    const job: Draft = {
      id,
      version: versions[i] ?? RECORD_VERSION,
      task,
      queue,
      priority: priorities[i] ?? 0,
      input: { codec: codecs[i] ?? 0, bytes: inputs[place] ?? new Uint8Array(0) },
      token,
      failures: failures[i] ?? 0,
      crashes: crashes[i] ?? 0,
      suspect: ((flags[i] ?? 0) & FLAG.suspect) !== 0,
      createdAt: created[place] ?? 0,
    }
    const [runAt, partition, unknownSince, codec] = [dues[i], partitions[i], unknowns[i], progressCodecs[i]]
    if (runAt != null) job.runAt = runAt
    if (partition != null) job.partition = partition
    if (unknownSince != null) job.unknownSince = unknownSince
    if (codec != null) job.progress = { codec, bytes: progresses[i] ?? new Uint8Array(0) }
    claimed(job, seqs[i] ?? 0)
    if (rares[i] == null || addRare(job, rares[i] ?? '')) jobs.push(job)
    else unreadable.push({ id, token })
  }
  const nextDueInMs = readNumber(row[AT.dueIn])
  return {
    jobs,
    now: readNumber(row[AT.now]) ?? 0,
    unreadable,
    heads: numbers(AT.heads),
    tip: readNumber(row[AT.tip]),
    writers: texts(AT.writers) as string[],
    ...(nextDueInMs === undefined ? {} : { nextDueInMs }),
  }
}

/** False where they do not parse. */
function addRare(job: Draft, text: string): boolean {
  let rare: RareFields
  try {
    rare = unpackRare(text)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return false
    throw error
  }
  const { headers, tags, retry, timeoutMs, workflow, node } = rare
  if (headers !== undefined) job.headers = headers
  if (tags !== undefined) job.tags = tags
  if (retry !== undefined) job.retry = retry
  if (timeoutMs !== undefined) job.timeoutMs = timeoutMs
  if (workflow !== undefined) job.workflow = workflow
  if (node !== undefined) job.node = node
  return true
}
