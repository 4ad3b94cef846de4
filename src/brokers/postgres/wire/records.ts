// Jobs as `get` and `list` answer them, from the rows of `read_jobs`; and a schedule's job as it is kept.
import type { Schedule } from '../../../broker/contract.ts'
import { defaultMaxCrashes, defaultRetention } from '../../../job/defaults.ts'
import {
  type AttemptRecord,
  type JobRecord,
  MAX_ATTEMPT_RECORDS,
  type Payload,
  type RareFields,
  RECORD_VERSION,
  type StoredError,
  unpackRare,
} from '../../../job/record.ts'
import { jobStates, reasons } from '../../../job/states.ts'
import type { Row } from '../client/client.ts'
import { readBool, readNumber, readText, readTexts } from './arrays.ts'
import { FLAG } from './flags.ts'

type Draft = { -readonly [K in keyof JobRecord]?: JobRecord[K] | undefined }

/** @param row of `read_jobs` */
export function readRecord(row: Row, namespace: string): JobRecord {
  const state = jobStates[readNumber(row[5]) ?? 0] ?? 'ready'
  const flags = readNumber(row[11]) ?? 0
  const reason = readNumber(row[18])
  const waits = readNumber(row[23]) ?? 0
  const {
    retention = defaultRetention,
    maxCrashes = defaultMaxCrashes,
    ...rare
  } = readRare(readText(row[15]))
  const record: Draft = {
    version: readNumber(row[6]) ?? RECORD_VERSION,
    namespace,
    id: readText(row[2]) ?? '',
    task: readText(row[4]) ?? '',
    queue: readText(row[3]) ?? '',
    partition: readText(row[12]),
    priority: readNumber(row[7]) ?? 0,
    seq: readNumber(row[1]) ?? 0,
    state,
    reason: reason === undefined ? undefined : reasons[reason],
    input: readPayload(row[9], row[10]) ?? { codec: 0, bytes: new Uint8Array(0) },
    result: readPayload(row[30], row[31]),
    error: readJson<StoredError>(readText(row[26])),
    createdAt: readNumber(row[8]) ?? 0,
    runAt: readNumber(row[13]),
    startedAt: readNumber(row[16]),
    endedAt: readNumber(row[17]),
    expiresAt: readNumber(row[14]),
    retention,
    maxCrashes,
    failures: readNumber(row[24]) ?? 0,
    crashes: readNumber(row[25]) ?? 0,
    suspect: (flags & FLAG.suspect) !== 0,
    cancelling: (flags & FLAG.cancelling) !== 0,
    lease: state === 'active' ? readLease(row) : undefined,
    attempts: readAttempts(row, state),
    progress: readPayload(row[28], row[29]),
    ...rare,
    dependenciesLeft: state === 'blocked' && waits > 0 ? waits : undefined,
  }
  for (const key of Object.keys(record) as (keyof JobRecord)[])
    if (record[key] === undefined) delete record[key]
  return record as JobRecord
}

/** The place (from 1) of a row of `read_jobs` among the numbers that were asked for. */
export function placeOf(row: Row): number {
  return readNumber(row[0]) ?? 0
}

function readLease(row: Row): JobRecord['lease'] {
  return {
    worker: readText(row[19]) ?? '',
    token: readNumber(row[20]) ?? 0,
    until: readNumber(row[21]) ?? 0,
    started: readBool(row[22]),
  }
}

/** The attempt that succeeded is not written down a second time: the row of the ended job says it all. */
function readAttempts(row: Row, state: JobRecord['state']): readonly AttemptRecord[] {
  const attempts = readTexts(row[27]).flatMap((text) => readJson<AttemptRecord>(text ?? undefined) ?? [])
  if (state !== 'succeeded') return attempts
  const last: AttemptRecord = {
    worker: readText(row[19]) ?? '',
    token: readNumber(row[20]) ?? 0,
    startedAt: readNumber(row[16]) ?? 0,
    endedAt: readNumber(row[17]) ?? 0,
    outcome: 'succeeded',
  }
  return [...attempts, last].slice(-MAX_ATTEMPT_RECORDS)
}

/** None where they cannot be read, so that a damaged row can still be shown. */
function readRare(text: string | undefined): RareFields {
  if (text === undefined) return {}
  const value = readJson<unknown>(text)
  return typeof value === 'object' && value !== null ? unpackRare(text) : {}
}

function readJson<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A copy: rows are views of what the server has sent. */
export function readPayload(
  codec: Row[number] | undefined,
  bytes: Row[number] | undefined,
): Payload | undefined {
  const number = readNumber(codec)
  return number === undefined ? undefined : { codec: number, bytes: new Uint8Array(bytes ?? []) }
}

// ── schedules ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Length of the fields, fields as JSON, codec, input. */
export function packJob({ input, ...fields }: Schedule['job']): Buffer {
  const text = Buffer.from(JSON.stringify(fields))
  const head = Buffer.alloc(4)
  head.writeUInt32BE(text.length)
  return Buffer.concat([head, text, Buffer.of(input.codec), input.bytes])
}

export function unpackJob(bytes: Buffer): Schedule['job'] {
  const end = 4 + bytes.readUInt32BE(0)
  const fields = JSON.parse(bytes.toString('utf8', 4, end)) as Omit<Schedule['job'], 'input'>
  return { ...fields, input: { codec: bytes[end] ?? 0, bytes: new Uint8Array(bytes.subarray(end + 1)) } }
}
