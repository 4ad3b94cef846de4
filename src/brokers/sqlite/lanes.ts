// Where ready jobs stand and who is next. A lane is a queue's share for one partition, and for one task where that task
// has a rule; suspects have lanes of their own. A lane exists while a job stands in it. The open lanes of a queue take
// turns. A lane that finds no room in a limit is closed and waits on it, so it is neither scanned nor in the way of
// others; room that comes opens as many lanes as it has room for, and an open lane that leaves passes its room on.
import type { Rules } from './rules.ts'
import type { Placed, Scope, Scopes } from './scopes.ts'
import type { Part, Store } from './store.ts'
import { type HeadRow, type Lane, type LaneRow, readLane, Turns } from './turns.ts'

/** The most jobs that one look for the next moves to a lane of their own. */
const MAX_MOVES = 500

/** The most lanes or scopes that one step opens because the time of a rate has come. */
const MAX_TIMED = 500

export class Lanes implements Part {
  readonly #store: Store
  readonly #rules: Rules
  readonly #scopes: Scopes
  readonly #ids = new Map<string, number>()
  /** What reserve looks at in this transaction, by queue and suspect. */
  readonly #turns = new Map<string, Turns>()
  /** True where `next` stopped before it found a job, since many had to move to lanes of their own. */
  unsorted = false

  constructor(store: Store, rules: Rules, scopes: Scopes) {
    this.#store = store
    this.#rules = rules
    this.#scopes = scopes
    store.parts.push(this)
  }

  flush(): boolean {
    for (const turns of this.#turns.values()) turns.save()
    this.#turns.clear()
    return false
  }

  reset(): void {
    this.#ids.clear()
    this.#turns.clear()
  }

  turns(queue: number, suspect: number): Turns {
    const key = `${queue} ${suspect}`
    let turns = this.#turns.get(key)
    if (turns === undefined) {
      turns = new Turns(this.#store, queue, suspect)
      this.#turns.set(key, turns)
    }
    return turns
  }

  /** The lane for a job that becomes ready; made where there is none. */
  enter(job: Placed, suspect: number): number {
    const { sql, counters, effects } = this.#store
    const task = this.#rules.of('task', job.task) === undefined ? 0 : job.task
    const partition = job.partition ?? ''
    effects.queues.add(job.queue)
    const key = `${job.queue} ${suspect} ${task} ${partition}`
    const known = this.#ids.get(key) ?? sql.laneId.get<[number]>(job.queue, suspect, task, partition)?.[0]
    if (known !== undefined) {
      this.#ids.set(key, known)
      this.#turns.get(`${job.queue} ${suspect}`)?.refresh(known)
      return known
    }
    counters.turn += 1
    const id = counters.turn
    sql.insertLane.run(id, job.queue, suspect, task, partition, id)
    this.#ids.set(key, id)
    this.#turns.get(`${job.queue} ${suspect}`)?.join(readLane([id, job.queue, suspect, task, partition, id]))
    return id
  }

  /** A job has left its lane otherwise than by a claim: the lane goes with its last one. */
  left(id: number): void {
    const { sql } = this.#store
    if (sql.laneHead.get(id) !== undefined) return
    const row = sql.laneById.get<[...LaneRow, string | null]>(id)
    if (row === undefined) return
    const waits = row[6] as string | null
    this.#delete(readLane(row as LaneRow))
    if (waits === null) this.#passOn(readLane(row as LaneRow))
    else this.#retimeKey(waits)
  }

  /** The job whose turn it is, left where it stands. Closes lanes without room on the way. */
  next(turns: Turns, wanted: number): { lane: Lane; head: HeadRow } | undefined {
    this.unsorted = false
    for (let moves = 0; ; ) {
      const lane = turns.peek()
      if (lane === undefined) return undefined
      const head = this.#head(lane, Math.ceil(wanted / Math.max(1, turns.size)))
      if (head === undefined) continue
      if (lane.task === 0 && this.#rules.any && this.#rules.of('task', head[2]) !== undefined) {
        // Its task got a rule while it stood in the shared lane.
        if (moves === MAX_MOVES) {
          this.unsorted = true
          return undefined
        }
        moves += 1
        const placed = { queue: lane.queue, task: head[2], partition: head[16] }
        this.#store.sql.moveJob.run(this.enter(placed, lane.suspect), head[0])
        this.#store.wrote()
        this.taken(lane)
        continue
      }
      const full = this.#bounds(lane).find((scope) => this.#scopes.room(scope) === 0)
      if (full === undefined) return { lane, head }
      this.#close(lane, full)
    }
  }

  /** The head of a lane has left it and its row says so; the lane goes with its last one. */
  taken(lane: Lane): void {
    lane.next += 1
    if (lane.next < lane.heads.length) return
    if (lane.whole || this.#store.sql.laneHead.get(lane.id) === undefined) {
      this.#delete(lane)
      this.#passOn(lane)
    }
  }

  /** Gives back the slots of a claimed job. */
  free(job: Placed): void {
    if (!this.#rules.any) return
    for (const scope of this.#scopes.of(job)) {
      this.#scopes.free(scope)
      this.#fill(scope, 1)
    }
    if (this.#rules.of('queue', job.queue) !== undefined) this.#store.effects.queues.add(job.queue)
  }

  /** Opens the lanes of a queue that waited for the rate of a limit. */
  openTimed(queue: number): void {
    if (!this.#rules.any) return
    for (const scope of this.#timed(queue)) {
      if (scope.openAt !== null && scope.openAt <= this.#store.now)
        this.#fill(scope, Number.POSITIVE_INFINITY)
    }
  }

  /** When a rate on which lanes of a queue wait has room. */
  timedAt(queue: number): number | undefined {
    if (!this.#rules.any) return undefined
    const times: number[] = []
    for (const { openAt } of this.#timed(queue)) if (openAt !== null) times.push(openAt)
    const full = this.#scopes.queue(queue)
    if (full !== undefined && this.#scopes.room(full) === 0 && this.#store.sql.anyOpenLane.get(queue)) {
      const more = this.#scopes.moreAt(full)
      if (more !== undefined) times.push(more)
    }
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** The scopes with a rate on which lanes of a queue wait, the earliest first. */
  #timed(queue: number): Scope[] {
    this.#scopes.flush()
    const { sql } = this.#store
    const keys = sql.timedScopes.all<[string]>(queue, MAX_TIMED).map(([key]) => key)
    const scopes = keys.flatMap((key) => this.#scopes.byKey(key) ?? [])
    for (const task of this.#rules.tasks()) {
      const scope = this.#scopes.task(task)
      if (scope === undefined || scope.openAt === null) continue
      if (sql.anyWaitingLane.get(scope.key, queue) !== undefined) scopes.push(scope)
    }
    return scopes
  }

  #head(lane: Lane, wanted: number): HeadRow | undefined {
    if (lane.next >= lane.heads.length) {
      // One more than wanted tells whether the lane will be empty.
      lane.heads = this.#store.sql.laneHeads.all<HeadRow>(lane.id, wanted + 1)
      lane.next = 0
      lane.whole = lane.heads.length <= wanted
    }
    const head = lane.heads[lane.next]
    if (head === undefined) {
      this.#delete(lane)
      this.#passOn(lane)
    }
    return head
  }

  #bounds({ queue, task, partition }: Pick<Lane, 'queue' | 'task' | 'partition'>): Scope[] {
    if (!this.#rules.any) return []
    const bounds: Scope[] = []
    const byTask = task === 0 ? undefined : this.#scopes.task(task)
    if (byTask !== undefined) bounds.push(byTask)
    const byPartition = partition === '' ? undefined : this.#scopes.partition(queue, partition)
    if (byPartition !== undefined) bounds.push(byPartition)
    return bounds
  }

  #delete({ id, queue, suspect, task, partition }: Lane): void {
    this.#store.sql.deleteLane.run(id)
    this.#store.wrote()
    this.#ids.delete(`${queue} ${suspect} ${task} ${partition}`)
    this.#turns.get(`${queue} ${suspect}`)?.remove(id)
  }

  #close(lane: Lane, full: Scope): void {
    this.#store.sql.closeLane.run(full.key, lane.turn, lane.id)
    this.#store.wrote()
    this.#turns.get(`${lane.queue} ${lane.suspect}`)?.remove(lane.id)
    this.#retime(full)
    this.#passOn(lane)
  }

  /** An open lane has left the turns: room that it might have used goes to one that waits for it. */
  #passOn(lane: Lane): void {
    for (const scope of this.#bounds(lane)) {
      if (this.#scopes.room(scope) > 0 && this.#open(scope, lane.queue, lane.suspect, 1)) this.#retime(scope)
    }
  }

  /** Opens up to `most` lanes of each queue that wait on a scope, as far as it has room. */
  #fill(scope: Scope, most: number): void {
    const count = Math.min(most, this.#scopes.room(scope))
    for (let at: [number, number] | undefined = [0, -1]; at !== undefined; ) {
      at = this.#store.sql.nextWaiting.get<[number, number]>(scope.key, ...at)
      if (at !== undefined && count > 0) this.#open(scope, ...at, count)
    }
    this.#retime(scope)
  }

  #open(scope: Scope, queue: number, suspect: number, count: number): boolean {
    const most = Math.min(count, MAX_TIMED)
    const rows = this.#store.sql.waitingLanes.all<LaneRow>(scope.key, queue, suspect, most)
    for (const row of rows) {
      this.#store.sql.openLane.run(row[0])
      this.#turns.get(`${queue} ${suspect}`)?.join(readLane(row))
    }
    if (rows.length === 0) return false
    this.#store.effects.queues.add(queue)
    this.#store.wrote()
    return true
  }

  #retimeKey(key: string): void {
    const scope = this.#scopes.byKey(key)
    if (scope !== undefined) this.#retime(scope)
  }

  /** Sets when the lanes that wait on a scope are to be looked at again. */
  #retime(scope: Scope): void {
    const waiting = this.#store.sql.nextWaiting.get(scope.key, 0, -1) !== undefined
    this.#scopes.setOpenAt(scope, waiting ? (this.#scopes.moreAt(scope) ?? null) : null)
  }
}
