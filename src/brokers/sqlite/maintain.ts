// One bounded step of upkeep: spread, promote, reclaim, expire, prune. Anybody may run it at any time. Jobs are handled
// one by one; what one bad row does to the transaction is undone by its runner, which then goes on without it.
import type { MaintainReport } from '../../broker/contract.ts'
import type { Dependents } from './dependents.ts'
import type { Moves } from './moves.ts'
import { ruleLost } from './outcomes.ts'
import type { Reserve } from './reserve.ts'
import { STEP } from './reserve.ts'
import { isEndedRow, type JobRow, STATE } from './row.ts'
import type { Store } from './store.ts'

/** A staged workflow that nobody publishes is given up that long after its last job came. */
const STAGED_MS = 86_400_000
const COUNTERS_MS = 86_400_000
const EVENTS_MS = 60_000
/** How long a row that cannot be read is left alone. */
const BAD_ROW_MS = 60_000

type Kind = 'reclaimed' | 'expired' | 'pruned'

/** Rows that failed a step before, and until when they are passed over. Only in memory: another look does no harm. */
type BadRows = Map<number, number>

export class Maintain {
  readonly #store: Store
  readonly #moves: Moves
  readonly #dependents: Dependents
  readonly #reserve: Reserve
  readonly #bad: BadRows = new Map()
  /** The row at work when a step failed. */
  #at: number | undefined

  constructor(store: Store, moves: Moves, dependents: Dependents, reserve: Reserve) {
    this.#store = store
    this.#moves = moves
    this.#dependents = dependents
    this.#reserve = reserve
  }

  /** Called when a step has failed and was undone: its row is passed over for a while. False where no row is to blame. */
  blame(now: number): boolean {
    if (this.#at === undefined) return false
    this.#bad.set(this.#at, now + BAD_ROW_MS)
    this.#at = undefined
    return true
  }

  get badRows(): number {
    return this.#bad.size
  }

  maintain(): MaintainReport {
    const { sql, now } = this.#store
    for (const [seq, until] of this.#bad) if (until <= now) this.#bad.delete(seq)
    const spread = this.#dependents.spreadOutbox(STEP)
    let promoted = 0
    for (const [queue] of sql.dueQueues.all<[number]>(now))
      promoted += this.#reserve.promoteDue(queue, STEP - promoted)
    const reclaimed = this.#each('reclaimed', (row) => {
      const worker = this.#store.names.text(row.worker ?? 0)
      this.#moves.apply(row, ruleLost(row, now, worker))
    })
    const expired = this.#each('expired', (row) => this.#moves.end(row, 'cancelled', 'expired'))
    const givenUp = this.#giveUpStaged()
    // After the others, so that what they ended and keeps for no time goes at once.
    this.#dependents.spread()
    const pruned = this.#each('pruned', (row) => this.#moves.erase(row)) + givenUp
    this.#dropOld()
    const counts = [spread, promoted, reclaimed, expired, pruned]
    const nextAt = this.#nextAt()
    return {
      promoted,
      reclaimed,
      expired,
      pruned,
      spread,
      more: this.#dependents.pending || counts.some((count) => count >= STEP),
      ...(nextAt === undefined ? {} : { nextDueInMs: Math.max(0, nextAt - now) }),
    }
  }

  #each(kind: Kind, act: (row: JobRow) => void): number {
    const { sql, now } = this.#store
    const statement = { reclaimed: sql.lostJobs, expired: sql.expiredJobs, pruned: sql.prunableJobs }[kind]
    let count = 0
    for (const [seq] of statement.all<[number]>(now, STEP + this.#bad.size)) {
      if (this.#bad.has(seq) || count === STEP) continue
      this.#at = seq
      const row = this.#store.jobBySeq(seq)
      // An earlier one of the step may have ended it or taken it along.
      if (row !== undefined && fits(kind, row, now)) {
        act(row)
        count += 1
      }
      this.#at = undefined
    }
    return count
  }

  #giveUpStaged(): number {
    const { sql, now } = this.#store
    let count = 0
    for (const [workflow] of sql.oldWorkflows.all<[string]>(now - STAGED_MS, STEP)) {
      const seqs = sql.stagedJobs.all<[number]>(workflow, this.#store.counters.seq, STEP - count)
      for (const [seq] of seqs) {
        const row = this.#store.jobBySeq(seq)
        if (row !== undefined) this.#moves.erase(row)
        count += 1
      }
      if (count === STEP) return count
      sql.deleteWorkflow.run(workflow)
      this.#store.wrote()
    }
    return count
  }

  #dropOld(): void {
    const { sql, now } = this.#store
    const dropped =
      sql.dropTombstones.run(now, STEP) +
      sql.dropScopes.run(now, STEP) +
      sql.dropMinutes.run(now - COUNTERS_MS, STEP) +
      sql.dropEvents.run(now - EVENTS_MS, STEP) +
      sql.dropWorkers.run(now)
    if (dropped > 0) this.#store.wrote()
  }

  #nextAt(): number | undefined {
    const { sql, now } = this.#store
    if (this.#dependents.pending) return now
    const staged = sql.nextStaged.get<[number]>()?.[0]
    const times = [
      ...sql.dueTimes.all<[number]>().map(([at]) => at),
      sql.nextLease.get<[number]>()?.[0],
      sql.nextExpiry.get<[number]>()?.[0],
      sql.nextPrune.get<[number]>()?.[0],
      staged === undefined ? undefined : staged + STAGED_MS,
    ].filter((at) => at !== undefined)
    return times.length === 0 ? undefined : Math.min(...times)
  }
}

function fits(kind: Kind, row: JobRow, now: number): boolean {
  if (kind === 'reclaimed') return row.state === STATE.active && (row.lease_until ?? 0) <= now
  if (kind === 'expired') return row.state < STATE.active && row.begun === 0
  return isEndedRow(row) && row.prune_at !== null && row.prune_at <= now
}
