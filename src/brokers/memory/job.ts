// A job as the memory broker holds it: its spec, what has become of it, and its ties to other jobs.
import type { LogLine, Outcome, ReservedJob, Step } from '../../broker/contract.ts'
import {
  type AttemptRecord,
  type Dependency,
  type JobRecord,
  type JobSpec,
  type Lease,
  type Payload,
  RECORD_VERSION,
  type StoredError,
} from '../../job/record.ts'
import type { JobState, Reason } from '../../job/states.ts'

export interface StoredJob {
  readonly spec: JobSpec
  readonly seq: number
  readonly createdAt: number
  readonly expiresAt: number | undefined
  state: JobState
  reason: Reason | undefined
  result: Payload | undefined
  error: StoredError | undefined
  runAt: number | undefined
  startedAt: number | undefined
  endedAt: number | undefined
  failures: number
  crashes: number
  suspect: boolean
  cancelling: boolean
  /** `startedAt`: when it was claimed, or when its start was recorded. */
  lease: (Lease & { readonly startedAt: number }) | undefined
  attempts: readonly AttemptRecord[]
  progress: Payload | undefined
  unknownSince: number | undefined
  /** Its place in line among those of its priority. 0 until it first becomes ready. */
  pos: number
  /** True from its first attempt on: then it expires no more. */
  begun: boolean
  /** The last outcome that was recorded: sent again, it is answered as before. */
  settled: SettledOutcome | undefined
  /** When its record goes; only for ended jobs. */
  pruneAt: number
  holdsKey: boolean
  dependenciesLeft: number
  /** Who waits for it. */
  dependents: Dependent[]
  /** The records that it needs until it has ended. */
  needs: readonly StoredJob[]
  /** How many unfinished jobs need its record. */
  neededBy: number
  logs: LogLine[]
  logSeq: number
  readonly steps: Map<string, Step>
}

export interface SettledOutcome {
  readonly token: number
  readonly kind: Outcome['kind']
}

export interface Dependent {
  readonly job: StoredJob
  readonly when: Dependency['when']
}

export function newJob(
  spec: JobSpec,
  at: { readonly seq: number; readonly now: number; readonly state: JobState },
): StoredJob {
  const { delayMs = 0 } = spec
  return {
    spec: copySpec(spec),
    seq: at.seq,
    createdAt: at.now,
    expiresAt: spec.expiresInMs === undefined ? undefined : at.now + spec.expiresInMs,
    state: at.state,
    reason: undefined,
    result: undefined,
    error: undefined,
    runAt: spec.runAt ?? (delayMs > 0 ? at.now + delayMs : undefined),
    startedAt: undefined,
    endedAt: undefined,
    failures: 0,
    crashes: 0,
    suspect: false,
    cancelling: false,
    lease: undefined,
    attempts: [],
    progress: undefined,
    unknownSince: undefined,
    pos: 0,
    begun: false,
    settled: undefined,
    pruneAt: Number.POSITIVE_INFINITY,
    holdsKey: false,
    dependenciesLeft: 0,
    dependents: [],
    needs: [],
    neededBy: 0,
    logs: [],
    logSeq: 0,
    steps: new Map(),
  }
}

/** A copy, made on the way in and on the way out, so that nobody else's bytes are the store's. */
export function copyPayload({ codec, bytes }: Payload): Payload {
  return { codec, bytes: new Uint8Array(bytes) }
}

export function copySpec<S extends Omit<JobSpec, 'id'>>(spec: S): S {
  const { input, ...rest } = spec
  return { ...structuredClone(rest), input: copyPayload(input) } as S
}

export function toRecord(job: StoredJob, namespace: string): JobRecord {
  const { spec, lease } = job
  return present({
    version: spec.version ?? RECORD_VERSION,
    namespace,
    id: spec.id,
    task: spec.task,
    queue: spec.queue,
    partition: spec.partition,
    priority: spec.priority,
    seq: job.seq,
    state: job.state,
    reason: job.reason,
    input: copyPayload(spec.input),
    result: job.result && copyPayload(job.result),
    error: job.error,
    createdAt: job.createdAt,
    runAt: job.runAt,
    startedAt: job.startedAt,
    endedAt: job.endedAt,
    expiresAt: job.expiresAt,
    retention: spec.retention,
    maxCrashes: spec.maxCrashes,
    failures: job.failures,
    crashes: job.crashes,
    suspect: job.suspect,
    cancelling: job.cancelling,
    lease: lease && {
      worker: lease.worker,
      token: lease.token,
      until: lease.until,
      started: lease.started,
    },
    attempts: job.attempts,
    progress: job.progress && copyPayload(job.progress),
    unique: spec.unique,
    search: spec.search,
    tags: spec.tags,
    headers: spec.headers,
    retry: spec.retry,
    timeoutMs: spec.timeoutMs,
    workflow: spec.workflow,
    node: spec.node,
    after: spec.after,
    dependenciesLeft: job.dependenciesLeft > 0 ? job.dependenciesLeft : undefined,
    extra: spec.extra,
  })
}

export function toReserved(job: StoredJob, token: number): ReservedJob {
  const { spec } = job
  return present({
    id: spec.id,
    version: spec.version ?? RECORD_VERSION,
    task: spec.task,
    queue: spec.queue,
    partition: spec.partition,
    priority: spec.priority,
    input: copyPayload(spec.input),
    token,
    failures: job.failures,
    crashes: job.crashes,
    suspect: job.suspect,
    createdAt: job.createdAt,
    runAt: job.runAt,
    headers: spec.headers,
    tags: spec.tags,
    retry: spec.retry,
    timeoutMs: spec.timeoutMs,
    workflow: spec.workflow,
    node: spec.node,
    progress: job.progress && copyPayload(job.progress),
    unknownSince: job.unknownSince,
  })
}

/** Leaves out what is undefined: a rare field is absent rather than empty. */
function present<T extends object>(value: T): T {
  for (const key of Object.keys(value) as (keyof T)[]) if (value[key] === undefined) delete value[key]
  return value
}
