// Runs what came over the port since the last time in one transaction (group commit). Where a call fails, everything is
// undone and each call gets a transaction of its own, so that it fails alone. A busy file is waited for.
import { OffstageError } from '../../errors/error.ts'
import { Core, type CoreCall, type WireCalls } from './core.ts'
import type { Database } from './engine.ts'
import { NeedsCheck } from './enqueue.ts'
import { isBusy, isOutage, toStoreError } from './errors.ts'
import { pause } from './pause.ts'
import type { Effects } from './store.ts'
import type { Reading } from './time.ts'
import type { SettledColumns } from './wire-outcomes.ts'

export interface Call {
  readonly call: CoreCall
  readonly args: readonly unknown[]
}

export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: OffstageError }

export interface RunnerOptions {
  readonly db: Database
  readonly core: Core
  readonly file: string
  readonly monotonic: () => number
  /** Hears what each committed transaction has brought. */
  readonly committed: (effects: Effects) => void
}

/** How long a file may be busy before calls are given up. In milliseconds. */
const MOST_BUSY_MS = 60_000

export class Runner {
  readonly #options: RunnerOptions
  /** `PRAGMA data_version` when work was last looked for: another value means that another process has written. */
  seenVersion = -1

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  run(calls: readonly Call[], reading: Reading): Answer[] {
    try {
      const values = this.#transaction(calls, reading, (call, check) =>
        this.#options.core.run(call.call, call.args, check),
      )
      return values.map((value) => ({ ok: true, value }))
    } catch (error) {
      if (calls.length === 1 || isOutage(error)) return calls.map((call) => this.#alone(call, reading, error))
      return calls.map((call) => this.run([call], reading)[0] as Answer)
    }
  }

  /** A call that failed with nothing else in its transaction. */
  #alone({ call, args }: Call, reading: Reading, error: unknown): Answer {
    const failure: Answer = { ok: false, error: toStoreError(error, this.#options.file) }
    if (isOutage(error)) return failure
    try {
      if (call === 'settle')
        return { ok: true, value: this.#settleApart(args as WireCalls['settle'], reading) }
      if (call === 'maintain') return this.#maintainWithout(reading, error)
      return failure
    } catch (later) {
      return { ok: false, error: toStoreError(later, this.#options.file) }
    }
  }

  /** Outcomes one by one: the one that cannot be recorded is answered as lost, and its lease runs out. */
  #settleApart([{ outcomes, started, next }]: WireCalls['settle'], reading: Reading): SettledColumns {
    const { core } = this.#options
    this.#one(reading, () => core.started(started ?? []))
    const lost: number[] = []
    outcomes.ids.forEach((_, index) => {
      try {
        if (this.#one(reading, () => core.settleOne(outcomes, index)) === 'lost') lost.push(index)
      } catch (error) {
        if (isOutage(error)) throw error
        lost.push(index)
      }
    })
    const count = outcomes.ids.length
    return { count, lost, next: next && this.#one(reading, () => core.reserve(next)) }
  }

  /** Upkeep without the rows that it fails on. */
  #maintainWithout(reading: Reading, first: unknown): Answer {
    const { core } = this.#options
    for (let error = first; ; ) {
      if (!core.maintenance.blame(core.store.now)) throw error
      try {
        return { ok: true, value: this.#one(reading, () => core.maintenance.maintain()) }
      } catch (again) {
        if (isOutage(again)) throw again
        error = again
      }
    }
  }

  #one<T>(reading: Reading, work: () => T): T {
    return this.#transaction([undefined], reading, work)[0] as T
  }

  #transaction<C extends Call | undefined, T>(
    calls: readonly C[],
    reading: Reading,
    work: (call: C, check: boolean) => T,
  ): T[] {
    const { monotonic } = this.#options
    const startedAt = monotonic()
    let check = false
    for (let tries = 1; ; tries += 1) {
      try {
        return this.#attempt(calls, reading, (call) => work(call, check))
      } catch (error) {
        if (error instanceof NeedsCheck && !check) check = true
        else if (!isBusy(error)) throw error
        else if (monotonic() - startedAt > MOST_BUSY_MS) {
          const message = `${this.#options.file} has been locked by another process for ${MOST_BUSY_MS / 1_000} s`
          throw new OffstageError('BROKER_UNAVAILABLE', message, { cause: error })
        } else pause(tries)
      }
    }
  }

  #attempt<C extends Call | undefined, T>(calls: readonly C[], reading: Reading, work: (call: C) => T): T[] {
    const { db, core, committed } = this.#options
    const { store } = core
    const reads = calls.every((call) => call !== undefined && Core.reads(call.call))
    try {
      db.exec(reads ? 'BEGIN' : 'BEGIN IMMEDIATE')
      store.start(reading)
      const values = calls.map(work)
      if (!reads) {
        store.flush()
        if (calls.some(looksForWork)) this.seenVersion = this.dataVersion()
      }
      db.exec('COMMIT')
      const { effects } = store
      store.committed()
      if (!reads) committed(effects)
      return values
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK')
      store.undone()
      throw error
    }
  }

  /** Changes when another connection has written to the file. */
  dataVersion(): number {
    return Number(this.#options.core.store.sql.dataVersion.get<[number]>()?.[0] ?? 0)
  }
}

/** Others have to leave the news of work that another process wrote to whoever waits for it. */
function looksForWork(call: Call | undefined): boolean {
  if (call?.call === 'settle') return (call.args as WireCalls['settle'])[0].next !== undefined
  return call?.call === 'reserve'
}
