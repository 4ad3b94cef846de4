// Jobs inside the user's own transaction, on the user's own connection and thread: the parts of the broker a second time,
// over that connection. What they keep between transactions is forgotten each time, since whether the last one was
// committed is not told.
import { randomUUID } from 'node:crypto'
import type { Success } from '../../broker/contract.ts'
import type { GroupAnswer } from '../../broker/message.ts'
import { OffstageError } from '../../errors/error.ts'
import type { JobSpec } from '../../job/record.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { Core } from './core.ts'
import type { Database } from './engine.ts'
import { NeedsCheck } from './enqueue.ts'
import { isBusy, toStoreError } from './errors.ts'
import { checkNames, userDatabase } from './user-database.ts'
import { packSpecs } from './wire-specs.ts'

/** How often it is looked whether a transaction has ended, from the first time on, and for how long; the poll is beneath. */
const FIRST_LOOK_MS = 1
const SLOWEST_LOOK_MS = 50
const LAST_LOOK_MS = 10_000

interface Connection {
  readonly db: Database
  readonly core: Core
}

export class Within {
  readonly #file: string
  readonly #clock: Clock
  readonly #ended: () => void
  readonly #connections = new WeakMap<object, Connection>()
  readonly #watched = new WeakSet<Database>()

  /** @param ended called when a transaction has ended in which something was written */
  constructor(file: string, clock: Clock | undefined, ended: () => void) {
    this.#file = file
    this.#clock = clock ?? systemClock
    this.#ended = ended
  }

  /** @throws TX_*, STORE_* */
  enqueue(tx: unknown, groups: readonly (readonly JobSpec[])[]): readonly GroupAnswer[] {
    const specs = packSpecs(groups)
    return this.#run(tx, (core, check) => core.run('enqueue', [specs], check) as readonly GroupAnswer[])
  }

  /** @throws TX_*, STORE_* */
  settle(tx: unknown, success: Success): 'ok' | 'lost' {
    return this.#run(tx, (core) => core.settleHeld(success))
  }

  #run<T>(tx: unknown, work: (core: Core, check: boolean) => T): T {
    const connection = this.#connection(tx)
    try {
      checkNames(connection.db)
      const value = this.#attempt(connection, work, false)
      this.#watch(connection.db, FIRST_LOOK_MS, this.#clock.monotonic())
      return value
    } catch (error) {
      throw this.#failure(connection.db, error)
    }
  }

  #connection(tx: unknown): Connection {
    const db = userDatabase(tx, this.#file)
    const known = this.#connections.get(tx as object)
    if (known !== undefined) return known
    const made = { db, core: new Core(db, randomUUID()) }
    this.#connections.set(tx as object, made)
    return made
  }

  /** All of it or nothing, whatever else is in the transaction. */
  #attempt<T>(connection: Connection, work: (core: Core, check: boolean) => T, check: boolean): T {
    const { db, core } = connection
    const { store } = core
    store.undone()
    db.exec('SAVEPOINT offstage')
    try {
      store.start({ wall: this.#clock.now(), monotonic: this.#clock.monotonic() })
      const value = work(core, check)
      store.flush()
      db.exec('RELEASE offstage')
      store.committed()
      return value
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK TO offstage; RELEASE offstage')
      if (error instanceof NeedsCheck && !check) return this.#attempt(connection, work, true)
      throw error
    }
  }

  #failure(db: Database, error: unknown): OffstageError {
    if (isBusy(error)) {
      const message = `${this.#file} is being written to by another connection, and this transaction cannot wait for it: begin it with BEGIN IMMEDIATE`
      return new OffstageError('TX_ABORTED', message, { cause: error })
    }
    const failure = toStoreError(error, this.#file)
    if (db.inTransaction) return failure
    return new OffstageError('TX_ABORTED', `the engine has rolled the transaction back: ${failure.message}`, {
      cause: error,
    })
  }

  /** Nobody tells of the end of a transaction, so it is looked for. */
  #watch(db: Database, afterMs: number, since: number): void {
    if (afterMs === FIRST_LOOK_MS && this.#watched.has(db)) return
    this.#watched.add(db)
    systemClock.schedule(afterMs, () => {
      if (isOpen(db) && this.#clock.monotonic() - since < LAST_LOOK_MS) {
        this.#watch(db, Math.min(SLOWEST_LOOK_MS, 2 * afterMs), since)
        return
      }
      this.#watched.delete(db)
      this.#ended()
    })
  }
}

/** A connection that was closed meanwhile has no transaction. */
function isOpen(db: Database): boolean {
  try {
    return db.inTransaction
  } catch {
    return false
  }
}
