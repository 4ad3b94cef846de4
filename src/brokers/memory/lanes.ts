// Where ready jobs stand and who is next. A lane is a queue's share for one partition, and for one task where that task
// has a rule; suspects have lanes of their own. The open lanes of a queue take turns. A lane that finds no room in a
// limit is closed and waits on it, so it is neither scanned nor in the way of others; room that comes opens as many
// lanes as it has room for, and an open lane that leaves without using its room passes it on.
import type { LimitRule, StateCounts } from '../../broker/contract.ts'
import { jobStates } from '../../job/states.ts'
import { Heap } from './heap.ts'
import type { StoredJob } from './job.ts'
import { ruleKey, type Scope, Scopes } from './scopes.ts'

/** The most jobs that one look for the next moves to a lane of their own. */
const MAX_MOVES = 500

export interface Queue {
  readonly name: string
  paused: boolean
  readonly counts: { -readonly [S in keyof StateCounts]: number }
  readonly lanes: Map<string, Lane>
  readonly normal: Rotation
  readonly suspects: Rotation
  /** Scheduled jobs by due time. */
  readonly due: Heap<StoredJob>
  /** Limits on whose rate lanes of this queue wait, by when there is room. */
  readonly timed: Heap<Scope>
  turns: number
  /** True where `next` stopped before it found a job, since many had to move to lanes of their own. */
  unsorted: boolean
}

/** The open lanes of a queue by whose turn it is: those of suspects, and the others. */
export interface Rotation {
  readonly queue: Queue
  readonly open: Heap<Lane>
}

export interface Lane {
  readonly key: string
  readonly rotation: Rotation
  readonly partition: string | undefined
  /** Absent for the lane that tasks without a rule share. */
  readonly task: string | undefined
  readonly jobs: Heap<StoredJob>
  turn: number
  /** The limit that had no room, while the lane is closed. */
  closedBy: Scope | undefined
}

export class Lanes {
  readonly scopes: Scopes = new Scopes()
  readonly queues: Map<string, Queue> = new Map()
  readonly #laneOf = new Map<StoredJob, Lane>()
  readonly #now: () => number
  readonly #opened: (queue: string) => void

  /** @param opened called when a queue may have work again */
  constructor(now: () => number, opened: (queue: string) => void) {
    this.#now = now
    this.#opened = opened
  }

  queue(name: string): Queue {
    let queue = this.queues.get(name)
    if (queue === undefined) {
      queue = newQueue(name)
      this.queues.set(name, queue)
    }
    return queue
  }

  add(job: StoredJob): void {
    const { queue: name, partition, task } = job.spec
    const queue = this.queue(name)
    const laneTask = this.scopes.hasTaskRule(task) ? task : undefined
    const key = `${job.suspect ? 'suspect' : ''}\n${partition ?? ''}\n${laneTask ?? ''}`
    let lane = queue.lanes.get(key)
    if (lane === undefined) {
      const rotation = job.suspect ? queue.suspects : queue.normal
      queue.turns += 1
      const turn = queue.turns
      lane = { key, rotation, partition, task: laneTask, jobs: newLine(), turn, closedBy: undefined }
      queue.lanes.set(key, lane)
      rotation.open.set(lane)
    }
    lane.jobs.set(job)
    this.#laneOf.set(job, lane)
    this.#opened(name)
  }

  remove(job: StoredJob): void {
    const lane = this.#laneOf.get(job)
    if (lane === undefined) return
    this.#laneOf.delete(job)
    lane.jobs.delete(job)
    if (lane.jobs.size > 0) return
    const { rotation, closedBy } = lane
    rotation.queue.lanes.delete(lane.key)
    if (closedBy === undefined) {
      rotation.open.delete(lane)
      this.#passOn(lane)
      return
    }
    const others = closedBy.waiting.get(rotation)
    others?.delete(lane)
    if (others?.size === 0) {
      closedBy.waiting.delete(rotation)
      rotation.queue.timed.delete(closedBy)
    }
    this.#retime(closedBy)
  }

  /** The job whose turn it is, left where it stands. Closes lanes without room on the way. */
  next(rotation: Rotation): StoredJob | undefined {
    const { queue } = rotation
    queue.unsorted = false
    for (let moves = 0; ; ) {
      const lane = rotation.open.peek()
      const job = lane?.jobs.peek()
      if (lane === undefined || job === undefined) return undefined
      if (lane.task === undefined && this.scopes.hasTaskRule(job.spec.task)) {
        // Its task got a rule while it stood in the shared lane.
        if (moves === MAX_MOVES) {
          queue.unsorted = true
          return undefined
        }
        moves += 1
        this.remove(job)
        this.add(job)
        continue
      }
      const full = this.#bounds(lane).find((scope) => this.scopes.room(scope, this.#now()) === 0)
      if (full === undefined) return job
      this.#close(lane, full)
    }
  }

  /** Takes a job out of its lane and into its slots; its lane goes to the end of the turns. */
  claim(job: StoredJob): void {
    for (const scope of this.scopes.of(job.spec)) this.scopes.occupy(scope, this.#now())
    const lane = this.#laneOf.get(job)
    if (lane !== undefined) {
      lane.rotation.queue.turns += 1
      lane.turn = lane.rotation.queue.turns
      if (lane.closedBy === undefined) lane.rotation.open.set(lane)
    }
    this.remove(job)
  }

  /** Gives back the slots of a claimed job. */
  free(job: StoredJob): void {
    for (const scope of this.scopes.of(job.spec)) {
      scope.active -= 1
      this.#fill(scope, 1)
      this.scopes.drop(scope, this.#now())
    }
    if (this.scopes.rule(`queue\n${job.spec.queue}`) !== undefined) this.#opened(job.spec.queue)
  }

  /** Opens the lanes of a queue that waited for the rate of a limit. */
  openTimed(queue: Queue): void {
    for (;;) {
      const scope = queue.timed.peek()
      if (scope?.retryAt === undefined || scope.retryAt > this.#now()) return
      this.#fill(scope, Number.POSITIVE_INFINITY)
    }
  }

  setRule(rule: LimitRule): void {
    if (rule.scope.kind !== 'task') this.queue(rule.scope.queue)
    this.scopes.setRule(rule)
    for (const scope of this.scopes.under(ruleKey(rule.scope))) {
      this.#fill(scope, Number.POSITIVE_INFINITY)
      this.scopes.drop(scope, this.#now())
    }
    if (rule.scope.kind === 'queue') this.#opened(rule.scope.queue)
  }

  /** When something of a queue falls due by itself: a scheduled job, or room in a rate. */
  nextDueAt(queue: Queue): number | undefined {
    if (queue.paused) return undefined
    if (queue.unsorted) return this.#now()
    const times = [queue.due.peek()?.runAt, queue.timed.peek()?.retryAt]
    if (queue.normal.open.size + queue.suspects.open.size > 0) {
      const scope = this.scopes.queue(queue.name)
      if (this.scopes.room(scope, this.#now()) === 0) times.push(this.scopes.moreAt(scope, this.#now()))
    }
    return earliest(times)
  }

  /** The limits that bound a whole lane; the queue's is looked at before its lanes are. */
  #bounds({ rotation, partition, task }: Lane): Scope[] {
    const queue = rotation.queue.name
    const bounds: Scope[] = []
    if (task !== undefined) bounds.push(this.scopes.task(task))
    if (partition !== undefined && this.scopes.rule(`partition\n${queue}`) !== undefined)
      bounds.push(this.scopes.partition(queue, partition))
    return bounds
  }

  #close(lane: Lane, full: Scope): void {
    lane.rotation.open.delete(lane)
    lane.closedBy = full
    let waiting = full.waiting.get(lane.rotation)
    if (waiting === undefined) {
      waiting = newTurns()
      full.waiting.set(lane.rotation, waiting)
    }
    waiting.set(lane)
    this.#retime(full)
    this.#passOn(lane)
  }

  /** An open lane has left the turns: room that it might have used goes to one that waits for it. */
  #passOn(lane: Lane): void {
    for (const scope of this.#bounds(lane)) {
      if (this.scopes.room(scope, this.#now()) > 0 && this.#open(scope, lane.rotation, 1)) this.#retime(scope)
    }
  }

  /** Opens up to `most` lanes of each rotation that wait on a scope, as far as it has room. */
  #fill(scope: Scope, most: number): void {
    const count = Math.min(most, this.scopes.room(scope, this.#now()))
    for (const rotation of [...scope.waiting.keys()]) this.#open(scope, rotation, count)
    this.#retime(scope)
  }

  #open(scope: Scope, rotation: Rotation, count: number): boolean {
    const waiting = scope.waiting.get(rotation)
    if (waiting === undefined || count === 0) return false
    for (let i = 0; i < count; i += 1) {
      const lane = waiting.pop()
      if (lane === undefined) break
      lane.closedBy = undefined
      rotation.open.set(lane)
    }
    if (waiting.size === 0) {
      scope.waiting.delete(rotation)
      rotation.queue.timed.delete(scope)
    }
    this.#opened(rotation.queue.name)
    return true
  }

  /** Sets when the lanes that wait on a scope are to be looked at again. */
  #retime(scope: Scope): void {
    scope.retryAt = scope.waiting.size === 0 ? undefined : this.scopes.moreAt(scope, this.#now())
    for (const { queue } of scope.waiting.keys()) {
      if (scope.retryAt === undefined) queue.timed.delete(scope)
      else queue.timed.set(scope)
    }
  }
}

export function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((at) => at !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function newQueue(name: string): Queue {
  const queue: Omit<Queue, 'normal' | 'suspects'> & { normal?: Rotation; suspects?: Rotation } = {
    name,
    paused: false,
    counts: Object.fromEntries(jobStates.map((state) => [state, 0])) as Queue['counts'],
    lanes: new Map(),
    due: new Heap((a, b) => dueBefore(a, b)),
    timed: new Heap((a, b) => (a.retryAt ?? 0) < (b.retryAt ?? 0)),
    turns: 0,
    unsorted: false,
  }
  const rotation = (): Rotation => ({ queue: queue as Queue, open: newTurns() })
  return Object.assign(queue, { normal: rotation(), suspects: rotation() })
}

function newTurns(): Heap<Lane> {
  return new Heap((a, b) => a.turn < b.turn)
}

/** Higher priority first, then first in, first out. */
function newLine(): Heap<StoredJob> {
  return new Heap((a, b) =>
    a.spec.priority === b.spec.priority ? a.pos < b.pos : a.spec.priority > b.spec.priority,
  )
}

export function dueBefore(a: StoredJob, b: StoredJob): boolean {
  const [dueA, dueB] = [a.runAt ?? 0, b.runAt ?? 0]
  return dueA === dueB ? a.seq < b.seq : dueA < dueB
}
