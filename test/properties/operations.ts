// The operations of the model-based properties, and how fast-check makes them. Everything is an index or a small
// number, so that what fails shrinks to what matters.
import * as fc from 'fast-check'
import type { UniqueKey } from '../../src/job/record.ts'

export interface JobDraft {
  /** Index into the pool of ids; a draft whose id is there already is a duplicate. */
  readonly id: number
  readonly queue: number
  readonly partition: number | undefined
  readonly priority: number
  readonly delayMs: number | undefined
  readonly expiresInMs: number | undefined
  readonly unique: UniqueKey | undefined
  readonly after: { readonly id: number; readonly when: 'succeeded' | 'ended' } | undefined
  readonly maxCrashes: number
}

export type SettleKind = 'succeeded' | 'retry' | 'failed' | 'released' | 'snoozed' | 'unknown' | 'cancelled'

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
      readonly next: ReserveDraft | undefined
    }
  | { readonly op: 'extend'; readonly claim: number; readonly started: boolean; readonly leaseMs: number }
  | { readonly op: 'cancel' | 'retry' | 'remove' | 'promote'; readonly ids: readonly number[] }
  | { readonly op: 'pause'; readonly queue: number; readonly paused: boolean }
  | { readonly op: 'limit'; readonly queue: number; readonly concurrency?: number; readonly rate?: number }
  | {
      readonly op: 'write'
      readonly claim: number
      readonly kind: 'progress' | 'step'
      readonly value: number
    }
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

const oneOf = <const T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
const id = fc.nat(IDS - 1)
const claim = fc.nat(5)

const draft: fc.Arbitrary<JobDraft> = fc.record({
  id,
  queue: oneOf(0, 0, 1),
  partition: fc.constant(undefined),
  priority: oneOf(5, 5, 5, 2, 9),
  delayMs: oneOf(undefined, undefined, undefined, 0, 50, 200),
  expiresInMs: oneOf(undefined, undefined, undefined, undefined, 30, 150),
  unique: fc.option(
    fc.record({
      key: oneOf('k0', 'k1'),
      during: oneOf('unfinished' as const, 'waiting' as const),
      onConflict: oneOf('keep' as const, 'replace' as const),
    }),
    { freq: 3, nil: undefined },
  ),
  after: fc.option(fc.record({ id, when: oneOf('succeeded' as const, 'ended' as const) }), {
    freq: 3,
    nil: undefined,
  }),
  maxCrashes: oneOf(1, 3),
})

const reserveDraft: fc.Arbitrary<ReserveDraft> = fc.record({
  queues: oneOf([0], [1], [0, 1], [1, 0]),
  max: fc.integer({ min: 0, max: 4 }),
  leaseMs: oneOf(60, 400),
  starting: fc.integer({ min: 0, max: 4 }),
  suspects: oneOf(0 as const, 1 as const, 1 as const),
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

const enqueue = fc.record({
  op: fc.constant('enqueue' as const),
  groups: fc.array(fc.array(draft, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 }),
})
const reserve = fc.record({ op: fc.constant('reserve' as const), request: reserveDraft })
const settle = fc.record({
  op: fc.constant('settle' as const),
  claims: fc.array(settlement, { minLength: 1, maxLength: 3 }),
  next: fc.option(reserveDraft, { freq: 2, nil: undefined }),
})
const advance = fc.record({ op: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 130 }) })

/** Jobs without partitions: each queue is one lane, so that every answer is determined. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: enqueue },
  { weight: 6, arbitrary: reserve },
  { weight: 6, arbitrary: settle },
  { weight: 4, arbitrary: advance },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('extend' as const),
      claim,
      started: fc.boolean(),
      leaseMs: oneOf(60, 400),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: oneOf('cancel' as const, 'retry' as const, 'remove' as const, 'promote' as const),
      ids: fc.array(id, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('pause' as const), queue: oneOf(0, 1), paused: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record(
      { op: fc.constant('limit' as const), queue: oneOf(0, 1), concurrency: oneOf(1, 2), rate: oneOf(1, 3) },
      { requiredKeys: ['op', 'queue'] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('write' as const),
      claim,
      kind: oneOf('progress' as const, 'step' as const),
      value: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('maintain' as const) }) },
)
