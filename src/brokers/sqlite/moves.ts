// The moves of a job between its states. Each keeps all that hangs on it in step: lane and slots, unique key, counts,
// counters, events, what is to be spread to dependents, and the end of its record.
import { TOMBSTONE_MS } from '../../job/record.ts'
import type { EndedState, Reason } from '../../job/states.ts'
import { FLAG } from './flags.ts'
import type { Lanes } from './lanes.ts'
import type { Ruling } from './outcomes.ts'
import { has, isEndedRow, type JobRow, rareOf, reasonIndex, retentionOf, STATE, setFlag } from './row.ts'
import type { Store } from './store.ts'

export class Moves {
  readonly #store: Store
  readonly #lanes: Lanes
  /** Jobs that ended in the step under way and have dependents who must hear of it. */
  readonly fresh: { readonly parent: number; readonly success: boolean }[] = []

  constructor(store: Store, lanes: Lanes) {
    this.#store = store
    this.#lanes = lanes
    store.parts.push({ flush: () => false, reset: () => void this.fresh.splice(0) })
  }

  /** To the end of its lane. */
  toReady(row: JobRow): void {
    row.pos = this.#store.nextPos()
    this.enter(row, STATE.ready)
  }

  /** Due at a time; at once where it has come. */
  toScheduled(row: JobRow, dueAt: number): void {
    row.due_at = dueAt
    if (dueAt <= this.#store.now) {
      this.toReady(row)
      return
    }
    this.enter(row, STATE.scheduled)
    this.#store.effects.queues.add(row.queue)
  }

  /** Into a waiting state, as the row says otherwise. */
  enter(row: JobRow, state: number): void {
    const lane = this.#leave(row)
    this.#change(row, state)
    row.lane = state === STATE.ready ? this.#lanes.enter(row, row.suspect) : null
    this.#store.save(row)
    this.#afterwards(lane)
    this.#store.tell(row)
  }

  /** Carries out what an outcome, or the loss of its worker, leads to. */
  apply(row: JobRow, ruling: Ruling): void {
    const { next } = ruling
    if (ruling.crashes > row.crashes) this.#store.tally.add(row.queue, row.task, 'crashed', 1)
    row.failures = ruling.failures
    row.crashes = ruling.crashes
    row.suspect = ruling.suspect ? 1 : 0
    row.begun = ruling.begun ? 1 : 0
    row.started_at = ruling.startedAt
    row.unknown_since = ruling.unknownSince
    row.error = ruling.error
    row.attempts = ruling.attempts
    switch (next.state) {
      case 'succeeded':
        row.result_codec = next.result.codec
        row.result = next.result.bytes
        this.end(row, 'succeeded')
        break
      case 'failed':
        row.error = JSON.stringify(next.error)
        this.end(row, 'failed', next.reason)
        break
      case 'cancelled':
        this.end(row, 'cancelled', next.reason)
        break
      case 'ready':
        this.enter(row, STATE.ready)
        break
      case 'scheduled':
        this.toScheduled(row, next.dueAt)
        break
    }
  }

  /** Ends a job that has not ended. Its dependents hear of it when the step is spread, which the caller does. */
  end(row: JobRow, state: EndedState, reason?: Reason): void {
    const lane = this.#leave(row)
    row.reason = reasonIndex(reason)
    row.lane = null
    this.#change(row, STATE[state])
    this.freeKey(row)
    if (has(row, FLAG.child)) this.#letGo(row)
    this.conclude(row, state)
    this.#afterwards(lane)
  }

  /** What every end brings, also that of a job that is stored ended. The row is written here. */
  conclude(row: JobRow, state: EndedState): void {
    const { now, tally, sql } = this.#store
    const keptMs = retentionOf(row)[`${state}Ms`]
    row.ended_at = now
    row.waits = null
    setFlag(row, FLAG.cancelling, false)
    setFlag(row, FLAG.staged, false)
    tally.add(row.queue, row.task, state, 1)
    const parent = has(row, FLAG.parent)
    if (parent && sql.anyOpenEdge.get(row.seq) !== undefined)
      this.fresh.push({ parent: row.seq, success: state === 'succeeded' })
    const needed = parent && sql.anyChild.get(row.seq) !== undefined
    row.prune_at = needed ? null : now + keptMs
    this.#store.tell(row)
    if (keptMs === 0 && !needed) this.#forget(row)
    else this.#store.save(row)
  }

  /** Runs an ended job again from the start. The caller has seen to its unique key. */
  revive(row: JobRow): void {
    row.reason = null
    row.error = null
    row.ended_at = null
    row.prune_at = null
    row.failures = 0
    row.crashes = 0
    row.suspect = 0
    row.begun = 1
    row.unknown_since = null
    this.hold(row)
    this.toReady(row)
  }

  /** Removes the record of a job that is not active; a waiting one is cancelled first. */
  erase(row: JobRow): void {
    if (!isEndedRow(row)) {
      this.end(row, 'cancelled', 'by-request')
      if (this.#store.sql.stateBySeq.get(row.seq) === undefined) return
    }
    this.#forget(row)
  }

  /** Gives the job its unique key; false where another holds it. Sets the flag, and leaves the row to be saved. */
  takeKey(row: JobRow): boolean {
    const unique = rareOf(row).unique
    if (unique === undefined || has(row, FLAG.unique)) return true
    if (this.#store.sql.takeKey.run(unique.key, row.seq) === 0) return false
    setFlag(row, FLAG.unique, true)
    return true
  }

  freeKey(row: JobRow): void {
    if (!has(row, FLAG.unique)) return
    this.#store.sql.freeKey.run(row.seq)
    setFlag(row, FLAG.unique, false)
  }

  /** Keeps the records that a job run again needs, as far as they are still there. */
  hold(row: JobRow): void {
    for (const { id } of rareOf(row).after ?? []) {
      const parent = this.#store.jobById(id)
      if (parent !== undefined) this.tie(parent, row, { needsSuccess: false, open: false })
    }
  }

  /** Ties a job to one whose record it needs. */
  tie(parent: JobRow, child: JobRow, edge: { needsSuccess: boolean; open: boolean }): void {
    this.#store.sql.insertEdge.run(parent.seq, child.seq, edge.needsSuccess ? 1 : 0, edge.open ? 1 : 0)
    setFlag(child, FLAG.child, true)
    this.#store.sql.markParent.run(FLAG.parent, parent.seq)
    setFlag(parent, FLAG.parent, true)
  }

  /** Lets go of the records that it needed. */
  #letGo(row: JobRow): void {
    const { sql } = this.#store
    const parents = sql.parentsOf.all<[number]>(row.seq)
    sql.deleteEdges.run(row.seq)
    setFlag(row, FLAG.child, false)
    for (const [seq] of parents) {
      if (sql.anyChild.get(seq) !== undefined) continue
      const parent = this.#store.jobBySeq(seq)
      if (parent === undefined || !isEndedRow(parent) || parent.ended_at === null) continue
      const keptMs = retentionOf(parent)[`${endedName(parent.state)}Ms`]
      sql.setPrune.run(parent.ended_at + keptMs, seq)
    }
  }

  /** Out of its slots, where it was active; answers the lane that it leaves. */
  #leave(row: JobRow): number | null {
    if (row.state === STATE.active) {
      row.lease_until = null
      row.started = 0
      this.#lanes.free(row)
    }
    return row.lane
  }

  #afterwards(lane: number | null): void {
    if (lane !== null) this.#lanes.left(lane)
  }

  #change(row: JobRow, state: number): void {
    this.#store.tally.count(row.queue, row.state, -1)
    this.#store.tally.count(row.queue, state, 1)
    row.state = state
  }

  /** The record goes; a tombstone stays where an outcome was recorded for it. */
  #forget(row: JobRow): void {
    const { sql, now, tally } = this.#store
    tally.count(row.queue, row.state, -1)
    if (has(row, FLAG.search)) {
      for (const [field, value] of Object.entries(rareOf(row).search ?? {}))
        sql.deleteSearch.run(field, value, row.seq)
    }
    if (has(row, FLAG.big)) sql.deletePayload.run(row.seq)
    if (has(row, FLAG.notes)) {
      sql.deleteLogs.run(row.seq)
      sql.deleteSteps.run(row.seq)
    }
    sql.deleteJob.run(row.seq)
    if (row.settled !== 0) sql.insertTombstone.run(row.id, row.settled, now + TOMBSTONE_MS)
    this.#store.wrote()
  }
}

function endedName(state: number): EndedState {
  return state === STATE.succeeded ? 'succeeded' : state === STATE.failed ? 'failed' : 'cancelled'
}
