// Everything that one memory broker holds, and the moves of a job between its states. Each move keeps all of it in
// step: lanes and slots, due times, leases, unique keys, counts, counters, events, and the parcels for dependents.

import { type EndedState, isEnded, type JobState, type Reason } from '../../job/states.ts'
import type { Clock } from '../../runtime/clock.ts'
import { Counters } from './counters.ts'
import { Heap } from './heap.ts'
import type { Dependent, StoredJob } from './job.ts'
import { dueBefore, Lanes } from './lanes.ts'
import type { Ruling } from './outcomes.ts'
import { Signals } from './signals.ts'
import { Store } from './store.ts'

/** News of an ended job, on its way to its dependents. */
export interface Parcel {
  readonly state: EndedState
  readonly to: Iterator<Dependent>
  left: number
}

export interface StagedWorkflow {
  readonly jobs: Map<StoredJob, Dependent>
  lastAt: number
}

export class Space {
  readonly store: Store = new Store()
  readonly counters: Counters = new Counters()
  readonly lanes: Lanes
  readonly signals: Signals
  /** Scheduled jobs of all queues by due time. */
  readonly due: Heap<StoredJob> = new Heap(dueBefore)
  /** Parcels of the step that is under way, and those that `maintain` has to finish. */
  readonly fresh: Parcel[] = []
  readonly outbox: Parcel[] = []
  readonly staged: Map<string, StagedWorkflow> = new Map()
  readonly #clock: Clock
  #lastNow = 0
  #lastPos = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.signals = new Signals(clock, this.now)
    this.lanes = new Lanes(this.now, (queue) => this.signals.notify(queue))
  }

  /** Broker time: the clock's, which never runs backwards here. */
  readonly now = (): number => {
    this.#lastNow = Math.max(this.#lastNow, this.#clock.now())
    return this.#lastNow
  }

  /** Takes in a new job and puts it where its state says. */
  insert(job: StoredJob): void {
    this.store.add(job)
    this.lanes.queue(job.spec.queue).counts[job.state] += 1
    this.counters.add(job.spec, 'enqueued', 1, this.now())
    if (isEnded(job.state)) {
      this.#conclude(job, job.state)
      return
    }
    this.store.takeKey(job)
    this.hold(job)
    if (job.state === 'ready') job.pos = this.#nextPos()
    this.#settleIn(job)
    this.#tell(job)
  }

  /** To the end of its lane. */
  toReady(job: StoredJob): void {
    job.pos = this.#nextPos()
    this.#enter(job, 'ready')
  }

  /** Due at a time; at once where it has come. */
  toScheduled(job: StoredJob, dueAt: number): void {
    job.runAt = dueAt
    if (dueAt <= this.now()) this.toReady(job)
    else this.#enter(job, 'scheduled')
  }

  claim(job: StoredJob, lease: { worker: string; token: number; until: number; started: boolean }): void {
    const now = this.now()
    this.lanes.claim(job)
    this.store.expiries.delete(job)
    job.lease = { ...lease, startedAt: now }
    if (lease.started) job.startedAt = now
    if (job.spec.unique?.during === 'waiting') this.store.freeKey(job)
    this.#change(job, 'active')
    this.store.leases.set(job)
  }

  /** Carries out what an outcome, or the loss of its worker, leads to. */
  apply(job: StoredJob, ruling: Ruling): void {
    const { next, ...fields } = ruling
    if (fields.crashes > job.crashes) this.counters.add(job.spec, 'crashed', 1, this.now())
    Object.assign(job, fields)
    if (next.state === 'ready') this.#enter(job, 'ready')
    else if (next.state === 'scheduled') this.toScheduled(job, next.dueAt)
    else {
      if (next.state === 'succeeded') job.result = next.result
      if (next.state === 'failed') job.error = next.error
      this.end(job, next.state, 'reason' in next ? next.reason : undefined)
    }
  }

  /** Ends a job that has not ended. Its dependents hear of it when `spread` is called, which the caller does. */
  end(job: StoredJob, state: EndedState, reason?: Reason): void {
    this.#leave(job)
    job.reason = reason
    this.#change(job, state, false)
    this.store.freeKey(job)
    this.#letGo(job)
    this.#conclude(job, state)
  }

  /** Runs an ended job again from the start. The caller has seen to its unique key. */
  revive(job: StoredJob): void {
    this.store.prunes.delete(job)
    job.reason = undefined
    job.error = undefined
    job.endedAt = undefined
    job.pruneAt = Number.POSITIVE_INFINITY
    job.failures = 0
    job.crashes = 0
    job.suspect = false
    job.begun = true
    job.cancelling = false
    job.unknownSince = undefined
    job.dependenciesLeft = 0
    this.hold(job)
    this.toReady(job)
  }

  /** Removes the record of a job that is not active; a waiting one is cancelled first. */
  erase(job: StoredJob): void {
    if (!isEnded(job.state)) this.end(job, 'cancelled', 'by-request')
    if (!this.store.has(job)) return
    this.lanes.queue(job.spec.queue).counts[job.state] -= 1
    this.store.delete(job, this.now())
  }

  /** News for dependents; it leaves when `spread` is called. */
  send(state: EndedState, to: Iterator<Dependent>, left: number): void {
    if (left > 0) this.fresh.push({ state, to, left })
  }

  /** Notes the records that a job needs until it has ended, so that they outlive their retention. */
  hold(job: StoredJob): void {
    job.needs = (job.spec.after ?? []).flatMap(({ id }) => this.store.get(id) ?? [])
    for (const needed of job.needs) {
      needed.neededBy += 1
      this.store.prunes.delete(needed)
    }
  }

  #nextPos(): number {
    this.#lastPos += 1
    return this.#lastPos
  }

  #letGo(job: StoredJob): void {
    for (const needed of job.needs) {
      needed.neededBy -= 1
      if (needed.neededBy === 0 && isEnded(needed.state) && this.store.has(needed))
        this.store.prunes.set(needed)
    }
    job.needs = []
  }

  #enter(job: StoredJob, state: JobState): void {
    this.#leave(job)
    this.#change(job, state)
    this.#settleIn(job)
  }

  /** Into the index of its waiting state. */
  #settleIn(job: StoredJob): void {
    if (job.state === 'ready') this.lanes.add(job)
    if (job.state === 'scheduled') {
      this.due.set(job)
      this.lanes.queue(job.spec.queue).due.set(job)
      this.signals.due(job.spec.queue, job.runAt ?? 0)
    }
    if (job.expiresAt !== undefined && !job.begun) this.store.expiries.set(job)
  }

  /** Out of the index of the state that it is in, and out of its slots. */
  #leave(job: StoredJob): void {
    this.store.expiries.delete(job)
    if (job.state === 'ready') this.lanes.remove(job)
    if (job.state === 'scheduled') {
      this.due.delete(job)
      this.lanes.queue(job.spec.queue).due.delete(job)
    }
    if (job.state === 'active') {
      this.store.leases.delete(job)
      this.lanes.free(job)
      job.lease = undefined
    }
    if (job.state === 'blocked' && job.spec.workflow !== undefined) this.#unstage(job, job.spec.workflow)
  }

  #unstage(job: StoredJob, name: string): void {
    const workflow = this.staged.get(name)
    workflow?.jobs.delete(job)
    if (workflow?.jobs.size === 0) this.staged.delete(name)
  }

  #change(job: StoredJob, state: JobState, tell = true): void {
    const { counts } = this.lanes.queue(job.spec.queue)
    counts[job.state] -= 1
    counts[state] += 1
    this.store.setState(job, state)
    if (tell) this.#tell(job)
  }

  #conclude(job: StoredJob, state: EndedState): void {
    const now = this.now()
    job.endedAt = now
    job.cancelling = false
    job.dependenciesLeft = 0
    const keptMs = job.spec.retention[`${state}Ms`]
    job.pruneAt = now + keptMs
    this.counters.add(job.spec, state, 1, now)
    this.send(state, job.dependents.values(), job.dependents.length)
    job.dependents = []
    this.#tell(job)
    if (job.neededBy > 0) return
    if (keptMs === 0) this.erase(job)
    else this.store.prunes.set(job)
  }

  #tell(job: StoredJob): void {
    this.signals.emit(() => ({
      kind: 'state',
      id: job.spec.id,
      task: job.spec.task,
      queue: job.spec.queue,
      state: job.state,
      at: this.now(),
    }))
  }
}
