// What a server says about itself, what of it this broker cannot work with, and what a person should know.
import { OffstageError } from '../../../errors/error.ts'
import { type Address, nameOf, type Target } from '../options.ts'

export interface ServerFacts {
  /** `redis 7.2.4`, `valkey 8.0.1`. */
  readonly engine: string
  readonly version: string
  readonly mode: 'single' | 'sentinel' | 'cluster'
  /** `host:port` of the server that serves the namespace now. */
  readonly address: string
  /** `primary` or `replica`; `unknown` where INFO is forbidden. */
  readonly role: 'primary' | 'replica' | 'unknown'
  /** What is thrown away when the memory is full; `unknown` where INFO is forbidden. */
  readonly policy: string
  /** What a restart of the server leaves, in its own words: `aof (appendfsync everysec), rdb`, `none`. */
  readonly persistence: string
  /** `always`, `everysec` or `no` where there is an append-only file and the user may ask for its setting. */
  readonly appendfsync?: string | undefined
  readonly memoryBytes?: number | undefined
  /** Undefined: no limit of its own. */
  readonly memoryLimitBytes?: number | undefined
  readonly replicas?: number | undefined
  /** How far the replica that is furthest behind is, in bytes of the stream. */
  readonly replicaLagBytes?: number | undefined
  /** How long a PING took, in ms, when the facts were last taken. */
  readonly pingMs?: number | undefined
  /** One sentence each. */
  readonly warnings: readonly string[]
  /** The same for who asks: true of most servers, and so not said at each opening. */
  readonly advice: readonly string[]
}

export type Info = ReadonlyMap<string, string>

export function parseInfo(text: string): Info {
  const info = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) info.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return info
}

const OLDEST = [6, 2] as const

export function modeOf(target: Target): ServerFacts['mode'] {
  if (target.mode !== 'client') return target.mode
  return target.client.isCluster === true ? 'cluster' : 'single'
}

/** Valkey answers a `redis_version` too, that of the Redis it took off from. */
function engineOf(info: Info): { readonly name: string; readonly version: string } {
  const valkey = info.get('valkey_version')
  if (valkey !== undefined) return { name: 'Valkey', version: valkey }
  const name = info.get('server_name')
  const version = info.get('redis_version') ?? 'unknown'
  return { name: name === undefined || name === 'redis' ? 'Redis' : name.slice(0, 40), version }
}

/**
 * Whether this broker can work on the server at all.
 *
 * @throws BROKER_TOO_OLD, BROKER_IS_CLUSTER, BROKER_NOT_CLUSTER, BROKER_IS_REPLICA, BROKER_UNAVAILABLE (still loading)
 */
export function checkServer(info: Info, mode: ServerFacts['mode'], address: Address, waitaof: boolean): void {
  const where = nameOf(address)
  const { name, version } = engineOf(info)
  const fail = (code: ConstructorParameters<typeof OffstageError>[0], text: string): OffstageError =>
    new OffstageError(code, text, { details: { server: where } })
  const [major = 0, minor = 0] = (info.get('redis_version') ?? '').split('.').map(Number)
  if (info.has('redis_version') && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])))
    throw fail('BROKER_TOO_OLD', `${name} at ${where} has version ${version}; this broker needs 6.2 or newer`)
  if (waitaof && info.has('redis_version') && (major < 7 || (major === 7 && minor < 2)))
    throw fail(
      'BROKER_TOO_OLD',
      `${name} at ${where} has version ${version}; the option waitaof needs 7.2 or newer`,
    )
  const cluster = info.get('cluster_enabled')
  if (cluster === '1' && mode !== 'cluster')
    throw fail(
      'BROKER_IS_CLUSTER',
      `${name} at ${where} is a node of a cluster; write redis+cluster:// in the URL`,
    )
  if (cluster === '0' && mode === 'cluster')
    throw fail(
      'BROKER_NOT_CLUSTER',
      `${name} at ${where} is not a node of a cluster; write redis:// in the URL`,
    )
  if (info.get('loading') === '1')
    throw fail('BROKER_UNAVAILABLE', `${name} at ${where} is still loading its data`)
  if (info.get('role') === 'slave') {
    const primary = `${info.get('master_host') ?? '?'}:${info.get('master_port') ?? '?'}`
    if (mode === 'single')
      throw fail(
        'BROKER_IS_REPLICA',
        `${name} at ${where} is a read-only replica of ${primary}; name the primary in the URL`,
      )
    throw fail('BROKER_UNAVAILABLE', `${name} at ${where} is no primary any more`)
  }
}

/** @throws BROKER_EVICTS */
export function checkPolicy(info: Info, address: Address): void {
  const policy = info.get('maxmemory_policy')
  if (policy === undefined || policy === 'noeviction') return
  throw new OffstageError(
    'BROKER_EVICTS',
    `${engineOf(info).name} at ${nameOf(address)} has the policy ${policy}: when its memory is full it would throw jobs away; run: CONFIG SET maxmemory-policy noeviction (and set it in its config file)`,
    { details: { server: nameOf(address), policy } },
  )
}

/** What only CONFIG GET tells; empty where the user may not ask. */
export interface Configured {
  readonly appendfsync?: string | undefined
  /** `yes`: the server starts with an append-only file whose end is missing. */
  readonly aofLoadTruncated?: string | undefined
  /** When snapshots are made; empty: never. */
  readonly save?: string | undefined
}

/** See docs/brokers/redis.md, where it says why. */
const CUT_OFF =
  'an append-only file that a crash cut off is loaded as it is (aof-load-truncated yes), and a script of which it has a part is then done in part after the next restart: run redis-check-aof --fix before each start, and set aof-load-truncated to no'

/** @param info undefined where the user may not ask for it */
export function factsOf(
  info: Info | undefined,
  configured: Configured,
  mode: ServerFacts['mode'],
  address: Address,
  pingMs: number | undefined,
): ServerFacts {
  if (info === undefined) {
    const warnings = ['the user may not run INFO, so eviction policy and persistence were not checked']
    const unknown = { engine: 'Redis', version: 'unknown', role: 'unknown', policy: 'unknown' } as const
    return {
      ...unknown,
      mode,
      address: nameOf(address),
      persistence: 'unknown',
      pingMs,
      warnings,
      advice: [],
    }
  }
  const { name, version } = engineOf(info)
  const role = info.get('role')
  const policy = info.get('maxmemory_policy') ?? 'unknown'
  const persistence = persistenceOf(info, configured)
  const hasAof = info.get('aof_enabled') === '1'
  return {
    engine: `${name} ${version}`,
    version,
    mode,
    address: nameOf(address),
    role: role === undefined ? 'unknown' : role === 'slave' ? 'replica' : 'primary',
    policy,
    persistence,
    appendfsync: hasAof ? configured.appendfsync : undefined,
    memoryBytes: numberOf(info, 'used_memory'),
    memoryLimitBytes: numberOf(info, 'maxmemory') || undefined,
    replicas: numberOf(info, 'connected_slaves'),
    replicaLagBytes: lagOf(info),
    pingMs,
    warnings: warningsOf(info, configured, policy, persistence),
    advice: hasAof && configured.aofLoadTruncated === 'yes' ? [CUT_OFF] : [],
  }
}

function persistenceOf(info: Info, { appendfsync, save }: Configured): string {
  const parts: string[] = []
  if (info.get('aof_enabled') === '1')
    parts.push(`aof (appendfsync ${appendfsync ?? 'unknown: CONFIG GET is forbidden'})`)
  if (save === undefined) {
    if (parts.length === 0) parts.push('no aof; rdb unknown: CONFIG GET is forbidden')
  } else if (save !== '') parts.push(`rdb (save ${save})`)
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function warningsOf(info: Info, { save }: Configured, policy: string, persistence: string): string[] {
  const warnings: string[] = []
  if (policy === 'unknown') warnings.push('the eviction policy could not be read; it has to be noeviction')
  else if (policy !== 'noeviction')
    warnings.push(
      `the policy is ${policy}: jobs are thrown away when the memory is full; set maxmemory-policy to noeviction`,
    )
  if (persistence === 'none')
    warnings.push(
      'nothing is written to disk: all jobs are lost when the server restarts; set appendonly to yes',
    )
  else if (info.get('aof_enabled') !== '1' && save !== undefined)
    warnings.push(
      'there are snapshots only: a crash of the server loses the jobs since the last one; set appendonly to yes',
    )
  if (info.get('aof_last_write_status') === 'err')
    warnings.push('the last write of the append-only file failed')
  if (info.get('rdb_last_bgsave_status') === 'err') warnings.push('the last snapshot failed')
  const used = numberOf(info, 'used_memory')
  const limit = numberOf(info, 'maxmemory')
  if (used !== undefined && limit !== undefined && limit > 0 && used > 0.9 * limit)
    warnings.push(`${Math.floor((100 * used) / limit)} % of its memory (maxmemory) are in use`)
  return warnings
}

function lagOf(info: Info): number | undefined {
  const offset = numberOf(info, 'master_repl_offset')
  const count = numberOf(info, 'connected_slaves') ?? 0
  if (offset === undefined || count === 0) return undefined
  let lag = 0
  for (let i = 0; i < count; i++) {
    const at = /\boffset=(\d+)/.exec(info.get(`slave${i}`) ?? '')?.[1]
    if (at !== undefined) lag = Math.max(lag, offset - Number(at))
  }
  return lag
}

function numberOf(info: Info, name: string): number | undefined {
  const text = info.get(name)
  const value = text === undefined ? Number.NaN : Number(text)
  return Number.isFinite(value) ? value : undefined
}
