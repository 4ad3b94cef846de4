// Spreading what followed from an outcome: each dependent hears of it once. A step spreads to a hundred at once and
// leaves the rest in the outbox for `maintain`. What is cancelled on the way has dependents of its own.
import { FLAG } from './flags.ts'
import type { Moves } from './moves.ts'
import { has, type JobRow, STATE, setFlag } from './row.ts'
import type { Store } from './store.ts'

/** The most dependents that one outcome reaches at once. */
const SPREAD_AT_ONCE = 100

type OutboxRow = [
  id: number,
  parent: number | null,
  success: number | null,
  workflow: string | null,
  last: number | null,
]

export class Dependents {
  readonly #store: Store
  readonly #moves: Moves

  constructor(store: Store, moves: Moves) {
    this.#store = store
    this.#moves = moves
  }

  /** Delivers what the step under way has brought; called at its end. */
  spread(): void {
    const { fresh } = this.#moves
    for (let left = SPREAD_AT_ONCE; fresh.length > 0 && left > 0; ) {
      const { parent, success } = fresh[0] as (typeof fresh)[number]
      const delivered = this.#deliverAll(parent, success, left)
      if (delivered < left) fresh.shift()
      left -= delivered
    }
    this.#keep()
  }

  /** Delivers up to `max` of what earlier steps have left; answers how many. */
  spreadOutbox(max: number): number {
    const { sql } = this.#store
    let delivered = 0
    while (delivered < max) {
      const row = sql.outboxHead.get<OutboxRow>()
      if (row === undefined) break
      const [id, parent, success, workflow, last] = row
      const left = max - delivered
      const count =
        workflow === null
          ? this.#deliverAll(parent ?? 0, success === 1, left)
          : this.#publishSome(workflow, last ?? 0, left)
      delivered += count
      if (count < left) sql.deleteOutbox.run(id)
      this.#store.wrote()
    }
    this.#keep()
    return delivered
  }

  /** True while something is still to be spread. */
  get pending(): boolean {
    return this.#store.sql.outboxHead.get() !== undefined
  }

  /** Makes the staged jobs of a workflow visible; false where none are staged. */
  publish(workflow: string): boolean {
    const { sql } = this.#store
    if (sql.deleteWorkflow.run(workflow) === 0) return false
    this.#store.wrote()
    const last = this.#store.counters.seq
    const count = this.#publishSome(workflow, last, SPREAD_AT_ONCE)
    if (count === SPREAD_AT_ONCE) sql.insertOutbox.run(null, null, workflow, last)
    this.spread()
    // The workflow outlives staged jobs that were cancelled or removed.
    return count > 0
  }

  #keep(): void {
    for (const { parent, success } of this.#moves.fresh.splice(0))
      this.#store.sql.insertOutbox.run(parent, success ? 1 : 0, null, null)
  }

  #deliverAll(parent: number, success: boolean, max: number): number {
    const { sql } = this.#store
    const edges = sql.openEdges.all<[number, number]>(parent, max)
    for (const [child, needsSuccess] of edges) {
      sql.closeEdge.run(parent, child)
      const row = this.#store.jobBySeq(child)
      // Cancelled, removed, or run by a person in the meantime.
      if (row === undefined || row.state !== STATE.blocked) continue
      if (!success && needsSuccess === 1) this.#moves.end(row, 'cancelled', 'dependency')
      else this.#oneLess(row)
    }
    return edges.length
  }

  #publishSome(workflow: string, last: number, max: number): number {
    const seqs = this.#store.sql.stagedJobs.all<[number]>(workflow, last, max)
    for (const [seq] of seqs) {
      const row = this.#store.jobBySeq(seq)
      if (row === undefined || !has(row, FLAG.staged)) continue
      setFlag(row, FLAG.staged, false)
      this.#oneLess(row)
    }
    return seqs.length
  }

  #oneLess(row: JobRow): void {
    row.waits = (row.waits ?? 1) - 1
    if (row.waits > 0) this.#store.save(row)
    else if (row.due_at === null) this.#moves.toReady(row)
    else this.#moves.toScheduled(row, row.due_at)
  }
}
