// From what a server answers, or a socket reports, to a coded error. The errors of ioredis carry the arguments of the
// command, a password among them, so none of them is ever passed on, not even as a cause: only its words are, cleaned.
import type { ErrorCode } from '../../../errors/codes.ts'
import { codeOf, OffstageError } from '../../../errors/error.ts'
import { type Access, type Address, nameOf } from '../options.ts'

/** What a reply says that the connection itself has to act on. */
export type Turn =
  /** This server does not take writes now: leave it and look for the one that does. */
  | { readonly kind: 'leave' }
  /** The cluster is changing: look again who owns what. */
  | { readonly kind: 'refresh' }
  /** The slot lives elsewhere, for good or for this command. */
  | { readonly kind: 'moved' | 'ask'; readonly slot: number; readonly to: Address | undefined }
  /** The server does not have the script. */
  | { readonly kind: 'noscript' }

/** First words of replies that name a state which passes by itself, or with another server. */
const PASSING = new Set([
  'READONLY',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'BUSY',
  'NOREPLICAS',
  'UNBLOCKED',
  'EXECABORT',
  'NOQUORUM',
])

/** Among these, those that another server, or a new connection, may not have. */
const LEAVE = new Set(['READONLY', 'LOADING', 'MASTERDOWN'])

const CODES: { readonly [reply: string]: ErrorCode } = {
  NOAUTH: 'BROKER_AUTH',
  WRONGPASS: 'BROKER_AUTH',
  NOPERM: 'BROKER_FORBIDDEN',
  OOM: 'STORE_FULL',
  MISCONF: 'STORE_READONLY',
  WRONGTYPE: 'STORE_KEY_TAKEN',
}

/** The first word of a reply, also where Redis 6.2 wraps that of a call inside a script. */
export function replyOf(error: unknown): string {
  const text = messageOf(error)
  const inner = /^ERR (?:Error running script|user_script).*?: ([A-Z]{3,})\b/s.exec(text)?.[1]
  if (inner !== undefined && (PASSING.has(inner) || Object.hasOwn(CODES, inner))) return inner
  if (/ACL failure in script|The user executing the script can't/.test(text)) return 'NOPERM'
  // What WAIT and WAITAOF find where the server was demoted since the write.
  if (/^ERR WAIT\w* cannot be used with replica/.test(text)) return 'READONLY'
  return /^-?([A-Z]{2,})\b/.exec(text)?.[1] ?? ''
}

/** What the connection has to do about an error reply; undefined where it is the caller's alone. */
export function turnOf(error: unknown): Turn | undefined {
  const reply = replyOf(error)
  if (reply === 'NOSCRIPT') return { kind: 'noscript' }
  if (LEAVE.has(reply)) return { kind: 'leave' }
  if (reply === 'CLUSTERDOWN') return { kind: 'refresh' }
  const redirect = /^(MOVED|ASK) (\d+) (.*):(\d+)$/.exec(messageOf(error))
  if (redirect === null) return undefined
  const [, kind, slot, host = '', port] = redirect
  // A node that does not know its peer's address names none: the port is then one of the host that answered.
  const to = host === '' || host === '?' ? undefined : { host, port: Number(port) }
  return { kind: kind === 'ASK' ? 'ask' : 'moved', slot: Number(slot), to }
}

export interface Circumstances {
  readonly server: Address | undefined
  /** The command, in the words of the caller: `the script reserve`, `PUBLISH`. */
  readonly what: string
  readonly key?: string | undefined
  readonly access?: Access | undefined
}

/** The coded error for a rejection of ioredis. Never has a cause. */
export function fromReply(error: unknown, { server, what, key, access }: Circumstances): OffstageError {
  if (error instanceof OffstageError) return error
  const reply = replyOf(error)
  const where = server === undefined ? 'Redis' : `Redis at ${nameOf(server)}`
  const said = clean(messageOf(error), access)
  const on = key === undefined ? '' : ` on the key ${key}`
  const details = { reply, ...(key === undefined ? {} : { key }) }
  const make = (code: ErrorCode, text: string): OffstageError => new OffstageError(code, text, { details })
  if (reply === '') return make('BROKER_UNAVAILABLE', `${where} lost the connection during ${what}: ${said}`)
  if (reply === 'MOVED' || reply === 'ASK')
    return make('BROKER_IS_CLUSTER', `${where} is a node of a cluster; write redis+cluster:// in the URL`)
  if (/cluster support disabled/.test(said))
    return make('BROKER_NOT_CLUSTER', `${where} is not a node of a cluster; write redis:// in the URL`)
  if (/DB index is out of range/.test(said))
    return make('OPTION_INVALID', `db names a database that ${where} does not have: ${said}`)
  if (/unknown command '?SENTINEL/i.test(said))
    return make('BROKER_MASTER_UNKNOWN', `${where} is no sentinel; write redis:// in the URL for a server`)
  if (PASSING.has(reply) || /non local key in a cluster node/.test(said))
    return make('BROKER_UNAVAILABLE', `${where} cannot run ${what} now: ${said}`)
  switch (CODES[reply]) {
    case 'BROKER_AUTH':
      return refused(where, said, access, details)
    case 'BROKER_FORBIDDEN':
      return make('BROKER_FORBIDDEN', `${where} does not permit ${what}${on} to this user: ${said}`)
    case 'STORE_FULL':
      return make(
        'STORE_FULL',
        `${where} has no memory left for ${what} (maxmemory); give it more, or remove what is not needed`,
      )
    case 'STORE_KEY_TAKEN':
      return make('STORE_KEY_TAKEN', `${where} holds something else in a place of this library${on}: ${said}`)
    case 'STORE_READONLY':
      return make('STORE_READONLY', `${where} takes no writes since it cannot save: ${said}`)
    default:
      return make('STORE_FAILED', `${where} refused ${what}: ${said}`)
  }
}

function refused(
  where: string,
  said: string,
  access: Access | undefined,
  details: { readonly [name: string]: string },
): OffstageError {
  const has = access?.password !== undefined
  const advice = has
    ? `refuses the password of ${access.username === undefined ? 'the default user' : `the user '${access.username}'`}`
    : 'asks for a password: write redis://user:password@host'
  return new OffstageError('BROKER_AUTH', `${where} ${advice} (${said})`, { details })
}

const REASONS: { readonly [code: string]: string } = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ECONNRESET: 'it closed the connection',
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not open the socket',
}

/** A server that could not be reached, by what its socket reported. The cause is a plain error with the code alone. */
export function unreachable(server: Address, error: unknown): OffstageError {
  if (error instanceof OffstageError) return error
  const code = codeOf(firstOf(error))
  const known = code === undefined ? undefined : REASONS[code]
  const why =
    code === undefined
      ? clean(messageOf(error), undefined)
      : `${code}${known === undefined ? '' : `, ${known}`}`
  const tls = /self.signed|certificate|CERT_|SSL|TLS/i.test(`${code} ${messageOf(error)}`)
  const advice = tls ? '; TLS failed: check ca, servername and that the port speaks TLS' : ''
  return new OffstageError(
    'BROKER_UNAVAILABLE',
    `Redis at ${nameOf(server)} cannot be reached: ${why}${advice}`,
    {
      details: { server: nameOf(server), ...(code === undefined ? {} : { reason: code }) },
    },
  )
}

/** Where a host has several addresses, Node reports all of their failures in one. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && codeOf(error) === undefined ? error.errors[0] : error
}

export function unavailable(
  message: string,
  details: { readonly [name: string]: unknown } = {},
): OffstageError {
  return new OffstageError('BROKER_UNAVAILABLE', message, { details })
}

/** A server's words in one short line: without arguments that it repeats, and without a password of ours. */
export function clean(text: string, access: Access | undefined): string {
  let line = text
    .replace(/, with args beginning with:.*$/s, '')
    .replace(/\s+/g, ' ')
    .trim()
  const password = access?.password
  if (password !== undefined && password !== '') line = line.replaceAll(password, '***')
  return line.slice(0, 300)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
