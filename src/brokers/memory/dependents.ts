// Spreading what followed from an outcome: each dependent hears of it once. A step spreads to a hundred at once and
// leaves the rest in the outbox for `maintain`. What is cancelled on the way has dependents of its own.
import type { Dependent, StoredJob } from './job.ts'
import type { Parcel, Space } from './space.ts'

/** The most dependents that one outcome reaches at once. */
const SPREAD_AT_ONCE = 100

/** Delivers what the step under way has brought; called at its end. */
export function spread(space: Space): void {
  if (space.fresh.length === 0) return
  deliverAll(space, space.fresh, SPREAD_AT_ONCE)
  space.outbox.push(...space.fresh.splice(0))
}

/** Delivers up to `max` of what earlier steps have left; answers how many. */
export function spreadOutbox(space: Space, max: number): number {
  const delivered = deliverAll(space, space.outbox, max)
  space.outbox.push(...space.fresh.splice(0))
  return delivered
}

function deliverAll(space: Space, parcels: Parcel[], max: number): number {
  let delivered = 0
  for (let parcel = parcels[0]; parcel !== undefined && delivered < max; parcel = parcels[0]) {
    const { value: dependent, done } = parcel.to.next()
    parcel.left -= 1
    if (done !== true) {
      delivered += 1
      deliver(space, parcel, dependent)
    }
    if (parcel.left <= 0) parcels.shift()
  }
  return delivered
}

function deliver(space: Space, { state }: Parcel, { job, when }: Dependent): void {
  // Cancelled, removed, or run by a person in the meantime.
  if (job.state !== 'blocked' || !space.store.has(job)) return
  if (state !== 'succeeded' && when === 'succeeded') {
    space.end(job, 'cancelled', 'dependency')
    return
  }
  job.dependenciesLeft -= 1
  if (job.dependenciesLeft === 0) unblock(space, job)
}

function unblock(space: Space, job: StoredJob): void {
  if (job.runAt === undefined) space.toReady(job)
  else space.toScheduled(job, job.runAt)
}
