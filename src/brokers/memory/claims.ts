// The life of a claim: reserve, settle, extend, and what an attempt writes while it runs.
import type {
  ExtendAnswer,
  HeldLease,
  LeaseRef,
  Note,
  Outcome,
  Reserved,
  ReservedJob,
  ReserveRequest,
  SettleAnswer,
} from '../../broker/contract.ts'
import { bounds } from '../../job/defaults.ts'
import { spread } from './dependents.ts'
import { copyPayload, type StoredJob, toReserved } from './job.ts'
import { earliest, type Queue } from './lanes.ts'
import { ruleOutcome } from './outcomes.ts'
import type { Space } from './space.ts'

/** The most jobs of each kind that one call promotes or expires. */
export const STEP = 500

/** @param nextToken gives the next fencing token */
export function reserve(space: Space, request: ReserveRequest, nextToken: () => number): Reserved {
  const now = space.now()
  const jobs: ReservedJob[] = []
  const left = { promotions: STEP, expiries: STEP, suspects: request.suspects as number }
  const take = (queue: Queue): void => {
    while (jobs.length < request.max && left.expiries > 0) {
      const job = nextJob(space, queue, left.suspects)
      if (job === undefined) return
      if (hasExpired(job, now)) {
        left.expiries -= 1
        space.end(job, 'cancelled', 'expired')
        spread(space)
        continue
      }
      if (job.suspect) left.suspects -= 1
      const token = nextToken()
      const started = !job.suspect && jobs.length < request.starting
      space.claim(job, { worker: request.worker, token, until: now + request.leaseMs, started })
      jobs.push(toReserved(job, token))
    }
  }
  const queues = request.queues.flatMap((name) => space.lanes.queues.get(name) ?? [])
  for (const queue of queues) {
    if (queue.paused) continue
    left.promotions -= promoteDue(space, queue, now, left.promotions)
    space.lanes.openTimed(queue)
    take(queue)
  }
  if (jobs.length < request.max && left.expiries > 0) space.signals.drained(request.queues)
  const dueAt = left.expiries === 0 ? now : earliest(queues.map((queue) => space.lanes.nextDueAt(queue)))
  return { jobs, now, ...(dueAt === undefined ? {} : { nextDueInMs: Math.max(0, dueAt - now) }) }
}

function nextJob(space: Space, queue: Queue, suspects: number): StoredJob | undefined {
  const scope = space.lanes.scopes.queue(queue.name)
  if (space.lanes.scopes.room(scope, space.now()) === 0) return undefined
  const suspect = suspects > 0 ? space.lanes.next(queue.suspects) : undefined
  return suspect ?? space.lanes.next(queue.normal)
}

/** Makes up to `max` jobs of a queue ready that are due by then, the earliest first. */
function promoteDue(space: Space, queue: Queue, now: number, max: number): number {
  for (let count = 0; count < max; count += 1) {
    const job = queue.due.peek()
    if (job === undefined || (job.runAt ?? 0) > now) return count
    space.toReady(job)
  }
  return max
}

function hasExpired(job: StoredJob, now: number): boolean {
  return !job.begun && job.expiresAt !== undefined && job.expiresAt <= now
}

export function settle(space: Space, outcome: Outcome): SettleAnswer {
  const job = space.store.get(outcome.id)
  const now = space.now()
  if (job?.lease?.token !== outcome.token) {
    const before = [job?.settled, space.store.tombstone(outcome.id, now)]
    const repeated = before.some((one) => one?.token === outcome.token && one.kind === outcome.kind)
    return repeated ? 'ok' : 'lost'
  }
  job.settled = { token: outcome.token, kind: outcome.kind }
  if (outcome.ranMs !== undefined) space.counters.add(job.spec, 'ranMs', outcome.ranMs, now)
  const ruling = ruleOutcome(job, outcome, now)
  if (outcome.kind === 'retry' && ruling.next.state === 'scheduled')
    space.counters.add(job.spec, 'retried', 1, now)
  const next =
    ruling.next.state === 'succeeded'
      ? { ...ruling.next, result: copyPayload(ruling.next.result) }
      : ruling.next
  space.apply(job, { ...ruling, next })
  spread(space)
  return 'ok'
}

/** The job whose live claim this is. */
function held(space: Space, { id, token }: LeaseRef): StoredJob | undefined {
  const job = space.store.get(id)
  return job?.lease?.token === token ? job : undefined
}

export function markStarted(space: Space, lease: LeaseRef): void {
  const job = held(space, lease)
  if (job?.lease === undefined || job.lease.started) return
  const now = space.now()
  job.lease = { ...job.lease, started: true, startedAt: now }
  job.startedAt = now
}

export function extend(space: Space, lease: HeldLease, leaseMs: number): ExtendAnswer {
  const job = held(space, lease)
  if (job?.lease === undefined) return 'lost'
  if (lease.started) markStarted(space, lease)
  job.lease = { ...job.lease, until: Math.max(job.lease.until, space.now() + leaseMs) }
  space.store.leases.set(job)
  return job.cancelling ? 'cancelling' : 'ok'
}

export function write(space: Space, note: Note): 'ok' | 'lost' {
  const job = held(space, note)
  if (job === undefined) return 'lost'
  const at = space.now()
  switch (note.kind) {
    case 'progress': {
      job.progress = copyPayload(note.value)
      const { id, task, queue } = job.spec
      space.signals.emit(() => ({ kind: 'progress', id, task, queue, state: job.state, at }))
      return 'ok'
    }
    case 'log':
      job.logSeq += 1
      job.logs.push({ seq: job.logSeq, at, token: note.token, level: note.level, text: note.text })
      if (job.logs.length > bounds.logLines) job.logs.shift()
      return 'ok'
    case 'step':
      if (!job.steps.has(note.name))
        job.steps.set(note.name, { name: note.name, at, value: copyPayload(note.value) })
      return 'ok'
  }
}
