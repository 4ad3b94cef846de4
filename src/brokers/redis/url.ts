// From a URL to the options of the Redis broker. Written by hand since URL knows no lists of hosts. No message holds
// the URL or a piece of it that may be a password.
//
//   redis://user:password@host:6379/0?prefix=app:            rediss://… with TLS
//   redis+sentinel://user:password@h1:26379,h2:26379/name/0  rediss+sentinel://…
//   redis+cluster://h1:7000,h2:7001                          rediss+cluster://…
//   redis+unix:///run/redis.sock?db=0
import { OffstageError } from '../../errors/error.ts'
import type { Address, RedisOptions } from './options.ts'

interface Scheme {
  readonly mode: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  readonly unix?: true
}

const SCHEMES: { readonly [scheme: string]: Scheme } = {
  redis: { mode: 'single', tls: false },
  rediss: { mode: 'single', tls: true },
  'redis+unix': { mode: 'single', tls: false, unix: true },
  'redis+sentinel': { mode: 'sentinel', tls: false },
  'rediss+sentinel': { mode: 'sentinel', tls: true },
  'redis+cluster': { mode: 'cluster', tls: false },
  'rediss+cluster': { mode: 'cluster', tls: true },
}

type Parts = { -readonly [K in keyof RedisOptions]: RedisOptions[K] }

/** What stands behind the question mark: each writes what it means into the options. */
const PARAMETERS: { readonly [name: string]: (options: Parts, value: string) => void } = {
  prefix: (options, value) => {
    options.prefix = value
  },
  db: (options, value) => {
    options.db = count('db', value)
  },
  shards: (options, value) => {
    options.shards = count('shards', value)
  },
  wait: (options, value) => {
    options.wait = count('wait', value)
  },
  waitaof: (options, value) => {
    const [local = '', replicas = '', more] = value.split(',')
    if (more !== undefined || !/^[01]$/.test(local) || !/^\d{1,4}$/.test(replicas))
      throw wrong(`the parameter 'waitaof' is not 'local,replicas', like waitaof=1,1`)
    options.waitaof = { local: local === '1' ? 1 : 0, replicas: Number(replicas) }
  },
  connectTimeout: (options, value) => {
    options.connectTimeoutMs = count('connectTimeout', value)
  },
  ca: (options, value) => tls(options, 'ca', { caFile: value }),
  cert: (options, value) => tls(options, 'cert', { certFile: value }),
  key: (options, value) => tls(options, 'key', { keyFile: value }),
  servername: (options, value) => tls(options, 'servername', { servername: value }),
  rejectUnauthorized: (options, value) => {
    if (value !== 'true' && value !== 'false')
      throw wrong("the parameter 'rejectUnauthorized' is neither true nor false")
    tls(options, 'rejectUnauthorized', { rejectUnauthorized: value === 'true' })
  },
}

/** A password that was pasted as it is ends the host where it has a slash. */
const ENCODE = 'a slash in a user or a password is written as %2F'

/** @throws OPTION_INVALID */
export function parseUrl(url: string): RedisOptions {
  const found = /^([a-z][a-z+]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i.exec(url)
  const scheme = SCHEMES[found?.[1]?.toLowerCase() ?? '']
  if (found === null || scheme === undefined)
    throw wrong('it is not a URL of this broker: write redis://user:password@host:6379/0')
  const [, , authority = '', path = '', query = ''] = found
  const options: Parts = { mode: scheme.mode }
  if (scheme.tls) options.tls = {}
  readAuthority(options, authority, scheme)
  readPath(options, path, scheme)
  readQuery(options, query)
  return options
}

function readAuthority(options: Parts, authority: string, { mode, unix }: Scheme): void {
  // A password may hold an @ that was not encoded: the hosts are behind the last one.
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1)
  if (at >= 0) {
    const user = authority.slice(0, at)
    const colon = user.indexOf(':')
    const username = decode(colon < 0 ? user : user.slice(0, colon), 'user')
    if (username !== '') options.username = username
    if (colon >= 0) options.password = decode(user.slice(colon + 1), 'password')
  }
  if (unix === true) {
    if (hosts !== '') throw wrong('a URL of a Unix socket has three slashes: redis+unix:///run/redis.sock')
    return
  }
  const port = mode === 'sentinel' ? 26_379 : 6_379
  options.nodes = hosts.split(',').map((host, i) => readHost(host, i, port))
  if (mode === 'single' && options.nodes.length > 1)
    throw wrong('it has several hosts, which is for redis+cluster:// and redis+sentinel://')
}

function readHost(text: string, index: number, defaultPort: number): Address {
  const found = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i.exec(text)
  const port = found?.[2] === undefined ? defaultPort : Number(found[2])
  if (found?.[1] === undefined || port < 1 || port > 65_535)
    throw wrong(`host ${index + 1} is not a name or an address with a port from 1 to 65535`)
  return { host: decode(found[1].replace(/^\[|\]$/g, ''), 'host'), port }
}

function readPath(options: Parts, path: string, { mode, unix }: Scheme): void {
  if (unix === true) {
    if (path.length < 2) throw wrong('the path of the Unix socket is missing: redis+unix:///run/redis.sock')
    options.nodes = [{ path: decode(path, 'path') }]
    return
  }
  const parts = path.split('/').slice(1)
  if (parts.at(-1) === '') parts.pop()
  if (mode === 'sentinel') options.primary = decode(parts.shift() ?? '', 'name of the primary')
  const [db, ...more] = parts
  if (more.length > 0) throw wrong(`its path has too many parts; ${ENCODE}`)
  if (db !== undefined) {
    if (!/^\d{1,6}$/.test(db)) throw wrong(`the database behind the slash is not a number; ${ENCODE}`)
    options.db = Number(db)
  }
}

function readQuery(options: Parts, query: string): void {
  for (const [name, value] of new URLSearchParams(query)) {
    const read = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
    if (read === undefined)
      throw wrong(
        `the parameter '${name.slice(0, 40)}' is unknown; the known ones are ${Object.keys(PARAMETERS).join(', ')}`,
      )
    read(options, value)
  }
}

function tls(options: Parts, name: string, more: object): void {
  if (typeof options.tls !== 'object')
    throw wrong(`the parameter '${name}' is for TLS: write rediss:// (with two s)`)
  options.tls = { ...options.tls, ...more }
}

function count(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw wrong(`the parameter '${name}' is not a whole number`)
  return Number(value)
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(`the percent signs of its ${what} cannot be read; write a percent sign as %25`)
  }
}

function wrong(what: string): OffstageError {
  return new OffstageError('OPTION_INVALID', `broker is a Redis URL that cannot be used: ${what}`, {
    details: { path: 'broker' },
  })
}
