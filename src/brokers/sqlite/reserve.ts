// Claiming ready jobs: what is due is promoted, then jobs are taken from the lanes by turns, each with its lease and
// token in one update.

import type { ReserveRequest } from '../../broker/contract.ts'
import { unreadableError } from '../../broker/outcomes.ts'
import { unpackRare } from '../../job/record.ts'
import type { Dependents } from './dependents.ts'
import { FLAG } from './flags.ts'
import type { Lanes } from './lanes.ts'
import type { Moves } from './moves.ts'
import { isReadable, type JobRow, STATE } from './row.ts'
import type { Rules } from './rules.ts'
import type { Scopes } from './scopes.ts'
import type { Store } from './store.ts'
import type { HeadRow, Lane } from './turns.ts'
import { type ClaimColumns, ClaimPacker } from './wire-claims.ts'

/** The most jobs of each kind that one call promotes, expires, reclaims or removes. */
export const STEP = 500

interface Lease {
  readonly token: number
  readonly until: number
  readonly worker: number
  readonly started: boolean
}

export interface ReserveParts {
  readonly store: Store
  readonly rules: Rules
  readonly scopes: Scopes
  readonly lanes: Lanes
  readonly moves: Moves
  readonly dependents: Dependents
}

export class Reserve {
  readonly #parts: ReserveParts

  constructor(parts: ReserveParts) {
    this.#parts = parts
  }

  reserve(request: ReserveRequest): ClaimColumns {
    const { store, rules, lanes } = this.#parts
    const { now } = store
    const claims = new ClaimPacker()
    const left = { promotions: STEP, expiries: STEP, suspects: request.suspects as number }
    let unsorted = false
    const queues = request.queues.flatMap((name) => store.names.find(name) ?? [])
    for (const queue of queues) {
      if (rules.isPaused(queue)) continue
      left.promotions -= this.promoteDue(queue, left.promotions)
      lanes.openTimed(queue)
      this.#take(queue, request, claims, left)
      unsorted ||= lanes.unsorted
      lanes.unsorted = false
    }
    // The turns are written before anybody else in this transaction looks at the lanes.
    lanes.flush()
    const dueAt = left.expiries === 0 || unsorted ? now : this.#nextDueAt(queues)
    return claims.pack(now, dueAt === undefined ? undefined : Math.max(0, dueAt - now))
  }

  /** Makes up to `max` due jobs of a queue ready, the earliest first; answers how many. */
  promoteDue(queue: number, max: number): number {
    const { store, lanes } = this.#parts
    const due = store.sql.dueJobs.all<[number, number, string | null, number, string, number]>(
      queue,
      store.now,
      max,
    )
    for (const [seq, task, partition, suspect, id] of due) {
      const lane = lanes.enter({ queue, task, partition }, suspect)
      store.sql.promoteJob.run(lane, store.nextPos(), seq)
      store.tell({ id, task, queue, state: STATE.ready })
    }
    if (due.length > 0) {
      store.tally.count(queue, STATE.scheduled, -due.length)
      store.tally.count(queue, STATE.ready, due.length)
    }
    return due.length
  }

  #take(
    queue: number,
    request: ReserveRequest,
    claims: ClaimPacker,
    left: { expiries: number; suspects: number },
  ): void {
    const { store, lanes, dependents, scopes } = this.#parts
    const normal = lanes.turns(queue, 0)
    const suspects = lanes.turns(queue, 1)
    const worker = store.names.id(request.worker)
    while (claims.size < request.max && left.expiries > 0) {
      const full = scopes.queue(queue)
      if (full !== undefined && scopes.room(full) === 0) return
      const wanted = request.max - claims.size
      const found = (left.suspects > 0 ? lanes.next(suspects, 1) : undefined) ?? lanes.next(normal, wanted)
      if (found === undefined) return
      const { lane, head } = found
      if (head[11] === 0 && head[10] !== null && head[10] <= store.now) {
        left.expiries -= 1
        this.#end(lane, head, (row) => this.#parts.moves.end(row, 'cancelled', 'expired'))
        dependents.spread()
        continue
      }
      if (!isReadable(head[15])) {
        left.expiries -= 1
        this.#end(lane, head, (row) => {
          row.error = JSON.stringify(unreadableError)
          this.#parts.moves.end(row, 'failed', 'unreadable')
        })
        dependents.spread()
        continue
      }
      if (lane.suspect === 1) left.suspects -= 1
      store.counters.token += 1
      const started = lane.suspect === 0 && claims.size < request.starting
      const lease = { token: store.counters.token, until: store.now + request.leaseMs, worker, started }
      this.#claim(lane, head, lease, claims)
    }
  }

  #claim(lane: Lane, head: HeadRow, lease: Lease, claims: ClaimPacker): void {
    const { store, lanes, scopes } = this.#parts
    const { sql, names, now } = store
    const [seq, id, task, priority, flags, failures, crashes, version, createdAt, runAt] = head
    const [, , , , , , , , , , , , startedAt, codec, input, rare, partition] = head
    const { queue } = lane
    const { token, until, worker, started } = lease
    let newFlags = flags
    if ((flags & FLAG.unique) !== 0) {
      if (unpackRare(rare).unique?.during === 'waiting') {
        sql.freeKey.run(seq)
        newFlags &= ~FLAG.unique
      }
    }
    sql.claimJob.run(newFlags, until, worker, token, now, started ? 1 : 0, started ? now : startedAt, seq)
    for (const scope of scopes.of({ queue, task, partition })) scopes.occupy(scope)
    lanes.turns(queue, lane.suspect).toEnd(lane)
    lanes.taken(lane)
    store.tally.count(queue, STATE.ready, -1)
    store.tally.count(queue, STATE.active, 1)
    store.claims.add(token, { seq, id, queue, task, partition, flags: newFlags, createdAt, claimedAt: now })
    if (store.heard) store.tell({ id, task, queue, state: STATE.active })
    const [unknownSince, progressCodec, progress] = [head[17], head[18], head[19]]
    claims.add({
      id,
      task: names.text(task),
      queue: names.text(queue),
      priority,
      token,
      createdAt,
      codec,
      input: input ?? sql.readPayload.get<[Uint8Array]>(seq)?.[0] ?? new Uint8Array(0),
      version,
      failures,
      crashes,
      suspect: lane.suspect === 1,
      runAt,
      partition,
      rare,
      progress:
        progressCodec === null ? undefined : { codec: progressCodec, bytes: progress ?? new Uint8Array(0) },
      unknownSince,
    })
  }

  /** Ends the head of a lane, which was read ahead. */
  #end(lane: Lane, head: HeadRow, end: (row: JobRow) => void): void {
    const { store, lanes } = this.#parts
    const row = store.jobBySeq(head[0])
    if (row === undefined) return
    // The lane is this step's to look after.
    row.lane = null
    end(row)
    lanes.taken(lane)
  }

  #nextDueAt(queues: readonly number[]): number | undefined {
    const { store, rules, lanes } = this.#parts
    const times: number[] = []
    for (const queue of queues) {
      if (rules.isPaused(queue)) continue
      const due = store.sql.nextDue.get<[number]>(queue)?.[0]
      if (due !== undefined) times.push(due)
      const timed = lanes.timedAt(queue)
      if (timed !== undefined) times.push(timed)
    }
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
