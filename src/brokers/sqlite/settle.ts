// What becomes of claims: outcomes, lease renewals, starts, and what an attempt writes while it runs. A plain success
// of a job that this process claimed is one update; everything else reads the row first.
import type { ExtendAnswer, HeldLease, LeaseRef, Note, Outcome } from '../../broker/contract.ts'
import { bounds, defaultRetention } from '../../job/defaults.ts'
import type { Payload } from '../../job/record.ts'
import type { Claim } from './claims.ts'
import type { Dependents } from './dependents.ts'
import { CARE, FLAG } from './flags.ts'
import type { Lanes } from './lanes.ts'
import type { Moves } from './moves.ts'
import { ruleOutcome, settledMark } from './outcomes.ts'
import { has, type JobRow, STATE } from './row.ts'
import type { Store } from './store.ts'

export class Settle {
  readonly #store: Store
  readonly #lanes: Lanes
  readonly #moves: Moves
  readonly #dependents: Dependents

  constructor(store: Store, lanes: Lanes, moves: Moves, dependents: Dependents) {
    this.#store = store
    this.#lanes = lanes
    this.#moves = moves
    this.#dependents = dependents
  }

  settle(outcome: Outcome): 'ok' | 'lost' {
    const claim = this.#store.claims.get(outcome.token)
    if (claim !== undefined && claim.id === outcome.id) {
      this.#store.claims.remove(outcome.token)
      if (outcome.kind === 'succeeded' && this.#succeed(claim, outcome)) return 'ok'
    }
    const row = this.#store.jobById(outcome.id)
    if (row === undefined || row.state !== STATE.active || row.token !== outcome.token)
      return this.#settledBefore(row, outcome) ? 'ok' : 'lost'
    const { now, tally, names } = this.#store
    row.settled = settledMark(outcome)
    if (outcome.ranMs !== undefined) tally.add(row.queue, row.task, 'ranMs', outcome.ranMs)
    const ruling = ruleOutcome(row, outcome, now, names.text(row.worker ?? 0))
    if (outcome.kind === 'retry' && ruling.next.state === 'scheduled')
      tally.add(row.queue, row.task, 'retried', 1)
    this.#moves.apply(row, ruling)
    this.#dependents.spread()
    return 'ok'
  }

  /** As `settle`, and `lost` also where the outcome has been recorded before. */
  settleHeld(outcome: Outcome): 'ok' | 'lost' {
    const held = this.#store.sql.heldJob.get(outcome.id, outcome.token)
    return held === undefined ? 'lost' : this.settle(outcome)
  }

  /** The short way of a plain success; false where the job needs more care or the claim is over. */
  #succeed(claim: Claim, outcome: LeaseRef & { ranMs?: number | undefined; result: Payload }): boolean {
    if ((claim.flags & CARE) !== 0) return false
    const { sql, now, tally } = this.#store
    const startedAt = Math.max(
      claim.createdAt,
      outcome.ranMs === undefined ? claim.claimedAt : now - outcome.ranMs,
    )
    const { codec, bytes } = outcome.result
    const pruneAt = now + defaultRetention.succeededMs
    if (sql.succeedJob.run(startedAt, now, pruneAt, codec, bytes, claim.seq, outcome.token) === 0)
      return false
    const { queue, task } = claim
    tally.count(queue, STATE.active, -1)
    tally.count(queue, STATE.succeeded, 1)
    tally.add(queue, task, 'succeeded', 1)
    if (outcome.ranMs !== undefined) tally.add(queue, task, 'ranMs', outcome.ranMs)
    this.#lanes.free(claim)
    if (this.#store.heard) this.#store.tell({ id: claim.id, task, queue, state: STATE.succeeded })
    return true
  }

  #settledBefore(row: JobRow | undefined, outcome: Outcome): boolean {
    const mark = settledMark(outcome)
    // No outcome has ever been recorded with the token 0, which is what a job starts with.
    if (outcome.token === 0) return false
    if (row?.settled === mark) return true
    return this.#store.sql.tombstone.get<[number]>(outcome.id, this.#store.now)?.[0] === mark
  }

  started(lease: LeaseRef): void {
    const { sql, now, claims } = this.#store
    if (sql.startJob.run(now, now, lease.id, lease.token) === 0) return
    this.#store.wrote()
    const claim = claims.get(lease.token)
    if (claim !== undefined) claim.claimedAt = now
  }

  extend(lease: HeldLease, leaseMs: number): ExtendAnswer {
    const { sql, now } = this.#store
    if (lease.started) this.started(lease)
    const until = now + leaseMs
    if (sql.extendLease.run(until, lease.id, lease.token) === 0) return 'lost'
    this.#store.wrote()
    const flags = sql.flagsById.get<[number]>(lease.id)?.[0] ?? 0
    return has({ flags }, FLAG.cancelling) ? 'cancelling' : 'ok'
  }

  write(note: Note): 'ok' | 'lost' {
    const { sql, now } = this.#store
    const held = sql.heldJob.get<[number, number, number]>(note.id, note.token)
    if (held === undefined) return 'lost'
    const [seq, task, queue] = held
    this.#store.wrote()
    switch (note.kind) {
      case 'progress':
        sql.writeProgress.run(note.value.codec, note.value.bytes, seq)
        this.#store.tell({ id: note.id, task, queue, state: STATE.active }, 'progress')
        break
      case 'log': {
        const last = sql.lastLog.get<[number]>(seq)?.[0] ?? 0
        sql.insertLog.run(seq, last + 1, now, note.token, note.level, note.text)
        sql.dropLog.run(seq, last + 1 - bounds.logLines)
        sql.markNotes.run(FLAG.notes, seq)
        break
      }
      case 'step':
        sql.insertStep.run(seq, note.name, seq, now, note.value.codec, note.value.bytes)
        sql.markNotes.run(FLAG.notes, seq)
        break
    }
    return 'ok'
  }
}
