// From a URL to the options of the PostgreSQL broker. Written by hand, since URL refuses what many write there (an empty
// host, a password that is not encoded). No message holds the URL or a piece of it that may be a password.
//
//   postgres://user:password@host:5432/database?sslmode=verify-full&schema=jobs
//   postgresql:///database?host=/var/run/postgresql      over a Unix socket
//   postgres://…@pooler:6432/database?pooler=transaction&listen_url=postgres%3A%2F%2F…
import { OffstageError } from '../../errors/error.ts'
import type { PostgresOptions, TlsOptions } from './options.ts'

type Parts = { -readonly [K in keyof PostgresOptions]: PostgresOptions[K] }
interface Read {
  readonly options: Parts
  /** The parameters of TLS, which mean something only together. */
  readonly tls: { mode?: string; caFile?: string; certFile?: string; keyFile?: string }
  readonly wrong: (what: string) => OffstageError
}

/** What stands behind the question mark: each writes what it means. */
const PARAMETERS: { readonly [name: string]: (read: Read, value: string) => void } = {
  sslmode: ({ tls }, value) => {
    tls.mode = value
  },
  sslrootcert: ({ tls }, value) => {
    // The certificates of the system are Node's default.
    if (value !== 'system') tls.caFile = value
  },
  sslcert: ({ tls }, value) => {
    tls.certFile = value
  },
  sslkey: ({ tls }, value) => {
    tls.keyFile = value
  },
  channel_binding: ({ options, wrong }, value) => {
    if (!['disable', 'prefer', 'require'].includes(value))
      throw wrong("the parameter 'channel_binding' is not one of disable, prefer, require")
    options.channelBinding = value !== 'disable'
  },
  application_name: ({ options }, value) => {
    options.applicationName = value
  },
  options: ({ options }, value) => {
    options.sessionOptions = value
  },
  schema: ({ options }, value) => {
    options.schema = value
  },
  host: ({ options }, value) => {
    options.host = value
  },
  connect_timeout: ({ options, wrong }, value) => {
    const seconds = count('connect_timeout', value, wrong)
    // As PostgreSQL's own programs have it, 0 is as long as may be.
    options.connectTimeoutMs = seconds === 0 ? 600_000 : seconds * 1_000
  },
  max: ({ options, wrong }, value) => {
    options.max = count('max', value, wrong)
  },
  listen: ({ options, wrong }, value) => {
    if (value !== 'on' && value !== 'off') throw wrong(`the parameter 'listen' is neither on nor off`)
    options.listen = value === 'on'
  },
  listen_url: ({ options }, value) => {
    options.listenUrl = value
  },
  poll: ({ options }, value) => {
    options.poll = /^\d+$/.test(value) ? Number(value) : value
  },
  pooler: ({ options, wrong }, value) => {
    if (value !== 'transaction') throw wrong(`the parameter 'pooler' is not 'transaction', the one it can be`)
    options.pooler = value
  },
  migrate: ({ options, wrong }, value) => {
    if (value !== 'on' && value !== 'off') throw wrong(`the parameter 'migrate' is neither on nor off`)
    options.migrate = value === 'on'
  },
}

const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify']

/** A password that was pasted as it is ends the host where it has a slash. */
const ENCODE = 'a slash in a user or a password is written as %2F'

/**
 * @param path what the URL is called where the user wrote it
 * @throws OPTION_INVALID
 */
export function parseUrl(url: string, path = 'broker'): PostgresOptions {
  const wrong = (what: string): OffstageError =>
    new OffstageError('OPTION_INVALID', `${path} is a PostgreSQL URL that cannot be used: ${what}`, {
      details: { path },
    })
  const found = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url)
  if (found === null)
    throw wrong(`it is not of the form postgres://user:password@host:5432/database; ${ENCODE}, # as %23`)
  const [, authority = '', database = '', query = ''] = found
  const read: Read = { options: {}, tls: {}, wrong }
  readAuthority(read, authority)
  if (database.includes('/')) throw wrong(`its path has too many parts; ${ENCODE}`)
  // What stands before it is then the rest of a password, which would be shown as the name of a database.
  if (database.includes('@')) throw wrong(`an @ in the name of a database is written as %40; ${ENCODE}`)
  if (database !== '') read.options.database = decode(database, 'database', wrong)
  readQuery(read, query)
  const tls = tlsOf(read)
  if (tls !== undefined) read.options.tls = tls
  return read.options
}

function readAuthority({ options, wrong }: Read, authority: string): void {
  // A password may hold an @ that was not encoded: the host is behind the last one.
  const at = authority.lastIndexOf('@')
  if (at >= 0) {
    const user = authority.slice(0, at)
    const colon = user.indexOf(':')
    const name = decode(colon < 0 ? user : user.slice(0, colon), 'user', wrong)
    if (name !== '') options.user = name
    if (colon >= 0) options.password = decode(user.slice(colon + 1), 'password', wrong)
  }
  const host = authority.slice(at + 1)
  if (host === '') return
  if (host.includes(',')) throw wrong('it has several hosts; name one, or a proxy that knows the primary')
  const found = /^(\[[0-9a-f:.]+\]|[^:[\]\s]*)(?::(\d{1,5}))?$/i.exec(host)
  const port = found?.[2] === undefined ? undefined : Number(found[2])
  if (found?.[1] === undefined || (port !== undefined && (port < 1 || port > 65_535)))
    throw wrong(`its host is not a name or an address with a port from 1 to 65535; ${ENCODE}`)
  const name = decode(found[1].replace(/^\[|\]$/g, ''), 'host', wrong)
  if (name !== '') options.host = name
  if (port !== undefined) options.port = port
}

function readQuery(read: Read, query: string): void {
  for (const [name, value] of new URLSearchParams(query)) {
    const write = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
    if (write === undefined)
      throw read.wrong(
        `the parameter '${name.slice(0, 40)}' is unknown; the known ones are ${Object.keys(PARAMETERS).join(', ')}`,
      )
    if (value === '') throw read.wrong(`the parameter '${name}' is empty`)
    write(read, value)
  }
}

/** TLS that was asked for is verified, `require` too: what is encrypted for anybody is safe from nobody. */
function tlsOf({ tls: { mode, ...files }, wrong }: Read): boolean | TlsOptions | undefined {
  if (mode !== undefined && !SSL_MODES.includes(mode))
    throw wrong(`the parameter 'sslmode' is not one of ${SSL_MODES.join(', ')}`)
  if (mode === undefined || mode === 'disable') {
    const file = Object.keys(files)[0]
    if (file !== undefined) throw wrong('it names certificates without TLS; add sslmode=verify-full')
    return mode === undefined ? undefined : false
  }
  if (mode === 'no-verify') return { ...files, rejectUnauthorized: false }
  // The authority is checked, and the host may have another name.
  if (mode === 'verify-ca') return { ...files, checkServerIdentity: () => undefined }
  return { ...files }
}

function count(name: string, value: string, wrong: Read['wrong']): number {
  if (!/^\d{1,9}$/.test(value)) throw wrong(`the parameter '${name}' is not a whole number`)
  return Number(value)
}

function decode(text: string, what: string, wrong: Read['wrong']): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(`the percent signs of its ${what} cannot be read; write a percent sign as %25`)
  }
}
