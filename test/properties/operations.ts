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
  | {
      readonly op: 'limit'
      readonly kind: 'queue' | 'partition'
      readonly queue: number
      readonly concurrency?: number
      readonly rate?: number
    }
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

const draftFields = {
  id,
  queue: oneOf(0, 0, 1),
  partition: fc.constant<number | undefined>(undefined),
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

interface Choices {
  readonly draft: fc.Arbitrary<JobDraft>
  readonly reserve: fc.Arbitrary<ReserveDraft>
  readonly limited: 'queue' | 'partition'
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
    next: fc.option(reserve, { freq: 2, nil: undefined }),
  }
  const limit = { queue: oneOf(0, 1), concurrency: oneOf(1, 2), rate: oneOf(1, 3) }
  return fc.oneof(
    weighted(
      6,
      record(oneOf('enqueue'), fc.record({ groups: fc.array(group, { minLength: 1, maxLength: 2 }) })),
    ),
    weighted(6, record(oneOf('reserve'), fc.record({ request: reserve }))),
    weighted(6, record(oneOf('settle'), fc.record(settle))),
    weighted(4, record(oneOf('advance'), fc.record({ ms: fc.integer({ min: 1, max: 130 }) }))),
    weighted(1, record(oneOf('extend'), fc.record({ claim, started: starts, leaseMs: oneOf(60, 400) }))),
    weighted(
      3,
      record(
        oneOf('cancel', 'retry', 'remove', 'promote'),
        fc.record({ ids: fc.array(id, { minLength: 1, maxLength: 3 }) }),
      ),
    ),
    weighted(1, record(oneOf('pause'), fc.record({ queue: oneOf(0, 1), paused: fc.boolean() }))),
    weighted(
      1,
      record(oneOf('limit'), fc.record(limit, { requiredKeys: ['queue'] })).map((fields) => ({
        ...fields,
        kind: limited,
      })),
    ),
    weighted(
      1,
      record(oneOf('write'), fc.record({ claim, kind: oneOf('progress', 'step'), value: fc.nat(9) })),
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
