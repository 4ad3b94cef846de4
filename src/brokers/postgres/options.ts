// The options of the PostgreSQL broker, checked in one place. `url.ts` makes them from a URL.
import type { ConnectionOptions } from 'node:tls'
import { OffstageError } from '../../errors/error.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { type Duration, durationMs } from '../../runtime/durations.ts'
import { type Logger, silentLogger } from '../../runtime/logger.ts'
import type { ReadyClient, ReadyPool } from './client/pg.ts'
import { parseUrl } from './url.ts'

/** Where the server is and who asks. What is left out is taken from PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD. */
export interface ServerOptions {
  /** A name, an address, or the folder of a Unix socket, which begins with a slash. Default localhost. */
  readonly host?: string | undefined
  /** Default 5432. */
  readonly port?: number | undefined
  /** Default the name of the user. */
  readonly database?: string | undefined
  readonly user?: string | undefined
  /** Or a function that answers it, asked for each connection: for tokens that change. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  /** TLS, with certificates and the host's name verified unless the object says otherwise. Default: PGSSLMODE, else none. */
  readonly tls?: boolean | TlsOptions | undefined
  /** Ties the password to the TLS connection where the server can (SCRAM-SHA-256-PLUS). Default false. */
  readonly channelBinding?: boolean | undefined
  /** What the server shows of a connection. Default `offstage:` and the namespace. */
  readonly applicationName?: string | undefined
  /** Settings for each session, as `-c work_mem=8MB`. Few poolers take them. */
  readonly sessionOptions?: string | undefined
}

export interface PostgresOptions extends ServerOptions {
  /** The schema in which the namespace lives, alone: 1 to 63 bytes. Default `offstage`, and `offstage_<namespace>` for a namespace. */
  readonly schema?: string | undefined
  /** The most connections for calls: 1 to 100. Default 4. One more listens. */
  readonly max?: number | undefined
  /** `false`: nothing listens, so workers find new jobs by asking (poll-only mode). Default true. */
  readonly listen?: boolean | undefined
  /** A URL for the connection that listens, where the other one leads to a pooler in transaction mode. */
  readonly listenUrl?: string | undefined
  /** How often poll-only mode asks: 50 ms to 1 h. Default 1 s. */
  readonly poll?: Duration | undefined
  /** `transaction`: connections lead to a pooler in transaction mode. No prepared statements, and nothing listens over it. */
  readonly pooler?: 'transaction' | undefined
  /** A pool of pg to work through, in place of where the server is. It is never ended by the broker. */
  readonly pool?: ReadyPool | undefined
  /** Beside `pool`: makes the client that listens, not yet connected. Default: one with the options of the pool. */
  readonly connect?: (() => ReadyClient) | undefined
  /** Whether opening creates the schema and brings it up to date. Default true. */
  readonly migrate?: boolean | undefined
  /** How long opening may take, in ms: 100 to 600,000. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** How long a call waits for a lost connection to come back, in ms: 0 to 60,000. Default 2,000. */
  readonly reconnectWaitMs?: number | undefined
  /** How long a statement may go unanswered before the server is asked whether it is still at it, in ms: 500 to 60,000. Default 3,000. */
  readonly silenceMs?: number | undefined
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** For timers and durations. What is stored goes by the server's own clock. */
  readonly clock?: Clock | undefined
  /** Hears of warnings. Default: nobody does. */
  readonly logger?: Logger | undefined
  /** Where relative paths of certificates start. Default the working directory. */
  readonly baseDir?: string | undefined
}

export interface TlsOptions extends ConnectionOptions {
  /** Paths of PEM files, read when a connection is made. */
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** Where clients of pg come from. */
type Target =
  | { readonly mode: 'server'; readonly server: ServerOptions }
  | { readonly mode: 'pool'; readonly pool: ReadyPool }

type ListenTarget =
  | { readonly mode: 'off' }
  /** As all others. */
  | { readonly mode: 'same' }
  | { readonly mode: 'server'; readonly server: ServerOptions }
  | { readonly mode: 'client'; readonly connect: () => ReadyClient }

/** What the connections have to know. */
export interface ClientSettings {
  readonly target: Target
  readonly listening: ListenTarget
  readonly max: number
  /** Statements may be prepared under names. */
  readonly named: boolean
  readonly connectTimeoutMs: number
  readonly reconnectWaitMs: number
  readonly silenceMs: number
  readonly baseDir: string
  readonly clock: Clock
  readonly logger: Logger
}

export interface Settings extends ClientSettings {
  readonly schema: string
  readonly namespace: string
  readonly migrate: boolean
  /** How often to ask where nothing listens. */
  readonly pollMs: number
}

const KNOWN = new Set<string>([
  'host',
  'port',
  'database',
  'user',
  'password',
  'tls',
  'channelBinding',
  'applicationName',
  'sessionOptions',
  'schema',
  'max',
  'listen',
  'listenUrl',
  'poll',
  'pooler',
  'pool',
  'connect',
  'migrate',
  'connectTimeoutMs',
  'reconnectWaitMs',
  'silenceMs',
  'namespace',
  'clock',
  'logger',
  'baseDir',
] satisfies (keyof PostgresOptions)[])

const OF_SERVER = [
  'host',
  'port',
  'database',
  'user',
  'password',
  'tls',
  'channelBinding',
  'applicationName',
  'sessionOptions',
  'max',
] as const

/** @throws OPTION_INVALID, which names the option and never the value of a password or a URL */
export function readOptions(given: string | PostgresOptions): Settings {
  const options = typeof given === 'string' ? parseUrl(given) : given
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw invalid(name, 'not an option', `one of ${[...KNOWN].join(', ')}`)
  }
  const namespace = namespaceOf(options)
  const { pooler } = options
  if (pooler !== undefined && pooler !== 'transaction')
    throw invalid('pooler', show(pooler), `'transaction', or nothing`)
  return {
    target: targetOf(options, namespace),
    listening: listeningOf(options, namespace),
    schema: schemaOf(options, namespace),
    namespace,
    named: pooler === undefined,
    max: whole('max', options.max ?? 4, 1, 100),
    migrate: flag('migrate', options.migrate ?? true),
    pollMs: pollMs(options.poll ?? 1_000),
    connectTimeoutMs: whole('connectTimeoutMs', options.connectTimeoutMs ?? 5_000, 100, 600_000),
    reconnectWaitMs: whole('reconnectWaitMs', options.reconnectWaitMs ?? 2_000, 0, 60_000),
    silenceMs: whole('silenceMs', options.silenceMs ?? 3_000, 500, 60_000),
    baseDir: options.baseDir ?? process.cwd(),
    clock: options.clock ?? systemClock,
    logger: options.logger ?? silentLogger,
  }
}

function namespaceOf({ namespace = 'default' }: PostgresOptions): string {
  if (typeof namespace !== 'string' || !/^[\w.:-]{1,128}$/.test(namespace))
    throw invalid('namespace', show(namespace), '1 to 128 letters, digits or _ . : - characters')
  return namespace
}

function schemaOf({ schema }: PostgresOptions, namespace: string): string {
  const name = schema ?? (namespace === 'default' ? 'offstage' : `offstage_${namespace}`)
  if (typeof name !== 'string' || name === '' || /\p{Cc}/u.test(name))
    throw invalid('schema', show(name), 'a name of 1 to 63 bytes without control characters')
  if (Buffer.byteLength(name) > 63)
    throw invalid(
      'schema',
      `of ${Buffer.byteLength(name)} bytes`,
      schema === undefined
        ? 'a namespace of up to 54 bytes, or a schema of its own beside it'
        : 'a name of 1 to 63 bytes',
    )
  if (/^pg_/i.test(name) || name === 'information_schema')
    throw invalid('schema', show(name), 'a name that is not reserved by PostgreSQL, as those with pg_ are')
  return name
}

function targetOf(options: PostgresOptions, namespace: string): Target {
  const { pool } = options
  if (pool === undefined) {
    if (options.connect !== undefined) throw invalid('connect', 'given without pool', 'it beside a pool only')
    return { mode: 'server', server: serverOf(options, namespace) }
  }
  const other = OF_SERVER.find((name) => options[name] !== undefined)
  if (other !== undefined) throw invalid(other, 'given beside pool', 'either of them')
  const fits =
    typeof pool === 'object' &&
    pool !== null &&
    typeof pool.connect === 'function' &&
    typeof pool.options === 'object'
  if (!fits) throw invalid('pool', 'no pool of pg', 'new pg.Pool(…) of pg 8.16 or newer')
  return { mode: 'pool', pool }
}

function listeningOf(options: PostgresOptions, namespace: string): ListenTarget {
  const { listenUrl, connect, pooler } = options
  const listen = flag('listen', options.listen ?? true)
  if (listenUrl !== undefined && connect !== undefined)
    throw invalid('listenUrl', 'given beside connect', 'either of them')
  if (listenUrl !== undefined && typeof listenUrl !== 'string')
    throw invalid('listenUrl', 'no string', 'a URL')
  if (connect !== undefined && typeof connect !== 'function')
    throw invalid('connect', 'no function', 'a function that answers new pg.Client(…)')
  if (!listen) {
    if (listenUrl !== undefined) throw invalid('listenUrl', 'given while listen is off', 'either of them')
    return { mode: 'off' }
  }
  if (listenUrl !== undefined)
    return { mode: 'server', server: serverOf(parseUrl(listenUrl, 'listenUrl'), namespace) }
  if (connect !== undefined) return { mode: 'client', connect }
  return pooler === 'transaction' ? { mode: 'off' } : { mode: 'same' }
}

function serverOf(options: PostgresOptions, namespace: string): ServerOptions {
  const { host, port, database, user, password, tls, channelBinding = false, sessionOptions } = options
  const applicationName = options.applicationName ?? `offstage:${namespace}`
  const texts = { host, database, user, applicationName, sessionOptions }
  for (const [path, value] of Object.entries(texts)) {
    if (value === undefined) continue
    if (typeof value !== 'string' || value === '' || value.includes('\0'))
      throw invalid(path, typeof value === 'string' ? 'empty or has a NUL in it' : 'no string', 'a text')
  }
  if (password !== undefined && typeof password !== 'string' && typeof password !== 'function')
    throw invalid('password', 'no string', 'a string, or a function that answers one')
  if (tls !== undefined && typeof tls !== 'boolean' && (typeof tls !== 'object' || tls === null))
    throw invalid('tls', show(tls), 'true, false or an object')
  flag('channelBinding', channelBinding)
  if (port !== undefined) whole('port', port, 1, 65_535)
  return { ...texts, port, password, tls, channelBinding }
}

function pollMs(poll: Duration): number {
  const ms = durationMs(poll, 'poll')
  if (ms < 50 || ms > 3_600_000) throw invalid('poll', `${ms} ms`, '50 ms to 1 h')
  return ms
}

function flag(path: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalid(path, show(value), 'true or false')
  return value
}

function whole(path: string, value: unknown, from: number, to: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < from || value > to)
    throw invalid(path, show(value), `a whole number from ${from} to ${to}`)
  return value
}

function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' ? `'${value.slice(0, 80)}'` : String(value).slice(0, 80)
}

export function invalid(path: string, value: string, rule: string): OffstageError {
  return new OffstageError('OPTION_INVALID', `${path} is ${value}; the PostgreSQL broker takes ${rule}`, {
    details: { path },
  })
}
