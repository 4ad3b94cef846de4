// One bounded step of upkeep: promote, reclaim, expire, spread, prune. Anybody may call it at any time.
import type { MaintainReport } from '../../broker/contract.ts'
import { STEP } from './claims.ts'
import { spread, spreadOutbox } from './dependents.ts'
import type { Heap } from './heap.ts'
import type { StoredJob } from './job.ts'
import { earliest } from './lanes.ts'
import { ruleLost } from './outcomes.ts'
import type { Space } from './space.ts'

/** A staged workflow that nobody publishes is given up that long after its last job came. */
const STAGED_MS = 86_400_000

export function maintain(space: Space): MaintainReport {
  const { store } = space
  const now = space.now()
  const spreadCount = spreadOutbox(space, STEP)
  const promoted = each(space.due, dueAt, now, (job) => space.toReady(job))
  const reclaimed = each(store.leases, leaseEnd, now, (job) => space.apply(job, ruleLost(job, now)))
  const expired = each(store.expiries, expiry, now, (job) => space.end(job, 'cancelled', 'expired'))
  const givenUp = giveUpStaged(space, now)
  // After the others, so that what they ended and keeps for no time goes at once.
  spread(space)
  const pruned = each(store.prunes, pruneTime, now, (job) => space.erase(job)) + givenUp
  store.dropTombstones(now, STEP)
  space.lanes.scopes.fade(now, STEP)

  const counts = [spreadCount, promoted, reclaimed, expired, pruned]
  const nextAt = nextUpkeepAt(space)
  return {
    promoted,
    reclaimed,
    expired,
    pruned,
    spread: spreadCount,
    more: space.outbox.length > 0 || counts.some((count) => count >= STEP),
    ...(nextAt === undefined ? {} : { nextDueInMs: Math.max(0, nextAt - now) }),
  }
}

const dueAt = (job: StoredJob): number => job.runAt ?? 0
const leaseEnd = (job: StoredJob): number => job.lease?.until ?? 0
const expiry = (job: StoredJob): number => job.expiresAt ?? 0
const pruneTime = (job: StoredJob): number => job.pruneAt

/** Does something to the jobs of a heap whose time has come, at most STEP of them. Each act takes its job out. */
function each(
  heap: Heap<StoredJob>,
  time: (job: StoredJob) => number,
  now: number,
  act: (job: StoredJob) => void,
): number {
  for (let count = 0; count < STEP; count += 1) {
    const job = heap.peek()
    if (job === undefined || time(job) > now) return count
    act(job)
  }
  return STEP
}

function giveUpStaged(space: Space, now: number): number {
  let count = 0
  for (const { jobs, lastAt } of space.staged.values()) {
    if (lastAt + STAGED_MS > now) return count
    for (const job of jobs.keys()) {
      if (count === STEP) return count
      space.erase(job)
      count += 1
    }
  }
  return count
}

function nextUpkeepAt(space: Space): number | undefined {
  const { store, due } = space
  if (space.outbox.length > 0) return space.now()
  const heads: [Heap<StoredJob>, (job: StoredJob) => number][] = [
    [due, dueAt],
    [store.leases, leaseEnd],
    [store.expiries, expiry],
    [store.prunes, pruneTime],
  ]
  const times = heads.map(([heap, time]) => {
    const job = heap.peek()
    return job === undefined ? undefined : time(job)
  })
  for (const { lastAt } of space.staged.values()) {
    times.push(lastAt + STAGED_MS)
    break
  }
  return earliest(times)
}
