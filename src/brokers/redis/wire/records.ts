// Jobs as `get` and `list` answer them, from their two packed values. The layout stands in `lua/lib-record.lua`.
import { defaultMaxCrashes, defaultRetention } from '../../../job/defaults.ts'
import type { AttemptRecord, JobRecord, StoredError } from '../../../job/record.ts'
import { ByteReader } from './bytes.ts'
import { type ReadSpec, readPayload, readSpec } from './claims.ts'
import type { Kinds } from './kinds.ts'
import { LIVE_FLAG, outcomeKinds, reasonName, stateName } from './layout.ts'

/** What was asked, what became of it, the end of its lease; none for damaged ones. */
export type RecordRow = readonly [spec: Buffer, live: Buffer | null, leaseUntil?: Buffer | null]

/** The first byte of the two short forms. */
const FIRST_CLAIM = 129
const FIRST_SUCCESS = 130

type Draft = { -readonly [K in keyof JobRecord]?: JobRecord[K] | undefined }

export function readRecord(id: string, row: RecordRow, kinds: Kinds, namespace: string): JobRecord {
  const [specBytes, live, leaseUntil = null] = row
  const spec = readSpec(specBytes) ?? readHead(specBytes)
  const kind = kinds.get(spec.kind)
  const { retention = defaultRetention, maxCrashes = defaultMaxCrashes, ...others } = spec.rare ?? {}
  const record: Draft = {
    version: spec.version,
    namespace,
    id,
    task: kind.task,
    queue: kind.queue,
    partition: spec.partition,
    priority: spec.priority,
    seq: spec.seq,
    state: 'ready',
    input: spec.input,
    createdAt: spec.createdAt,
    runAt: spec.runAt,
    expiresAt: spec.expiresAt,
    retention,
    maxCrashes,
    failures: 0,
    crashes: 0,
    suspect: false,
    cancelling: false,
    attempts: [],
    ...others,
  }
  if (live !== null) readWhatIsLeft(() => readLive(record, live, leaseUntil))
  for (const key of Object.keys(record) as (keyof JobRecord)[])
    if (record[key] === undefined) delete record[key]
  return record as JobRecord
}

/** Of damaged bytes what stands before the damage is shown, and the other records of the call are. */
function readWhatIsLeft(read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error
  }
}

/** What is left to show of damaged bytes. */
function readHead(bytes: Buffer): ReadSpec {
  const head = Buffer.alloc(20)
  bytes.copy(head)
  const reader = new ByteReader(head)
  return {
    version: 1,
    createdAt: reader.u48(),
    seq: reader.u56(),
    kind: reader.u16(),
    priority: Math.min(9, head[18] ?? 0),
    expiresAt: undefined,
    partition: undefined,
    rare: undefined,
    input: { codec: 0, bytes: new Uint8Array(bytes) },
    runAt: undefined,
  }
}

function readLive(record: Draft, live: Buffer, leaseUntil: Buffer | null): void {
  const reader = new ByteReader(live)
  if (live[0] === FIRST_CLAIM) {
    readFirstClaim(record, reader, leaseUntil)
    return
  }
  if (live[0] === FIRST_SUCCESS) {
    readFirstSuccess(record, reader)
    return
  }
  record.state = stateName(reader.u8())
  record.reason = reasonName(reader.u8())
  const flags = reader.u16()
  record.failures = reader.u16()
  record.crashes = reader.u16()
  reader.u48()
  const dueAt = reader.f64()
  record.runAt = dueAt < 0 ? undefined : dueAt
  record.startedAt = reader.u48() || undefined
  record.endedAt = reader.u48() || undefined
  reader.u48()
  const token = reader.u56()
  reader.u8()
  reader.u56()
  reader.u48()
  record.dependenciesLeft = reader.u32() || undefined
  const worker = reader.raw(reader.u8()).toString()
  const error = reader.bytes32()
  record.error = error.length === 0 ? undefined : (JSON.parse(error.toString()) as StoredError)
  const progress = reader.bytes32()
  record.progress = progress.length === 0 ? undefined : readPayload(progress)
  const attempts = reader.u8()
  record.attempts = readAttempts(new ByteReader(reader.bytes32()), attempts)
  const result = reader.bytes32()
  record.result = result.length === 0 ? undefined : readPayload(result)
  record.suspect = (flags & LIVE_FLAG.suspect) !== 0
  record.cancelling = (flags & LIVE_FLAG.cancelling) !== 0
  if (record.state === 'active')
    record.lease = {
      worker,
      token,
      until: leaseUntil === null ? 0 : Number(leaseUntil.toString()),
      started: (flags & LIVE_FLAG.started) !== 0,
    }
}

function readFirstClaim(record: Draft, reader: ByteReader, leaseUntil: Buffer | null): void {
  reader.u8()
  const token = reader.u56()
  const claimedAt = reader.u48()
  const started = reader.u8() === 1
  reader.raw(15)
  record.state = 'active'
  record.startedAt = started ? claimedAt : undefined
  const until = leaseUntil === null ? 0 : Number(leaseUntil.toString())
  record.lease = { worker: reader.rest().toString(), token, until, started }
}

function readFirstSuccess(record: Draft, reader: ByteReader): void {
  reader.u8()
  const token = reader.u56()
  const startedAt = reader.u48()
  const endedAt = reader.u48()
  const worker = reader.raw(reader.u8()).toString()
  record.state = 'succeeded'
  record.startedAt = startedAt
  record.endedAt = endedAt
  record.attempts = [{ worker, token, startedAt, endedAt, outcome: 'succeeded' }]
  record.result = readPayload(reader.rest())
}

function readAttempts(reader: ByteReader, count: number): AttemptRecord[] {
  return Array.from({ length: count }, () => {
    reader.u32()
    const outcome = outcomeKinds[reader.u8() - 1] ?? 'failed'
    const token = reader.u56()
    const startedAt = reader.u48()
    const endedAt = reader.u48()
    const worker = reader.raw(reader.u8()).toString()
    const error = reader.bytes32()
    const attempt = { worker, token, startedAt, endedAt, outcome }
    return error.length === 0 ? attempt : { ...attempt, error: JSON.parse(error.toString()) as StoredError }
  })
}
