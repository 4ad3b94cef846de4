// Runs single statements on connections of the pool. What the server says it rolled back (a serialization failure, a
// deadlock) is repeated here, so that nobody hears of it; what died on the way is not, since nobody knows whether it was
// done.
import { createHash } from 'node:crypto'
import type { OffstageError } from '../../../errors/error.ts'
import { sleep } from '../../../runtime/clock.ts'
import type { ClientSettings } from '../options.ts'
import type { Connection, Statement } from './connection.ts'
import { breaksNames, endsConnection, isBlocked, isStalePlan, passes, unavailable } from './errors.ts'
import type { Source } from './pool.ts'
import type { Row } from './tap.ts'

/** For how long a statement is repeated. */
const REPEAT_MS = 5_000
/** At most ten a second. */
const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 400

export class Calls {
  readonly #settings: ClientSettings
  readonly #source: Source
  /** The names under which statements are prepared, by their text. */
  readonly #names = new Map<string, string>()
  #named: boolean

  constructor(settings: ClientSettings, source: Source) {
    this.#settings = settings
    this.#source = source
    this.#named = settings.named
  }

  /** Whether statements are prepared under names. */
  get named(): boolean {
    return this.#named
  }

  /** @throws coded errors */
  async run(statement: Statement): Promise<readonly Row[]> {
    const { clock } = this.#settings
    const startedAt = clock.monotonic()
    for (let turn = 0; ; turn++) {
      const connection = await this.#source.take()
      const named = this.#named && statement.name !== undefined
      let error: unknown
      try {
        return await connection.run(named ? this.#withName(statement) : { ...statement, name: undefined })
      } catch (thrown) {
        error = thrown
        if (endsConnection(error) || isStalePlan(error) || breaksNames(error))
          connection.destroy(connection.coded(error, nameOf(statement)))
      } finally {
        this.#source.give(connection)
      }
      const late = clock.monotonic() - startedAt >= REPEAT_MS
      if (named && breaksNames(error)) this.#leaveNames(connection)
      else if (isStalePlan(error) && !late) continue
      else if (passes(error) && !late && !(statement.impatient === true && isBlocked(error)))
        await this.#pause(turn)
      else throw this.#failure(error, connection, statement)
    }
  }

  #pause(turn: number): Promise<void> {
    const ms = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(turn, 5))
    return sleep(this.#settings.clock, ms * (1 + Math.random() / 2), { ref: true })
  }

  #failure(error: unknown, connection: Connection, statement: Statement): OffstageError {
    const failure = connection.coded(error, nameOf(statement))
    // A primary that this client has worked with was demoted: that passes, as an outage does, and callers repeat.
    return failure.code === 'BROKER_IS_REPLICA' ? unavailable(failure.message, failure.details) : failure
  }

  /** A name that no other text has, also where several brokers share a pool. */
  #withName({ text, values, name = '' }: Statement): Statement {
    let full = this.#names.get(text)
    if (full === undefined) {
      full = `${name.slice(0, 40)}_${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
      this.#names.set(text, full)
    }
    return { text, values, name: full }
  }

  #leaveNames({ place }: Connection): void {
    if (!this.#named) return
    this.#named = false
    this.#settings.logger.warn(
      { server: place.name },
      'prepared statements do not last on this connection, as behind a pooler in transaction mode; going on without. Write pooler=transaction in the URL.',
    )
  }
}

function nameOf({ name }: Statement): string {
  return name === undefined ? 'a statement' : `the statement ${name}`
}
