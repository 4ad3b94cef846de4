// The broker's connections to PostgreSQL: a few for calls (`pool.ts`, or the user's own pool), made when wanted; and one
// that listens (`listener.ts`), made when somebody first does. They come back for ever. A call waits a little for a
// server that is away, and then rejects; what was under way when its connection ended rejects at once.
import { hasCode, OffstageError } from '../../../errors/error.ts'
import type { ClientSettings } from '../options.ts'
import { Calls } from './calls.ts'
import type { Connection, Statement } from './connection.ts'
import { Dialer, makerOf } from './dialer.ts'
import { endsConnection, unavailable } from './errors.ts'
import { ASK, type Asked, checkServer, readAnswer, type ServerFacts } from './facts.ts'
import { GivenPool, makerLike } from './given.ts'
import { LISTENER_SILENCE_MS, Listener, type Listening } from './listener.ts'
import { Outage } from './outage.ts'
import { loadPg, type MakeClient, type PgClient } from './pg.ts'
import { Pool, type Source } from './pool.ts'
import type { Row } from './tap.ts'
import { Watch } from './watch.ts'

export type { Value } from './connection.ts'
export { wasBlocked } from './errors.ts'
export type { Listening } from './listener.ts'
export { quoteIdentifier } from './quote.ts'
export type { Row } from './tap.ts'

/** One connection for several statements. Nothing is repeated in it. */
export interface Session {
  run(statement: Statement): Promise<readonly Row[]>
  /** By the simple protocol: may hold several statements, which then are one transaction unless they say otherwise. */
  script(sql: string): Promise<void>
}

export interface PostgresClient {
  /** Connects once; checks the server. Safe to repeat. Coded errors within connectTimeoutMs. */
  open(): Promise<void>
  /** Calls under way end. Safe to repeat. */
  close(): Promise<void>
  /** One statement, one trip, in a transaction of its own. Rejects with coded OffstageErrors only. */
  run(statement: Statement): Promise<readonly Row[]>
  /** How many calls wait for a connection. */
  readonly waiting: number
  /** One connection for several statements; given back as they leave it, or ended where a transaction is open. */
  session<T>(work: (session: Session) => Promise<T>): Promise<T>
  /** Hears each notification on a channel, and is told whenever some may have been missed. Null in poll-only mode. */
  listen(channel: string, heard: (payload: string) => void, missed: () => void): Listening | null
  /** The longest the server has kept this client waiting without any answer since last asked, in ms, and forgets it. 0 where all went well. */
  takeOutageMs(): number
  /** Asks the server again. */
  facts(): Promise<ServerFacts>
}

/** @param load what takes the place of `import('pg')` */
export function createPostgresClient(
  settings: ClientSettings,
  load?: () => Promise<unknown>,
): PostgresClient {
  return new Client(settings, load)
}

/** In a database of serializable transactions, claims would fail for whatever is enqueued beside them. */
const SETUP = "set default_transaction_isolation = 'read committed'"

/** What is there once pg has been loaded. */
interface Parts {
  readonly source: Source
  readonly calls: Calls
  readonly watch: Watch
  readonly listener: Listener | null
}

class Client implements PostgresClient {
  readonly #settings: ClientSettings
  readonly #load: (() => Promise<unknown>) | undefined
  readonly #outage: Outage
  #parts: Parts | undefined
  #opening: Promise<void> | undefined
  #opened = false
  #closed: OffstageError | undefined

  constructor(settings: ClientSettings, load: (() => Promise<unknown>) | undefined) {
    this.#settings = settings
    this.#load = load
    this.#outage = new Outage(settings.clock)
  }

  async open(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed
    this.#opening ??= this.#open()
    try {
      await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw this.#closed ?? error
    }
  }

  async close(): Promise<void> {
    const closed = new OffstageError('BROKER_CLOSED', 'the PostgreSQL broker was closed')
    this.#closed ??= closed
    this.#outage.stop()
    await Promise.all([this.#parts?.listener?.close(this.#closed), this.#parts?.source.close(this.#closed)])
  }

  async run(statement: Statement): Promise<readonly Row[]> {
    const { calls } = this.#ready()
    return this.#outage.during(() => calls.run(statement), isAway)
  }

  get waiting(): number {
    return this.#parts?.source.waiting ?? 0
  }

  async session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { source, watch } = this.#ready()
    const connection = await this.#outage.during(() => source.take(), isAway)
    watch.allow(connection)
    try {
      const answer = await work(sessionOn(connection))
      if (!connection.settled) connection.destroy(unavailable('a transaction was left open'))
      return answer
    } catch (error) {
      const why = connection.coded(error, 'a session')
      connection.destroy(why)
      throw error instanceof OffstageError ? error : why
    } finally {
      watch.forbid(connection)
      source.give(connection)
    }
  }

  listen(channel: string, heard: (payload: string) => void, missed: () => void): Listening | null {
    return this.#ready().listener?.listen(channel, heard, missed) ?? null
  }

  takeOutageMs(): number {
    return this.#outage.takeMs()
  }

  async facts(): Promise<ServerFacts> {
    const { source, listener, calls } = this.#ready()
    const { clock, named } = this.#settings
    const startedAt = clock.monotonic()
    const asked = await this.#outage.during(() => ask(source), isAway)
    const pingMs = Math.round((clock.monotonic() - startedAt) * 100) / 100
    const { encoding: _encoding, standby: _standby, readOnly: _readOnly, ...facts } = asked
    const warnings = [...facts.warnings]
    const listening = listener === null ? 'off' : stateNames[listener.state]
    if (listening === 'deaf')
      warnings.push('notifications do not arrive, as behind a pooler in transaction mode: name listen_url')
    if (named && !calls.named)
      warnings.push('prepared statements do not last, as behind a pooler: write pooler=transaction')
    return { ...facts, pingMs, listening, warnings }
  }

  /** @throws BROKER_CLOSED */
  #ready(): Parts {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#parts === undefined || !this.#opened)
      throw new OffstageError('BROKER_CLOSED', 'the PostgreSQL broker is not open yet')
    return this.#parts
  }

  async #open(): Promise<void> {
    const { connectTimeoutMs, logger } = this.#settings
    this.#parts ??= this.#make(await loadPg(this.#load))
    if (this.#closed !== undefined) throw this.#closed
    const asked = await ask(this.#parts.source, {
      // A little more than connecting may take, which says better what went wrong.
      ms: connectTimeoutMs + 100,
      // What nobody can reach now is said now; what is only not ready yet is waited for.
      hopeless: ({ retryable, details }) => !retryable || details.reason !== undefined,
    })
    checkServer(asked)
    for (const warning of asked.warnings) logger.warn({ server: asked.address }, warning)
    this.#outage.takeMs()
    this.#opened = true
  }

  #make(pg: MakeClient): Parts {
    const { clock, silenceMs, target, max, reconnectWaitMs, connectTimeoutMs } = this.#settings
    const dialer = this.#dialer(this.#maker(pg), secretOf(this.#settings))
    const heard = (): void => this.#outage.heard()
    const watch = new Watch({
      clock,
      silenceMs,
      source: () => source,
      dial: (limitMs) => dialer.dial({ silent: ignore, heard: ignore }, undefined, limitMs),
    })
    const silent = (connection: Connection): void => watch.silent(connection)
    const source: Source =
      target.mode === 'pool'
        ? new GivenPool({ pool: target.pool, clock, silenceMs, waitMs: connectTimeoutMs, silent, heard })
        : new Pool({
            clock,
            max,
            waitMs: reconnectWaitMs,
            dial: (signal) => dialer.dial({ silent, heard }, signal),
          })
    const calls = new Calls(this.#settings, source)
    return { source, calls, watch, listener: this.#makeListener(pg, calls) }
  }

  #makeListener(pg: MakeClient, calls: Calls): Listener | null {
    const { listening, clock, silenceMs, logger, baseDir } = this.#settings
    if (listening.mode === 'off') return null
    const make =
      listening.mode === 'server'
        ? makerOf(pg, listening.server, baseDir)
        : listening.mode === 'client'
          ? (): PgClient => listening.connect() as PgClient
          : this.#maker(pg)
    const limitMs = Math.min(silenceMs, LISTENER_SILENCE_MS)
    const dialer = this.#dialer(make, secretOf(this.#settings), limitMs)
    const silent = (connection: Connection): void =>
      connection.destroy(unavailable(`PostgreSQL has not answered for ${limitMs} ms`))
    return new Listener({
      clock,
      dial: (signal) => dialer.dial({ silent, heard: ignore }, signal),
      run: (statement) => calls.run(statement),
      warn: (text) => logger.warn(text),
    })
  }

  #maker(pg: MakeClient): () => PgClient {
    const { target, baseDir } = this.#settings
    return target.mode === 'pool' ? makerLike(target.pool, pg) : makerOf(pg, target.server, baseDir)
  }

  #dialer(
    make: () => PgClient,
    secret: string | undefined,
    silenceMs: number = this.#settings.silenceMs,
  ): Dialer {
    const { clock, connectTimeoutMs } = this.#settings
    return new Dialer({ clock, silenceMs, connectTimeoutMs, make, secret, setup: this.#setup })
  }

  /** Connections that are shared with others, by a pool or a pooler, stay as they are. */
  get #setup(): string | undefined {
    const { named, target } = this.#settings
    return named && target.mode === 'server' ? SETUP : undefined
  }
}

const stateNames = { listening: 'on', deaf: 'deaf', connecting: 'unknown' } as const

const ignore = (): void => undefined

async function ask(source: Source, wait?: Parameters<Source['take']>[0]): Promise<Asked> {
  const connection = await source.take(wait)
  try {
    return readAnswer(await connection.run(ASK), connection.place)
  } catch (error) {
    const why = connection.coded(error, 'the question for its settings')
    if (endsConnection(error)) connection.destroy(why)
    throw why
  } finally {
    source.give(connection)
  }
}

function sessionOn(connection: Connection): Session {
  const code =
    (what: string) =>
    (error: unknown): never => {
      throw connection.coded(error, what)
    }
  return {
    run: (statement) =>
      connection.run({ ...statement, name: undefined }).catch(code(statement.name ?? 'a statement')),
    script: (sql) => connection.script(sql).catch(code('a script')),
  }
}

function isAway(error: unknown): boolean {
  return hasCode(error, 'BROKER_UNAVAILABLE')
}

function secretOf({ target }: ClientSettings): string | undefined {
  return target.mode === 'server' && typeof target.server.password === 'string'
    ? target.server.password
    : undefined
}
