// The options of the Redis broker, checked in one place. `url.ts` makes them from a URL.
import type { ConnectionOptions } from 'node:tls'
import { MAX_SHARDS } from '../../broker/shards/place.ts'
import { OffstageError } from '../../errors/error.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { type Logger, silentLogger } from '../../runtime/logger.ts'
import type { ReadyClient } from './client/ioredis.ts'
import { parseUrl } from './url.ts'

/** Where a server listens. */
export type Address =
  | { readonly host: string; readonly port: number }
  /** A Unix socket. */
  | { readonly path: string }

export interface RedisOptions {
  /** `single` (the default): one server. `sentinel`: `nodes` are sentinels. `cluster`: `nodes` are some of the cluster's. */
  readonly mode?: 'single' | 'sentinel' | 'cluster' | undefined
  /** Default 127.0.0.1, port 6379 (26379 for sentinels). */
  readonly nodes?: readonly Address[] | undefined
  /** The name under which the sentinels watch the primary. Only with `sentinel`. */
  readonly primary?: string | undefined
  /** Number of the database. A cluster has only 0, the default. */
  readonly db?: number | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Of the sentinels. Default: none, and those of the server where the sentinels ask for some. */
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | undefined
  /** TLS to the server and the sentinels, with certificates verified unless `rejectUnauthorized` is false. Default false. */
  readonly tls?: boolean | TlsOptions | undefined
  /** A client of ioredis 5 or 6 to work through, in place of all of the above. It is never closed by the broker. */
  readonly client?: ReadyClient | undefined
  /** What the names of all keys begin with. 0 to 128 characters without braces. Default `offstage:`. */
  readonly prefix?: string | undefined
  /** Over how many hash tags the namespace is spread: 1 (the default) to 64. */
  readonly shards?: number | undefined
  /** How many replicas have to confirm what was enqueued before it counts as stored: 0 (the default) to 16. */
  readonly wait?: number | undefined
  /** The same with disks (Redis 7.2): whether the server itself has to (0 or 1), and how many replicas. */
  readonly waitaof?: { readonly local: 0 | 1; readonly replicas: number } | undefined
  /** How long opening may take, in ms: 100 to 600,000. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** How long a call waits for a lost connection to come back, in ms: 0 to 60,000. Default 2,000. */
  readonly reconnectWaitMs?: number | undefined
  /** How long a server that has commands to answer may be silent before its connection is given up, in ms: 500 to 60,000. Default 3,000. */
  readonly silenceMs?: number | undefined
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** For timers and durations. What is stored goes by the server's own clock. */
  readonly clock?: Clock | undefined
  /** Hears of warnings and of connections that were lost. Default: nobody does. */
  readonly logger?: Logger | undefined
  /** Where relative paths of certificates start. Default the working directory. */
  readonly baseDir?: string | undefined
}

export interface TlsOptions extends ConnectionOptions {
  /** Paths of PEM files, read when the broker opens. */
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** How to reach one server. */
export interface Access {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  readonly tls: TlsOptions | undefined
}

export type Target =
  | { readonly mode: 'single'; readonly address: Address }
  | {
      readonly mode: 'sentinel'
      readonly sentinels: readonly Address[]
      readonly primary: string
      readonly sentinelAccess: Access
    }
  | { readonly mode: 'cluster'; readonly seeds: readonly Address[] }
  | { readonly mode: 'client'; readonly client: ReadyClient }

export interface Settings {
  readonly target: Target
  readonly access: Access
  readonly prefix: string
  readonly namespace: string
  readonly shards: number
  readonly wait: number
  readonly waitaof: { readonly local: 0 | 1; readonly replicas: number } | undefined
  readonly connectTimeoutMs: number
  readonly reconnectWaitMs: number
  readonly silenceMs: number
  readonly baseDir: string
  readonly clock: Clock
  readonly logger: Logger
}

const KNOWN = new Set<string>([
  'mode',
  'nodes',
  'primary',
  'db',
  'username',
  'password',
  'sentinelUsername',
  'sentinelPassword',
  'tls',
  'client',
  'prefix',
  'shards',
  'wait',
  'waitaof',
  'connectTimeoutMs',
  'reconnectWaitMs',
  'silenceMs',
  'namespace',
  'clock',
  'logger',
  'baseDir',
] satisfies (keyof RedisOptions)[])

/** @throws OPTION_INVALID, which names the option and never the value of a password */
export function readOptions(given: string | RedisOptions): Settings {
  const options = typeof given === 'string' ? parseUrl(given) : given
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw invalid(name, 'not an option', `one of ${[...KNOWN].join(', ')}`)
  }
  const { prefix = 'offstage:', namespace = 'default', waitaof } = options
  if (typeof prefix !== 'string' || prefix.length > 128 || /[{}\p{Cc}]/u.test(prefix))
    throw invalid('prefix', show(prefix), 'up to 128 characters without braces and control characters')
  if (typeof namespace !== 'string' || !/^[\w.:-]{1,128}$/.test(namespace))
    throw invalid('namespace', show(namespace), '1 to 128 letters, digits or _ . : - characters')
  if (waitaof !== undefined) {
    whole('waitaof.local', waitaof.local, 0, 1)
    whole('waitaof.replicas', waitaof.replicas, 0, 16)
  }
  return {
    target: targetOf(options),
    access: accessOf(options),
    prefix,
    namespace,
    shards: whole('shards', options.shards ?? 1, 1, MAX_SHARDS),
    wait: whole('wait', options.wait ?? 0, 0, 16),
    waitaof,
    connectTimeoutMs: whole('connectTimeoutMs', options.connectTimeoutMs ?? 5_000, 100, 600_000),
    reconnectWaitMs: whole('reconnectWaitMs', options.reconnectWaitMs ?? 2_000, 0, 60_000),
    silenceMs: whole('silenceMs', options.silenceMs ?? 3_000, 500, 60_000),
    baseDir: options.baseDir ?? process.cwd(),
    clock: options.clock ?? systemClock,
    logger: options.logger ?? silentLogger,
  }
}

function targetOf(options: RedisOptions): Target {
  const { mode = 'single', client, primary } = options
  if (client !== undefined) {
    const others = ['mode', 'nodes', 'primary', 'db', 'username', 'password', 'tls'] as const
    const other = others.find((name) => options[name] !== undefined)
    if (other !== undefined) throw invalid(other, 'given beside client', 'either of them')
    return { mode: 'client', client: readyClient(client, options) }
  }
  if (mode !== 'single' && mode !== 'sentinel' && mode !== 'cluster')
    throw invalid('mode', show(mode), 'single, sentinel or cluster')
  const nodes = options.nodes ?? [{ host: '127.0.0.1', port: mode === 'sentinel' ? 26_379 : 6_379 }]
  if (!Array.isArray(nodes) || nodes.length === 0) throw invalid('nodes', 'empty', 'at least one server')
  for (const [i, node] of nodes.entries()) checkAddress(`nodes[${i}]`, node)
  if (mode !== 'sentinel' && primary !== undefined)
    throw invalid('primary', 'given', 'it only with sentinels (redis+sentinel://)')
  if (mode === 'cluster') {
    if ((options.db ?? 0) !== 0) throw invalid('db', show(options.db), '0 on a cluster, which has no other')
    return { mode, seeds: nodes }
  }
  if (mode === 'sentinel') {
    if (typeof primary !== 'string' || primary === '')
      throw invalid(
        'primary',
        'missing',
        'the name that the sentinels watch: redis+sentinel://host:26379/name',
      )
    const { sentinelUsername: username, sentinelPassword: password } = options
    const sentinelAccess = { username, password, db: 0, tls: tlsOf(options) }
    return { mode, sentinels: nodes, primary, sentinelAccess }
  }
  const [address] = nodes
  if (address === undefined || nodes.length > 1)
    throw invalid('nodes', `a list of ${nodes.length}`, 'one server; several are a cluster or sentinels')
  return { mode, address }
}

function accessOf(options: RedisOptions): Access {
  const { username, password } = options
  if (username !== undefined && typeof username !== 'string')
    throw invalid('username', 'no string', 'a string')
  if (password !== undefined && typeof password !== 'string')
    throw invalid('password', 'no string', 'a string')
  if (username !== undefined && username !== '' && password === undefined)
    throw invalid('password', 'missing', 'a password beside a username')
  return { username, password, db: whole('db', options.db ?? 0, 0, 1_000_000), tls: tlsOf(options) }
}

function tlsOf({ tls }: RedisOptions): TlsOptions | undefined {
  if (tls === undefined || tls === false) return undefined
  if (tls === true) return {}
  if (typeof tls !== 'object' || tls === null) throw invalid('tls', show(tls), 'true, false or an object')
  return tls
}

function checkAddress(path: string, address: Address): void {
  if (typeof address !== 'object' || address === null)
    throw invalid(path, 'no address', '{ host, port } or { path }')
  if ('path' in address) {
    if (typeof address.path !== 'string' || address.path === '')
      throw invalid(`${path}.path`, 'empty', 'the path of a Unix socket')
    return
  }
  if (typeof address.host !== 'string' || address.host === '')
    throw invalid(`${path}.host`, 'empty', 'a host name or an IP address')
  whole(`${path}.port`, address.port, 1, 65_535)
}

function readyClient(client: ReadyClient, { wait, waitaof }: RedisOptions): ReadyClient {
  const methods = ['callBuffer', 'duplicate', 'on', 'off', 'subscribe'] as const
  const lacks =
    typeof client !== 'object' || client === null
      ? 'everything'
      : methods.find((method) => typeof client[method] !== 'function')
  if (lacks !== undefined)
    throw invalid('client', `an object without ${lacks}`, 'a client of ioredis 5.6 or newer')
  if ((client.options?.keyPrefix ?? '') !== '')
    throw invalid(
      'client',
      'a client with a keyPrefix',
      "one without, since scripts make keys of their own; use the broker's option prefix",
    )
  if (client.isCluster === true && ((wait ?? 0) > 0 || waitaof !== undefined))
    throw invalid(
      'client',
      'a Cluster beside wait or waitaof',
      'redis+cluster:// for these, since a Cluster sends WAIT to any node',
    )
  return client
}

function whole(path: string, value: unknown, from: number, to: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < from || value > to)
    throw invalid(path, show(value), `a whole number from ${from} to ${to}`)
  return value
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value.slice(0, 80)}'` : String(value).slice(0, 80)
}

export function invalid(path: string, value: string, rule: string): OffstageError {
  return new OffstageError('OPTION_INVALID', `${path} is ${value}; the Redis broker takes ${rule}`, {
    details: { path },
  })
}

/** `host:port` or the path of a socket, for messages. */
export function nameOf(address: Address): string {
  if ('path' in address) return address.path
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
