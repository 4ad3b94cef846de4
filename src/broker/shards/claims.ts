// The life of claims over several shards: each call goes to the shards of its jobs at the same time, and the answers
// come back in the callers' order.
import type {
  LeaseRef,
  Outcome,
  Reserved,
  ReserveRequest,
  SettleAnswer,
  Settled,
  SettleRequest,
} from '../contract.ts'
import { giveBack, Sweep } from './reserve.ts'
import { isAway, type Shard } from './shard.ts'

type ShardOf = (id: string) => number

/** What goes to one shard, with its places in the whole. */
export interface Share<T> {
  readonly shard: Shard
  readonly items: T[]
  readonly places: number[]
}

/** Items by the shards of their ids. */
export function shareOut<T>(
  shards: readonly Shard[],
  shardOf: ShardOf,
  items: readonly T[],
  idOf: (item: T) => string,
): Share<T>[] {
  const shares = new Map<number, Share<T>>()
  for (const [place, item] of items.entries()) {
    const index = shardOf(idOf(item))
    let share = shares.get(index)
    if (share === undefined) {
      share = { shard: shards[index] as Shard, items: [], places: [] }
      shares.set(index, share)
    }
    share.items.push(item)
    share.places.push(place)
  }
  return [...shares.values()]
}

/**
 * One call a shard, at the same time; one answer for each item, in their order. Rejects when all have come back.
 *
 * @param away the answer for items whose shard is away while others of the namespace are not; without one it rejects
 */
export async function eachShare<T, A>(
  shards: readonly Shard[],
  shares: readonly Share<T>[],
  call: (shard: Shard, items: readonly T[]) => Promise<readonly A[]>,
  away?: A,
): Promise<A[]> {
  const count = shares.reduce((sum, { items }) => sum + items.length, 0)
  const answers: A[] = Array.from({ length: count })
  await allThere(
    shards,
    shares.map(async ({ shard, items, places }) => {
      // An answer of every item stands there before its shard is asked, so that one that is away changes nothing.
      if (away !== undefined) for (const place of places) answers[place] = away
      const answered = await call(shard, items)
      for (const [i, place] of places.entries()) answers[place] = answered[i] as A
    }),
    away !== undefined,
  )
  return answers
}

/**
 * Waits for all calls. Rejects where one has failed; with `without`, only where it failed by something else than its
 * shard being away, or where no shard of the namespace is left.
 */
export async function allThere(
  shards: readonly Shard[],
  calls: readonly Promise<unknown>[],
  without: boolean,
): Promise<void> {
  const ends = await Promise.allSettled(calls)
  const failures = ends.flatMap((end) =>
    end.status === 'rejected' ? [{ reason: end.reason as unknown }] : [],
  )
  const serious = failures.find(({ reason }) => !isAway(reason))
  const [first] = failures
  if (serious !== undefined) throw serious.reason
  if (first === undefined) return
  // Who failed first may have rested enough when the last one failed.
  const none = failures.length === calls.length && calls.length === shards.length
  if (!without || none || shards.every(({ rests }) => rests)) throw first.reason
}

/** As Promise.all, but nothing is under way any more when it rejects. */
export async function all<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(calls)
  return Promise.all(calls)
}

interface Trip {
  readonly shard: Shard
  readonly outcomes: Outcome[]
  readonly places: number[]
  readonly started: LeaseRef[]
}

/**
 * Outcomes go to the shards of their jobs. The claim of the next travels with them, to the shard whose turn it is; the
 * others are asked for what it could not bring.
 *
 * @param order of asking for the next jobs; the first of it is among those that are called
 */
export async function settle(
  shards: readonly Shard[],
  shardOf: ShardOf,
  { outcomes, started = [], next }: SettleRequest,
  order: readonly Shard[],
): Promise<{ readonly settled: Settled; readonly sweep: Sweep | undefined }> {
  const trips = new Map<Shard, Trip>()
  const tripTo = (shard: Shard): Trip => {
    const trip = trips.get(shard) ?? { shard, outcomes: [], places: [], started: [] }
    trips.set(shard, trip)
    return trip
  }
  for (const [place, outcome] of outcomes.entries()) {
    const trip = tripTo(shards[shardOf(outcome.id)] as Shard)
    trip.outcomes.push(outcome)
    trip.places.push(place)
  }
  for (const lease of started) tripTo(shards[shardOf(lease.id)] as Shard).started.push(lease)
  const sweep = next === undefined ? undefined : new Sweep(next, order)
  const asked = sweep === undefined ? undefined : order[0]
  if (asked !== undefined) tripTo(asked)

  const answers: SettleAnswer[] = outcomes.map(() => 'away')
  const claims: { shard: Shard; request: ReserveRequest; reserved: Reserved | undefined }[] = []
  const sent = [...trips.values()].map(async ({ shard, outcomes: own, places, started: begun }) => {
    const request = shard === asked ? sweep?.whole() : undefined
    const part: SettleRequest = { outcomes: own, started: begun, next: request }
    const late = (settled: Settled): void => giveBack(shard, settled.next?.jobs ?? [])
    let settled: Settled | undefined
    try {
      settled = await shard.callAwake(shards, (broker) => broker.settle(part), { late })
    } finally {
      if (request !== undefined) claims.push({ shard, request, reserved: settled?.next })
    }
    for (const [i, place] of places.entries()) answers[place] = settled.answers[i] as SettleAnswer
  })
  try {
    // Starts that did not reach their shard are told by `extend` again, while the claim lives.
    await allThere(shards, sent, true)
  } catch (error) {
    for (const { shard, reserved } of claims) giveBack(shard, reserved?.jobs ?? [])
    throw error
  }
  for (const { shard, request, reserved } of claims)
    sweep?.add(shard, request, reserved, shard.away('is away'))
  return { settled: { answers }, sweep }
}
