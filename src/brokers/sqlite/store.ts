// What the parts of the broker share while a transaction runs: the statements, broker time, the counters of the file,
// names, sums, and what has to happen once it is committed. Nothing that another process can change is kept beyond
// the transaction, except what the counter `config` vouches for.
import type { JobEvent } from '../../broker/contract.ts'
import { jobStates } from '../../job/states.ts'
import { Claims } from './claims.ts'
import type { Database } from './engine.ts'
import { Names } from './names.ts'
import { changes, type JobRow, readRow } from './row.ts'
import { prepareAll, type Statements } from './statements.ts'
import { Tally } from './tally.ts'
import { BrokerTime, type Reading } from './time.ts'

export interface Counters {
  seq: number
  token: number
  pos: number
  turn: number
  config: number
  listenUntil: number
}

/** What the world outside hears after the commit. */
export interface Effects {
  /** Queues in which something may be ready, fell due earlier, or is being cancelled. */
  readonly queues: Set<number>
  readonly events: JobEvent[]
}

/** A part that keeps changes in memory until the end of the transaction. */
export interface Part {
  /** Writes them; answers whether there were any. */
  flush(): boolean
  /** Forgets them, and all that was read in the transaction. */
  reset(): void
}

export class Store {
  readonly db: Database
  readonly sql: Statements
  readonly names: Names
  readonly tally: Tally = new Tally()
  readonly claims: Claims = new Claims()
  readonly time: BrokerTime = new BrokerTime()
  readonly source: string
  readonly parts: Part[] = []
  /** Broker time of the transaction. */
  now = 0
  counters: Counters = { seq: 0, token: 0, pos: 0, turn: 0, config: 0, listenUntil: 0 }
  effects: Effects = { queues: new Set(), events: [] }
  /** Somebody in this process listens to events. */
  listening = false
  #written = false
  #stored = ''
  #configSeen = -1

  /** @param source tells this process from others that use the file */
  constructor(db: Database, source: string) {
    this.db = db
    this.sql = prepareAll(db)
    this.names = new Names(this.sql)
    this.source = source
  }

  /** Starts from what the file says. Called in the transaction, before anything else. */
  start(reading: Reading): void {
    const row = this.sql.readCounters.get<[number, number, number, number, number, number, number]>()
    const [seq, token, pos, turn, clock, config, listenUntil] = row ?? [0, 0, 0, 0, 0, 0, 0]
    this.counters = { seq, token, pos, turn, config, listenUntil }
    this.now = this.time.now(reading, clock)
    this.#stored = this.#text()
    this.#written = false
    this.effects = { queues: new Set(), events: [] }
  }

  /** True once after the rules or pauses have changed, by whomever. */
  configChanged(): boolean {
    if (this.#configSeen === this.counters.config) return false
    this.#configSeen = this.counters.config
    return true
  }

  /** Says that a statement has changed something, so that the transaction has to be committed. */
  wrote(): void {
    this.#written = true
  }

  /** Writes what was gathered; answers whether anything was changed at all. Called before the commit. */
  flush(): boolean {
    for (const part of this.parts) if (part.flush()) this.#written = true
    if (!this.tally.isEmpty) {
      this.tally.flush(this.sql, this.now)
      this.#written = true
    }
    if (this.#text() !== this.#stored) this.#written = true
    if (!this.#written) return false
    const { seq, token, pos, turn, config, listenUntil } = this.counters
    if (this.effects.events.length > 0 && listenUntil > this.now)
      this.sql.insertEvents.run(this.source, this.now, JSON.stringify(this.effects.events))
    this.sql.writeCounters.run(seq, token, pos, turn, this.now, config, listenUntil)
    return true
  }

  committed(): void {
    this.claims.commit()
    for (const part of this.parts) part.reset()
  }

  /** After a rollback: nothing that was read or gathered holds any more. */
  undone(): void {
    this.claims.rollback()
    this.tally.clear()
    this.names.forget()
    this.#configSeen = -1
    this.effects = { queues: new Set(), events: [] }
    for (const part of this.parts) part.reset()
  }

  // ── jobs ───────────────────────────────────────────────────────────────────────────────────────────────────────

  jobById(id: string): JobRow | undefined {
    const row = this.sql.jobById.get(id)
    return row && readRow(row)
  }

  jobBySeq(seq: number): JobRow | undefined {
    const row = this.sql.jobBySeq.get(seq)
    return row && readRow(row)
  }

  save(row: JobRow): void {
    this.sql.saveJob.run(...changes(row))
    this.wrote()
  }

  tell(row: Pick<JobRow, 'id' | 'task' | 'queue' | 'state'>, kind: JobEvent['kind'] = 'state'): void {
    if (!this.heard) return
    this.effects.events.push({
      kind,
      id: row.id,
      task: this.names.text(row.task),
      queue: this.names.text(row.queue),
      state: jobStates[row.state] ?? 'ready',
      at: this.now,
    })
  }

  /** Whether anybody, here or elsewhere, listens to events. */
  get heard(): boolean {
    return this.listening || this.counters.listenUntil > this.now
  }

  /** Says to other processes that somebody in this one listens to events. */
  listen(ms: number): void {
    this.counters.listenUntil = Math.max(this.counters.listenUntil, this.now + ms)
  }

  nextPos(): number {
    this.counters.pos += 1
    return this.counters.pos
  }

  #text(): string {
    const { seq, token, pos, turn, config, listenUntil } = this.counters
    return `${seq} ${token} ${pos} ${turn} ${config} ${listenUntil}`
  }
}
