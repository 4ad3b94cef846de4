// What a job is, as it is stored: record version 1. Brokers store it as suits them; what they answer has these shapes.
// A rare field is absent rather than empty, and a reader keeps fields that it does not know (`extra`).
import type { JobState, Reason } from './states.ts'

/** The version that this library writes. It reads all versions up to it. */
export const RECORD_VERSION = 1

/** Opaque bytes and the number of the codec that made them. Brokers never look inside. */
export interface Payload {
  /** 0 is JSON in UTF-8. Others are registered with the app. */
  readonly codec: number
  readonly bytes: Uint8Array
}

export interface RetryPolicy {
  /** How many attempts in all, the first included. */
  readonly attempts: number
  /** The back-off after the first failure; it doubles with each further one. */
  readonly baseMs: number
  /** The longest back-off. */
  readonly maxMs: number
}

/** How long an ended job is kept, by how it ended. */
export interface Retention {
  readonly succeededMs: number
  readonly failedMs: number
  readonly cancelledMs: number
}

/** One live job a key. `key` is unique within the namespace, so it carries the name of its task. */
export interface UniqueKey {
  readonly key: string
  /** `unfinished`: held until the job has ended. `waiting`: freed when its first attempt is claimed. */
  readonly during: 'unfinished' | 'waiting'
  /**
   * `keep`: the new job is a duplicate of the one there. `replace`: a waiting job of that key is cancelled (reason
   * `replaced`) and the new one takes the key; one that is active is kept.
   */
  readonly onConflict: 'keep' | 'replace'
}

export interface Dependency {
  readonly id: string
  /** `succeeded`: cancel this job if the other fails or is cancelled. `ended`: run it either way. */
  readonly when: 'succeeded' | 'ended'
}

/** A job as a producer hands it to `enqueue`. Checked and complete: brokers do not validate or fill in defaults. */
export interface JobSpec {
  /** Absent on jobs of version 1. A newer library writes its own number here. */
  readonly version?: number | undefined
  readonly id: string
  readonly task: string
  readonly queue: string
  /** 0 to 9, higher first. */
  readonly priority: number
  readonly input: Payload
  readonly retention: Retention
  /** How many counted crashes make it a dead letter. */
  readonly maxCrashes: number
  /** Due that long after the broker has it. */
  readonly delayMs?: number | undefined
  /** Due at this moment of broker time. Not together with `delayMs`. */
  readonly runAt?: number | undefined
  /** Cancelled (reason `expired`) if its first attempt has not started that long after the broker has it. */
  readonly expiresInMs?: number | undefined
  readonly partition?: string | undefined
  readonly unique?: UniqueKey | undefined
  /** Up to 8 names (letters, digits, _) and short values, indexed where the broker can. */
  readonly search?: { readonly [field: string]: string } | undefined
  readonly tags?: readonly string[] | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
  readonly retry?: RetryPolicy | undefined
  readonly timeoutMs?: number | undefined
  readonly workflow?: string | undefined
  readonly node?: string | undefined
  readonly after?: readonly Dependency[] | undefined
  /** Invisible until `publish(workflow)`; needs `workflow`. */
  readonly staged?: boolean | undefined
  /** Fields of newer versions, kept as they came. */
  readonly extra?: { readonly [field: string]: unknown } | undefined
}

/** An error as it is stored: text only, cut to bounded length, NUL and lone surrogates replaced. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string | undefined
  readonly stack?: string | undefined
  /** The same for errors of the same kind from the same place: groups dead letters. */
  readonly fingerprint: string
  readonly cause?: StoredError | undefined
}

export interface AttemptRecord {
  readonly worker: string
  readonly token: number
  /** Broker time. */
  readonly startedAt: number
  readonly endedAt: number
  readonly outcome:
    | 'succeeded'
    | 'retry'
    | 'failed'
    | 'released'
    | 'snoozed'
    | 'unknown'
    | 'cancelled'
    | 'crashed'
  readonly error?: StoredError | undefined
}

/** How many attempts a record keeps; the oldest are dropped. */
export const MAX_ATTEMPT_RECORDS = 10

export interface Lease {
  readonly worker: string
  /** Fencing token: grows with every claim in a shard. */
  readonly token: number
  /** Broker time. */
  readonly until: number
  readonly started: boolean
}

/** A job as `get` and `list` answer it. Times are epoch milliseconds in broker time. */
export interface JobRecord {
  readonly version: number
  readonly namespace: string
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly partition?: string | undefined
  readonly priority: number
  /** Grows with every enqueued job of a shard. */
  readonly seq: number
  readonly state: JobState
  readonly reason?: Reason | undefined
  readonly input: Payload
  readonly result?: Payload | undefined
  /** The error of the last failed attempt, or why it was dead-lettered. */
  readonly error?: StoredError | undefined
  readonly createdAt: number
  /** When it is or was due; absent for a job that could run at once. */
  readonly runAt?: number | undefined
  readonly startedAt?: number | undefined
  readonly endedAt?: number | undefined
  readonly expiresAt?: number | undefined
  readonly retention: Retention
  readonly maxCrashes: number
  readonly failures: number
  readonly crashes: number
  readonly suspect: boolean
  readonly cancelling: boolean
  readonly lease?: Lease | undefined
  readonly attempts: readonly AttemptRecord[]
  readonly progress?: Payload | undefined
  readonly unique?: UniqueKey | undefined
  readonly search?: { readonly [field: string]: string } | undefined
  readonly tags?: readonly string[] | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
  readonly retry?: RetryPolicy | undefined
  readonly timeoutMs?: number | undefined
  readonly workflow?: string | undefined
  readonly node?: string | undefined
  readonly after?: readonly Dependency[] | undefined
  readonly dependenciesLeft?: number | undefined
  readonly extra?: { readonly [field: string]: unknown } | undefined
}

/**
 * How long a tombstone stands for an ended job whose record is gone: its id, the token of its last outcome and what
 * that outcome was, so that a settle that is repeated late still gets its answer.
 */
export const TOMBSTONE_MS = 300_000

/** The part of a spec that most jobs lack. Stores pack it into one field that costs nothing when it is empty. */
export type RareFields = Pick<
  JobSpec,
  'unique' | 'search' | 'tags' | 'headers' | 'retry' | 'timeoutMs' | 'workflow' | 'node' | 'after' | 'extra'
> & { retention?: Retention | undefined; maxCrashes?: number | undefined }

const RARE = [
  'unique',
  'search',
  'tags',
  'headers',
  'retry',
  'timeoutMs',
  'workflow',
  'node',
  'after',
] as const

/** The rare fields as JSON text, or null where there are none. Default retention and maxCrashes are left out. */
export function packRare(
  spec: JobSpec,
  defaults: { retention: Retention; maxCrashes: number },
): string | null {
  const rare: Record<string, unknown> = { ...spec.extra }
  for (const field of RARE) if (spec[field] !== undefined) rare[field] = spec[field]
  if (!sameRetention(spec.retention, defaults.retention)) rare.retention = spec.retention
  if (spec.maxCrashes !== defaults.maxCrashes) rare.maxCrashes = spec.maxCrashes
  for (const _ in rare) return JSON.stringify(rare)
  return null
}

/** The rare fields from `packRare`; fields that this version does not know come back in `extra`. */
export function unpackRare(text: string | null): RareFields {
  if (text === null || text === '') return {}
  const {
    unique,
    search,
    tags,
    headers,
    retry,
    timeoutMs,
    workflow,
    node,
    after,
    retention,
    maxCrashes,
    ...extra
  } = JSON.parse(text) as RareFields & { [field: string]: unknown }
  const known = {
    unique,
    search,
    tags,
    headers,
    retry,
    timeoutMs,
    workflow,
    node,
    after,
    retention,
    maxCrashes,
  }
  const present = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
  return Object.keys(extra).length === 0 ? present : { ...present, extra }
}

function sameRetention(a: Retention, b: Retention): boolean {
  return (
    a === b ||
    (a.succeededMs === b.succeededMs && a.failedMs === b.failedMs && a.cancelledMs === b.cancelledMs)
  )
}
