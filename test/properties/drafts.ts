// From drafts, which are indexes and small numbers, to what a broker is given.
import type {
  JobQuery,
  LeaseRef,
  LimitRule,
  LimitScope,
  Outcome,
  ReserveRequest,
} from '../../src/broker/contract.ts'
import { encodeJson } from '../../src/job/codec.ts'
import type { JobSpec } from '../../src/job/record.ts'
import {
  IDS,
  type JobDraft,
  type LimitDraft,
  QUEUES,
  type QueryDraft,
  type ReserveDraft,
  type SettleKind,
  TASKS,
  WORKFLOWS,
} from './operations.ts'

const FOR_GOOD = 1e9
const error = { name: 'Error', message: 'it broke', fingerprint: 'f' }

export const allIds: readonly string[] = Array.from({ length: IDS }, (_, index) => nameOf(index))

export function nameOf(index: number): string {
  return `job-${index}`
}

/** @param beginning broker time when all began */
export function specOf(draft: JobDraft, beginning: number): JobSpec {
  const { keptMs = FOR_GOOD, delayMs, runAt, expiresInMs, partition, workflow, search, tag } = draft
  const after = draft.after.map(({ id, when }) => ({ id: nameOf(id), when }))
  return {
    id: nameOf(draft.id),
    task: TASKS[draft.task] ?? '',
    queue: QUEUES[draft.queue] ?? '',
    priority: draft.priority,
    input: encodeJson(draft.id),
    retention: { succeededMs: keptMs, failedMs: keptMs, cancelledMs: keptMs },
    maxCrashes: draft.maxCrashes,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(runAt === undefined || delayMs !== undefined ? {} : { runAt: beginning + runAt }),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
    ...(partition === undefined ? {} : { partition: `p${partition}` }),
    ...(draft.unique === undefined ? {} : { unique: draft.unique }),
    ...(after.length === 0 ? {} : { after }),
    ...(workflow === undefined ? {} : { workflow: WORKFLOWS[workflow] ?? '', staged: draft.staged }),
    ...(search === undefined ? {} : { search: { to: search } }),
    ...(tag === undefined ? {} : { tags: [tag] }),
  }
}

export function isKeptForGood({ keptMs }: JobDraft): boolean {
  return keptMs === undefined
}

/** @param beginning broker time when all began */
export function queryOf(draft: QueryDraft, beginning: number): JobQuery {
  const { states, task, queue, partition, workflow, search, tag, failed, from, to } = draft
  return {
    ...(states === undefined ? {} : { states }),
    ...(task === undefined ? {} : { task: TASKS[task] ?? '' }),
    ...(queue === undefined ? {} : { queue: QUEUES[queue] ?? '' }),
    ...(partition === undefined ? {} : { partition: `p${partition}` }),
    ...(workflow === undefined ? {} : { workflow: WORKFLOWS[workflow] ?? '' }),
    ...(search === undefined ? {} : { search: { to: search } }),
    ...(tag === undefined ? {} : { tag }),
    ...(failed ? { fingerprint: error.fingerprint } : {}),
    ...(from === undefined ? {} : { createdFrom: beginning + from }),
    ...(to === undefined ? {} : { createdTo: beginning + to }),
  }
}

export function ruleOf({ kind, number, source, concurrency, rate }: LimitDraft): LimitRule {
  const scope: LimitScope =
    kind === 'task' ? { kind, task: TASKS[number] ?? '' } : { kind, queue: QUEUES[number] ?? '' }
  const none = concurrency === undefined && rate === undefined
  const limit = {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate: { count: rate, perMs: 100 } }),
  }
  return { scope, source, limit: none ? null : limit }
}

export function requestOf({ queues, ...rest }: ReserveDraft): ReserveRequest {
  return { ...rest, worker: 'worker', queues: queues.map((index) => QUEUES[index] ?? '') }
}

export function outcomeOf(lease: LeaseRef, kind: SettleKind, delayMs: number): Outcome {
  const base = { id: lease.id, token: lease.token, ranMs: 3 }
  switch (kind) {
    case 'succeeded':
      return { ...base, kind, result: encodeJson('done') }
    case 'retry':
    case 'unknown':
      return { ...base, kind, delayMs, error }
    case 'snoozed':
      return { ...base, kind, delayMs }
    case 'failed':
      return { ...base, kind, reason: 'non-retryable', error }
    case 'released':
    case 'cancelled':
      return { ...base, kind }
  }
}
