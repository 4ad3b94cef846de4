// Requests for claims on their way to `lua/reserve.lua`, and the claimed jobs that come back.
import type { Reserved, ReservedJob, ReserveRequest } from '../../../broker/contract.ts'
import { type RareFields, RECORD_VERSION, unpackRare } from '../../../job/record.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { readId } from './ids.ts'
import type { Kinds } from './kinds.ts'
import { SPEC_FLAG } from './layout.ts'

const MOST = 65_535
/** Bytes of a worker's id, since its length is stored in one. */
const MOST_WORKER = 255

/**
 * @param client whom to tell of work where less is found than was asked for; '' for nobody
 * @param alone nobody else of that client waits for these queues
 */
export function packRequest(request: ReserveRequest, client: string, alone: boolean): Buffer {
  const writer = new ByteWriter()
  writer.u16(Math.max(0, Math.min(request.max, MOST)))
  writer.u16(Math.max(0, Math.min(request.starting, MOST)))
  writer.u8(request.suspects)
  writer.u8(alone ? 1 : 0)
  writer.u48(request.leaseMs)
  writer.text16(shortened(request.worker))
  writer.text16(client)
  writer.u16(request.queues.length)
  for (const queue of request.queues) writer.text16(queue)
  return writer.take()
}

/** The end of a long id is what tells it from others; a character may take three bytes. */
function shortened(worker: string): string {
  return Buffer.byteLength(worker) <= MOST_WORKER ? worker : worker.slice(-80)
}

/** A claim whose record cannot be read, which is to become a dead letter. */
interface UnreadableClaim {
  readonly id: string
  readonly token: number
}

export interface ReadClaims extends Reserved {
  readonly unreadable: readonly UnreadableClaim[]
  /** All there was to take was taken. */
  readonly drained: boolean
}

/** @param reply of `reserve` in Lua */
export function readClaims(reply: unknown, kinds: Kinds): ReadClaims {
  const [bytes, now, nextDueInMs, drained, names] = reply as [Buffer, number, number, number, unknown]
  kinds.learn(names)
  const reader = new ByteReader(bytes)
  const jobs: ReservedJob[] = []
  const unreadable: UnreadableClaim[] = []
  while (!reader.done) {
    if (reader.u8() === 1) {
      const token = reader.u56()
      const id = readId(reader)
      const job = plainClaim(id, token, readSpecIn(reader), kinds)
      if (job === undefined) unreadable.push({ id, token })
      else jobs.push(job)
      continue
    }
    const token = reader.u56()
    const failures = reader.u16()
    const crashes = reader.u16()
    const suspect = reader.u8() === 1
    const unknownSince = reader.u48()
    const runAt = reader.f64()
    const kind = kinds.get(reader.u16())
    const id = readId(reader)
    const progress = reader.bytes32()
    const read = readSpecIn(reader)
    if (read === undefined) {
      unreadable.push({ id, token })
      continue
    }
    const { input, createdAt, version, priority, partition, rare } = read
    const { task, queue } = kind
    const job: Draft = {
      id,
      version,
      task,
      queue,
      priority,
      input,
      token,
      failures,
      crashes,
      suspect,
      createdAt,
    }
    if (runAt >= 0) job.runAt = runAt
    if (partition !== undefined) job.partition = partition
    if (progress.length > 0) job.progress = readPayload(progress)
    if (unknownSince > 0) job.unknownSince = unknownSince
    if (rare !== undefined) addRare(job, rare)
    jobs.push(job)
  }
  return { jobs, now, drained: drained === 1, unreadable, ...(nextDueInMs < 0 ? {} : { nextDueInMs }) }
}

type Draft = { -readonly [K in keyof ReservedJob]: ReservedJob[K] }

/** The first claim of a job that has never run. */
function plainClaim(
  id: string,
  token: number,
  read: ReadSpec | undefined,
  kinds: Kinds,
): ReservedJob | undefined {
  if (read === undefined) return undefined
  const { input, createdAt, version, priority, partition, rare, runAt } = read
  const { task, queue } = kinds.get(read.kind)
  const job: Draft = {
    id,
    version,
    task,
    queue,
    priority,
    input,
    token,
    failures: 0,
    crashes: 0,
    suspect: false,
    createdAt,
  }
  if (runAt !== undefined) job.runAt = runAt
  if (partition !== undefined) job.partition = partition
  if (rare !== undefined) addRare(job, rare)
  return job
}

function addRare(job: Draft, { headers, tags, retry, timeoutMs, workflow, node }: RareFields): void {
  if (headers !== undefined) job.headers = headers
  if (tags !== undefined) job.tags = tags
  if (retry !== undefined) job.retry = retry
  if (timeoutMs !== undefined) job.timeoutMs = timeoutMs
  if (workflow !== undefined) job.workflow = workflow
  if (node !== undefined) job.node = node
}

export interface ReadSpec {
  readonly version: number
  readonly createdAt: number
  readonly seq: number
  readonly kind: number
  readonly priority: number
  readonly runAt: number | undefined
  readonly expiresAt: number | undefined
  readonly partition: string | undefined
  readonly rare: RareFields | undefined
  readonly input: { readonly codec: number; readonly bytes: Uint8Array }
}

/** What a job was asked to be; undefined where its bytes are damaged. The input is a part of the given bytes. */
export function readSpec(spec: Buffer): ReadSpec | undefined {
  return readSpecFrom(new ByteReader(spec))
}

/** The same where it stands among other things, with its length before it. */
function readSpecIn(reader: ByteReader): ReadSpec | undefined {
  return reader.within32(() => readSpecFrom(reader))
}

function readSpecFrom(reader: ByteReader): ReadSpec | undefined {
  try {
    const createdAt = reader.u48()
    const seq = reader.u56()
    const kind = reader.u16()
    reader.u8()
    const flags = reader.u16()
    const priority = reader.u8()
    const codec = reader.u8()
    const has = (flag: number): boolean => (flags & flag) !== 0
    const runAt = has(SPEC_FLAG.runAt) ? reader.f64() : undefined
    const expiresAt = has(SPEC_FLAG.expires) ? reader.f64() : undefined
    const version = has(SPEC_FLAG.versioned) ? reader.u16() : RECORD_VERSION
    const partition = has(SPEC_FLAG.partition) ? reader.text16() : undefined
    if (has(SPEC_FLAG.links)) reader.bytes32()
    const rare = has(SPEC_FLAG.rare) ? unpackRare(reader.bytes32().toString()) : undefined
    return {
      version,
      createdAt,
      seq,
      kind,
      priority,
      runAt,
      expiresAt,
      partition,
      rare,
      input: { codec, bytes: reader.view(reader.left) },
    }
  } catch (error) {
    // Too short, or fields that are no JSON: what somebody has damaged is a dead letter, not an error of the call.
    if (error instanceof RangeError || error instanceof SyntaxError) return undefined
    throw error
  }
}

export function readPayload(bytes: Buffer): { codec: number; bytes: Uint8Array } {
  return { codec: bytes[0] ?? 0, bytes: new Uint8Array(bytes.subarray(1)) }
}
