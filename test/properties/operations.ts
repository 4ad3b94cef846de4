// The operations of the model-based properties, and how fast-check makes them. Everything is an index or a small
// number, so that what fails shrinks to what matters.
import * as fc from 'fast-check'
import type { UniqueKey } from '../../src/job/record.ts'
import { type JobState, jobStates } from '../../src/job/states.ts'

export interface JobDraft {
  /** Index into the pool of ids; a draft whose id is there already is a duplicate. */
  readonly id: number
  readonly task: number
  readonly queue: number
  readonly partition: number | undefined
  readonly priority: number
  readonly delayMs: number | undefined
  /** Moments since the beginning; only where there is no delay. */
  readonly runAt: number | undefined
  readonly expiresInMs: number | undefined
  readonly unique: UniqueKey | undefined
  readonly after: readonly { readonly id: number; readonly when: 'succeeded' | 'ended' }[]
  readonly maxCrashes: number
  /** How long its record is kept; undefined for good. */
  readonly keptMs: number | undefined
  readonly workflow: number | undefined
  readonly staged: boolean
  readonly search: string | undefined
  readonly tag: string | undefined
}

export interface QueryDraft {
  readonly states: readonly JobState[] | undefined
  readonly task: number | undefined
  readonly queue: number | undefined
  readonly partition: number | undefined
  readonly workflow: number | undefined
  readonly search: string | undefined
  readonly tag: string | undefined
  readonly failed: boolean
  /** Moments since the beginning. */
  readonly from: number | undefined
  readonly to: number | undefined
}

export interface LimitDraft {
  readonly kind: 'queue' | 'partition' | 'task'
  /** Of the queue, or of the task. */
  readonly number: number
  readonly source: 'declared' | 'set'
  readonly concurrency?: number
  readonly rate?: number
}

export type SettleKind = 'succeeded' | 'retry' | 'failed' | 'released' | 'snoozed' | 'unknown' | 'cancelled'

export type Action = 'cancel' | 'retry' | 'remove' | 'promote'

export type Operation =
  | { readonly op: 'enqueue'; readonly groups: readonly (readonly JobDraft[])[] }
  | { readonly op: 'reserve'; readonly request: ReserveDraft }
  /** `claim` counts back from the latest claim, live or not. */
  | {
      readonly op: 'settle'
      readonly claims: readonly {
        readonly claim: number
        readonly kind: SettleKind
        readonly delayMs: number
      }[]
      readonly started: readonly number[]
      readonly next: ReserveDraft | undefined
    }
  | { readonly op: 'extend'; readonly claim: number; readonly started: boolean; readonly leaseMs: number }
  | { readonly op: Action; readonly ids: readonly number[] }
  | { readonly op: 'steer'; readonly action: Action; readonly query: QueryDraft; readonly limit: number }
  | {
      readonly op: 'list'
      readonly query: QueryDraft
      readonly order: 'newest' | 'oldest'
      readonly limit: number
    }
  | { readonly op: 'publish'; readonly workflow: number }
  | { readonly op: 'pause'; readonly queue: number; readonly paused: boolean }
  | { readonly op: 'limit'; readonly rules: readonly LimitDraft[] }
  | {
      readonly op: 'write'
      readonly claim: number
      readonly kind: 'progress' | 'step' | 'log'
      readonly value: number
    }
  | { readonly op: 'schedule'; readonly id: number; readonly rule: number; readonly paused: boolean }
  | { readonly op: 'fire'; readonly id: number; readonly late: boolean; readonly job: JobDraft | undefined }
  | { readonly op: 'unschedule'; readonly id: number }
  | { readonly op: 'beat'; readonly worker: number; readonly ttlMs: number }
  | { readonly op: 'leave'; readonly worker: number }
  | { readonly op: 'advance'; readonly ms: number }
  | { readonly op: 'maintain' }

export interface ReserveDraft {
  readonly queues: readonly number[]
  readonly max: number
  readonly leaseMs: number
  readonly starting: number
  readonly suspects: 0 | 1
}

export const IDS = 14
export const QUEUES: readonly string[] = ['a', 'b']
export const TASKS: readonly string[] = ['work', 'other']
export const WORKFLOWS: readonly string[] = ['w0', 'w1']

const oneOf = <const T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
const id = fc.nat(IDS - 1)
const claim = fc.nat(5)

/** One of the values, or in most cases nothing. */
const rarely = <const T>(freq: number, ...values: T[]): fc.Arbitrary<T | undefined> =>
  fc.option(oneOf(...values), { freq, nil: undefined })

const draftFields = {
  id,
  task: oneOf(0, 0, 0, 1),
  queue: oneOf(0, 0, 1),
  partition: fc.constant<number | undefined>(undefined),
  priority: oneOf(5, 5, 5, 2, 9),
  delayMs: oneOf(undefined, undefined, undefined, 0, 50, 200),
  runAt: oneOf(undefined, undefined, undefined, undefined, 0, 300, 800),
  expiresInMs: oneOf(undefined, undefined, undefined, undefined, 30, 150),
  unique: fc.option(
    fc.record({
      key: oneOf('k0', 'k1'),
      during: oneOf('unfinished' as const, 'waiting' as const),
      onConflict: oneOf('keep' as const, 'replace' as const),
    }),
    { freq: 3, nil: undefined },
  ),
  after: oneOf(0, 0, 0, 1, 2).chain((count) =>
    fc.uniqueArray(fc.record({ id, when: oneOf('succeeded' as const, 'ended' as const) }), {
      selector: (dependency) => dependency.id,
      minLength: count,
      maxLength: count,
    }),
  ),
  maxCrashes: oneOf(1, 3),
  keptMs: oneOf(undefined, undefined, undefined, 0, 60),
  workflow: rarely(2, 0, 1),
  staged: oneOf(false, false, true),
  search: rarely(3, 'x', 'y'),
  tag: rarely(4, 't'),
}
const draft: fc.Arbitrary<JobDraft> = fc.record(draftFields)
const draftInPartition: fc.Arbitrary<JobDraft> = fc.record({
  ...draftFields,
  partition: oneOf(undefined, 0, 1),
})

const reserveDraft: fc.Arbitrary<ReserveDraft> = fc.record({
  queues: oneOf([0], [1], [0, 1], [1, 0]),
  max: fc.integer({ min: 0, max: 4 }),
  leaseMs: oneOf(60, 400),
  starting: fc.integer({ min: 0, max: 4 }),
  suspects: oneOf(0 as const, 1 as const, 1 as const),
})

/** Takes all that there is room for, so that the turns of the partitions, which brokers choose, make no difference. */
const reserveAll: fc.Arbitrary<ReserveDraft> = fc.record({
  queues: oneOf([0], [1], [0, 1]),
  max: fc.constant(50),
  leaseMs: oneOf(60, 400),
  starting: fc.constant(0),
  suspects: fc.constant(0 as const),
})

const settlement = fc.record({
  claim,
  kind: oneOf<SettleKind>(
    'succeeded',
    'succeeded',
    'retry',
    'failed',
    'released',
    'snoozed',
    'unknown',
    'cancelled',
  ),
  delayMs: oneOf(0, 0, 40, 120),
})

const query: fc.Arbitrary<QueryDraft> = fc.record({
  states: fc.option(fc.uniqueArray(oneOf(...jobStates), { maxLength: 4 }), { freq: 2, nil: undefined }),
  task: rarely(3, 0, 1),
  queue: rarely(3, 0, 1),
  partition: rarely(6, 0, 1),
  workflow: rarely(4, 0, 1),
  search: rarely(4, 'x', 'y', 'z'),
  tag: rarely(6, 't'),
  failed: oneOf(false, false, false, false, false, true),
  from: rarely(5, 0, 100, 700),
  to: rarely(5, 90, 600, 1_500),
})

interface Choices {
  readonly draft: fc.Arbitrary<JobDraft>
  readonly reserve: fc.Arbitrary<ReserveDraft>
  readonly limited: 'queue' | 'partition' | 'task'
  /** Whether a person may say that claims have started. Then there are suspects, which are handed out one by one. */
  readonly starts: fc.Arbitrary<boolean>
}

function operations({ draft, reserve, limited, starts }: Choices): fc.Arbitrary<Operation> {
  const record = <O extends Operation['op'], R extends object>(op: fc.Arbitrary<O>, rest: fc.Arbitrary<R>) =>
    fc.tuple(op, rest).map(([name, fields]) => ({ op: name, ...fields }))
  const weighted = (weight: number, arbitrary: fc.Arbitrary<unknown>) => ({
    weight,
    arbitrary: arbitrary as fc.Arbitrary<Operation>,
  })
  const group = fc.array(draft, { minLength: 1, maxLength: 3 })
  const settle = {
    claims: fc.array(settlement, { minLength: 1, maxLength: 3 }),
    started: starts.chain((any) => fc.array(claim, { maxLength: any ? 2 : 0 })),
    next: fc.option(reserve, { freq: 2, nil: undefined }),
  }
  const limit: fc.Arbitrary<LimitDraft> = fc.record(
    {
      kind: fc.constant(limited),
      number: oneOf(0, 1),
      source: oneOf('set' as const, 'declared' as const),
      concurrency: oneOf(1, 2),
      rate: oneOf(1, 3),
    },
    { requiredKeys: ['kind', 'number', 'source'] },
  )
  const actions = oneOf('cancel', 'retry', 'remove', 'promote')
  const simple = draft.map((given) => ({ ...given, after: [], unique: undefined, staged: false }))
  return fc.oneof(
    weighted(
      6,
      record(oneOf('enqueue'), fc.record({ groups: fc.array(group, { minLength: 1, maxLength: 2 }) })),
    ),
    weighted(6, record(oneOf('reserve'), fc.record({ request: reserve }))),
    weighted(6, record(oneOf('settle'), fc.record(settle))),
    weighted(4, record(oneOf('advance'), fc.record({ ms: fc.integer({ min: 1, max: 130 }) }))),
    weighted(1, record(oneOf('extend'), fc.record({ claim, started: starts, leaseMs: oneOf(60, 400) }))),
    weighted(3, record(actions, fc.record({ ids: fc.array(id, { minLength: 1, maxLength: 3 }) }))),
    weighted(2, record(oneOf('steer'), fc.record({ action: actions, query, limit: oneOf(1, 2, 500) }))),
    weighted(
      3,
      record(oneOf('list'), fc.record({ query, order: oneOf('newest', 'oldest'), limit: oneOf(1, 3, 50) })),
    ),
    weighted(1, record(oneOf('publish'), fc.record({ workflow: oneOf(0, 1) }))),
    weighted(1, record(oneOf('pause'), fc.record({ queue: oneOf(0, 1), paused: fc.boolean() }))),
    weighted(
      1,
      record(oneOf('limit'), fc.record({ rules: fc.array(limit, { minLength: 1, maxLength: 2 }) })),
    ),
    weighted(
      2,
      record(oneOf('write'), fc.record({ claim, kind: oneOf('progress', 'step', 'log'), value: fc.nat(3) })),
    ),
    weighted(
      1,
      record(
        oneOf('schedule'),
        fc.record({ id: oneOf(0, 1), rule: oneOf(0, 1), paused: oneOf(false, false, true) }),
      ),
    ),
    weighted(
      1,
      record(
        oneOf('fire'),
        fc.record({ id: oneOf(0, 1), late: fc.boolean(), job: fc.option(simple, { nil: undefined }) }),
      ),
    ),
    weighted(1, record(oneOf('beat'), fc.record({ worker: oneOf(0, 1), ttlMs: oneOf(50, 500) }))),
    weighted(
      1,
      fc.oneof(
        record(oneOf('unschedule'), fc.record({ id: oneOf(0, 1) })),
        record(oneOf('leave'), fc.record({ worker: oneOf(0, 1) })),
      ),
    ),
    weighted(1, fc.constant({ op: 'maintain' })),
  )
}

/** Jobs without partitions: each queue is one lane, so that every answer is determined, and its order. */
export const inLanes: fc.Arbitrary<Operation> = operations({
  draft,
  reserve: reserveDraft,
  limited: 'queue',
  starts: fc.boolean(),
})

/** Jobs in partitions with limits: what is claimed is determined, and its order inside a partition. */
export const inPartitions: fc.Arbitrary<Operation> = operations({
  draft: draftInPartition,
  reserve: reserveAll,
  limited: 'partition',
  starts: fc.constant(false),
})

/** Limits of tasks: those of a task with one stand in lanes of their own, and take turns with the others. */
export const inTasks: fc.Arbitrary<Operation> = operations({
  draft,
  reserve: reserveAll,
  limited: 'task',
  starts: fc.constant(false),
})
