// The life of claims over several shards: each call goes to the shards of its jobs at the same time, and the answers
// come back in the callers' order.
import type {
  LeaseRef,
  Outcome,
  Reserved,
  ReserveRequest,
  Settled,
  SettleRequest,
} from '../../broker/contract.ts'
import { giveBack, Sweep } from './sharded-reserve.ts'
import type { Shard } from './sharded-shard.ts'

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

/** One call a shard, at the same time; one answer for each item, in their order. Rejects when all have come back. */
export async function eachShare<T, A>(
  shards: readonly Shard[],
  shardOf: ShardOf,
  items: readonly T[],
  idOf: (item: T) => string,
  call: (shard: Shard, items: readonly T[]) => Promise<readonly A[]>,
): Promise<A[]> {
  const answers: A[] = Array.from({ length: items.length })
  await all(
    shareOut(shards, shardOf, items, idOf).map(async ({ shard, items: own, places }) => {
      const answered = await call(shard, own)
      for (const [i, place] of places.entries()) answers[place] = answered[i] as A
    }),
  )
  return answers
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

  const answers: Settled['answers'][number][] = Array.from({ length: outcomes.length })
  const claims: { shard: Shard; request: ReserveRequest; reserved: Reserved }[] = []
  const sent = [...trips.values()].map(async ({ shard, outcomes: own, places, started: begun }) => {
    const request = shard === asked ? sweep?.whole() : undefined
    const part: SettleRequest = { outcomes: own, started: begun, next: request }
    const settled = await shard.call((broker) => broker.settle(part))
    if (request !== undefined && settled.next !== undefined)
      claims.push({ shard, request, reserved: settled.next })
    for (const [i, place] of places.entries())
      answers[place] = settled.answers[i] as Settled['answers'][number]
  })
  try {
    await all(sent)
  } catch (error) {
    for (const { shard, reserved } of claims) giveBack(shard, reserved.jobs)
    throw error
  }
  for (const { shard, request, reserved } of claims) sweep?.add(shard, request, reserved)
  return { settled: { answers }, sweep }
}
