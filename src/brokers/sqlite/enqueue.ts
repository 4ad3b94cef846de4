// Storing jobs. The plain ones, which are most, cost one insert each: a conflict of ids shows in how many rows it
// changed. Groups that could be refused halfway are checked as a whole before anything of them is written.
import type { EnqueuedJob, GroupAnswer } from '../../broker/contract.ts'
import { type Dependency, type UniqueKey, unpackRare } from '../../job/record.ts'
import type { Dependents } from './dependents.ts'
import { BIG_INPUT, FLAG } from './flags.ts'
import type { Lanes } from './lanes.ts'
import type { Moves } from './moves.ts'
import { isEndedRow, type JobRow, reasonIndex, STATE } from './row.ts'
import type { Store } from './store.ts'
import type { NewJob } from './wire-specs.ts'

type Refusal = Extract<GroupAnswer, { ok: false }>

/** Thrown where a group turns out to need the check; the transaction is undone and done again with all checked. */
export class NeedsCheck extends Error {}

const SPECIAL = FLAG.unique | FLAG.child | FLAG.search | FLAG.staged

export class Enqueue {
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

  /** @param check looks at the whole group first, whatever is in it */
  group(group: readonly NewJob[], check: boolean): GroupAnswer {
    const special = group.some((job) => (job.flags & SPECIAL) !== 0)
    if (check || special || group.length === 1) {
      const refusal = check || special ? this.#check(group) : undefined
      if (refusal !== undefined) return refusal
    }
    const jobs: EnqueuedJob[] = []
    for (const job of group) {
      const answer = (job.flags & SPECIAL) === 0 ? this.#plain(job, group.length === 1) : this.#special(job)
      if ('code' in answer) return answer
      jobs.push(answer)
    }
    return { ok: true, jobs }
  }

  // ── checks ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #check(group: readonly NewJob[]): Refusal | undefined {
    const planned = new Map<string, string>()
    const plannedKeys = new Set<string>()
    for (const job of group) {
      const there = planned.get(job.id) ?? this.#taskOf(job.id)
      if (there !== undefined) {
        if (there !== job.task) return idTaken(job, there)
        continue
      }
      if ((job.flags & SPECIAL) !== 0) {
        const { unique, after = [] } = unpackRare(job.rare ?? null)
        if (unique !== undefined) {
          const kept = plannedKeys.has(unique.key)
            ? unique.onConflict === 'keep'
            : this.#keeper(unique) !== undefined
          if (kept) continue
          plannedKeys.add(unique.key)
        }
        for (const { id } of after)
          if (!planned.has(id) && this.#taskOf(id) === undefined) return dependencyMissing(job, id)
      }
      planned.set(job.id, job.task)
    }
    return undefined
  }

  #taskOf(id: string): string | undefined {
    const row = this.#store.sql.taskById.get<[number]>(id)
    return row && this.#store.names.text(row[0])
  }

  /** The holder of a unique key that the new job is a duplicate of. */
  #keeper({ key, onConflict }: UniqueKey): string | undefined {
    const holder = this.#store.sql.keyHolder.get<[number, string, number]>(key)
    return onConflict === 'replace' && holder?.[2] !== STATE.active ? undefined : holder?.[1]
  }

  // ── jobs ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #plain(job: NewJob, alone: boolean): EnqueuedJob | Refusal {
    const { now, names } = this.#store
    const due = job.runAt ?? now + (job.delayMs ?? 0)
    const placed = { queue: names.id(job.queue), task: names.id(job.task), partition: job.partition ?? null }
    if (this.#insert(job, placed, due > now ? STATE.scheduled : STATE.ready, null))
      return { status: 'enqueued', id: job.id }
    const task = this.#taskOf(job.id)
    if (task === job.task) return { status: 'duplicate', id: job.id, by: 'id' }
    if (!alone) throw new NeedsCheck()
    return idTaken(job, task ?? '')
  }

  #special(job: NewJob): EnqueuedJob {
    if (this.#taskOf(job.id) !== undefined) return { status: 'duplicate', id: job.id, by: 'id' }
    const rare = unpackRare(job.rare ?? null)
    if (rare.unique !== undefined) {
      const kept = this.#keeper(rare.unique)
      if (kept !== undefined) return { status: 'duplicate', id: kept, by: 'unique' }
      const holder = this.#store.sql.keyHolder.get<[number]>(rare.unique.key)
      const replaced = holder && this.#store.jobBySeq(holder[0])
      if (replaced !== undefined) this.#moves.end(replaced, 'cancelled', 'replaced')
    }
    this.#put(job, rare)
    this.#dependents.spread()
    return { status: 'enqueued', id: job.id }
  }

  #put(job: NewJob, rare: ReturnType<typeof unpackRare>): void {
    const { now, names, sql } = this.#store
    const after = new Map((rare.after ?? []).map(({ id, when }) => [id, when]))
    const parents = [...after].map(([id, when]) => ({ when, row: this.#store.jobById(id) }))
    const hopeless = parents.some(({ row, when }) => endedBadly(row, when))
    const staged = (job.flags & FLAG.staged) !== 0
    const open = parents.filter(({ row }) => row !== undefined && !isEndedRow(row)).length
    const waits = open + (staged ? 1 : 0)
    const due = job.runAt ?? now + (job.delayMs ?? 0)
    const state = hopeless || waits > 0 ? STATE.blocked : due > now ? STATE.scheduled : STATE.ready
    const placed = { queue: names.id(job.queue), task: names.id(job.task), partition: job.partition ?? null }
    this.#insert(job, placed, state, waits)
    const { seq } = this.#store.counters
    for (const [field, value] of Object.entries(rare.search ?? {})) sql.insertSearch.run(field, value, seq)
    const row = this.#store.jobBySeq(seq)
    if (row === undefined) return
    if (hopeless) {
      row.flags &= ~(FLAG.unique | FLAG.child)
      row.reason = reasonIndex('dependency')
      this.#store.tally.count(row.queue, row.state, -1)
      this.#store.tally.count(row.queue, STATE.cancelled, 1)
      row.state = STATE.cancelled
      this.#moves.conclude(row, 'cancelled')
      return
    }
    if (rare.unique !== undefined) sql.takeKey.run(rare.unique.key, seq)
    if (staged && job.workflow !== undefined) sql.stageWorkflow.run(job.workflow, now)
    for (const { row: parent, when } of parents) {
      if (parent !== undefined)
        this.#moves.tie(parent, row, { needsSuccess: when === 'succeeded', open: !isEndedRow(parent) })
    }
  }

  /** Writes the row; false where the id is there already. */
  #insert(
    job: NewJob,
    placed: { readonly queue: number; readonly task: number; readonly partition: string | null },
    state: number,
    waits: number | null,
  ): boolean {
    const { sql, counters, tally, now } = this.#store
    const seq = counters.seq + 1
    const ready = state === STATE.ready
    const lane = ready ? this.#lanes.enter(placed, 0) : null
    const big = job.input.length > BIG_INPUT
    const { delayMs = 0 } = job
    const inserted = sql.insertJob.run(
      seq,
      job.id,
      state,
      job.flags | (big ? FLAG.big : 0),
      placed.task,
      placed.queue,
      placed.partition,
      job.priority,
      lane,
      ready ? counters.pos + 1 : null,
      job.version,
      now,
      job.runAt ?? (delayMs > 0 ? now + delayMs : null),
      job.expiresInMs === undefined ? null : now + job.expiresInMs,
      job.codec,
      big ? null : job.input,
      job.rare ?? null,
      job.workflow ?? null,
      waits,
    )
    if (inserted === 0) {
      if (lane !== null) this.#lanes.left(lane)
      return false
    }
    counters.seq = seq
    if (ready) counters.pos += 1
    if (big) sql.insertPayload.run(seq, job.input)
    tally.count(placed.queue, state, 1)
    tally.add(placed.queue, placed.task, 'enqueued', 1)
    this.#store.effects.queues.add(placed.queue)
    if (this.#store.heard) this.#store.tell({ id: job.id, task: placed.task, queue: placed.queue, state })
    return true
  }
}

/** A dependency that was there when the group was checked and has gone with what the group replaced, was cancelled. */
function endedBadly(row: JobRow | undefined, when: Dependency['when']): boolean {
  if (when === 'ended') return false
  return row === undefined || row.state === STATE.failed || row.state === STATE.cancelled
}

function idTaken({ id, task }: NewJob, other: string): Refusal {
  const message = `the id '${id}' belongs to a job of task '${other}', so a job of '${task}' cannot have it`
  return { ok: false, code: 'ID_TAKEN', id, message }
}

function dependencyMissing({ id }: NewJob, missing: string): Refusal {
  const message = `job '${id}' is to run after '${missing}', and no such job is kept`
  return { ok: false, code: 'DEPENDENCY_MISSING', id, message }
}
