// From what the server answers (SQLSTATE), or a socket reports, to a coded error. Errors of pg may carry a client with
// its settings, so none is passed on, not even as a cause: only its words are, cleaned.
import type { ErrorCode } from '../../../errors/codes.ts'
import { codeOf, OffstageError } from '../../../errors/error.ts'

/** Where a statement went, and what must not be said of it. */
export interface Place {
  /** `host:port/database`. */
  readonly name: string
  readonly user: string | undefined
  /** Cleaned out of whatever the server says. */
  readonly secret: string | undefined
}

/** SQLSTATEs, or the two characters of their class, and what they mean to a caller. */
const CODES: { readonly [state: string]: ErrorCode } = {
  '08': 'BROKER_UNAVAILABLE',
  '08P01': 'STORE_FAILED',
  '57P01': 'BROKER_UNAVAILABLE',
  '57P02': 'BROKER_UNAVAILABLE',
  '57P03': 'BROKER_UNAVAILABLE',
  '57P04': 'BROKER_DATABASE_MISSING',
  '57P05': 'BROKER_UNAVAILABLE',
  '57014': 'BROKER_UNAVAILABLE',
  '53': 'BROKER_UNAVAILABLE',
  '53100': 'STORE_FULL',
  '28': 'BROKER_AUTH',
  '3D000': 'BROKER_DATABASE_MISSING',
  '42501': 'BROKER_FORBIDDEN',
  '25006': 'BROKER_IS_REPLICA',
  '25P02': 'TX_ABORTED',
  '22021': 'TEXT_INVALID',
  '22P05': 'TEXT_INVALID',
  '40001': 'BROKER_UNAVAILABLE',
  '40P01': 'BROKER_UNAVAILABLE',
  '55P03': 'BROKER_UNAVAILABLE',
  XX001: 'STORE_CORRUPT',
  XX002: 'STORE_CORRUPT',
}

/** What functions of ours raise, by class OF. Their text is for people as it is. */
const OURS: { readonly [state: string]: ErrorCode } = { OF002: 'STORE_KEY_TAKEN' }

/** In words, where a caller may do something about it. */
const ADVICE: { readonly [state: string]: string } = {
  '57P03': 'the server is starting up or shutting down',
  '53100': 'its disk is full; nothing was stored',
  '53300': 'it has no connection left; raise max_connections, lower max, or put a pooler before it',
  '57014': 'the statement was cancelled, by statement_timeout or by an administrator',
  '25006': 'it is a read-only standby, or default_transaction_read_only is on; name the primary',
  '3D000': 'the database does not exist; create it, or name another one in the URL',
}

/** Repeated without the caller's knowing: the server rolled the statement back and said so. */
const PASSING = new Set(['40001', '40P01', '55P03', '25006', '57P03'])

/** A lock that was not had in time; a deadlock. */
const BLOCKED = new Set(['55P03', '40P01'])

/** A pooler that gives each transaction another connection breaks named statements in these ways. */
const BROKEN_NAMES = new Set(['26000', '42P05'])

/** The SQLSTATE of an error reply; undefined for an error of a socket, or of pg itself. */
function stateOf(error: unknown): string | undefined {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && hasSeverity(error) ? code : undefined
}

function hasSeverity(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    typeof (error as { severity?: unknown }).severity === 'string'
  )
}

export function passes(error: unknown): boolean {
  return PASSING.has(stateOf(error) ?? '')
}

/** Somebody else holds what the statement needs. */
export function isBlocked(error: unknown): boolean {
  return BLOCKED.has(stateOf(error) ?? '')
}

/** The same of the coded error. */
export function wasBlocked(error: unknown): boolean {
  return error instanceof OffstageError && BLOCKED.has(String(error.details?.state))
}

export function breaksNames(error: unknown): boolean {
  const state = stateOf(error) ?? ''
  // Of the wrong number of parameters the server says the same.
  return (
    BROKEN_NAMES.has(state) ||
    (state === '08P01' && /prepared statement/.test(messageOf(error)) && !/requires/.test(messageOf(error)))
  )
}

/** The tables changed under a statement that was prepared before: another connection prepares it anew. */
export function isStalePlan(error: unknown): boolean {
  return stateOf(error) === '0A000' && /cached plan/.test(messageOf(error))
}

/** The connection cannot be used any more, though the server answered. */
export function endsConnection(error: unknown): boolean {
  const state = stateOf(error)
  return state === undefined || /^(?:08|57P|25006)/.test(state)
}

/**
 * The coded error for whatever pg rejects with. Never has a cause.
 *
 * @param what the statement in words: `the function reserve_jobs`
 */
export function coded(error: unknown, place: Place, what: string): OffstageError {
  if (error instanceof OffstageError) return error
  const state = stateOf(error)
  const said = clean(messageOf(error), place)
  const where = `PostgreSQL at ${place.name}`
  if (state === undefined)
    return unavailable(`${where} lost the connection during ${what}: ${said}`, { server: place.name })
  const details = { state, server: place.name }
  const make = (code: ErrorCode, text: string): OffstageError => new OffstageError(code, text, { details })
  const ours = OURS[state]
  if (ours !== undefined) return make(ours, said)
  const code = CODES[state] ?? CODES[state.slice(0, 2)] ?? 'STORE_FAILED'
  if (code === 'BROKER_AUTH') return make(code, `${where} refuses the user ${user(place)}: ${said}`)
  const advice = ADVICE[state]
  const words = advice === undefined ? said : `${said} (${advice})`
  return make(code, `${where} refused ${what}: ${words} [${state}]`)
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

/** What poolers say at the door when they mean a name or a password. */
const POOLER = /^08P01$/

/** At the door: the database takes no connections now. Of a statement it says something else. */
const CLOSED = '55000'

/** A server to which no connection could be made. */
export function unreachable(error: unknown, place: Place): OffstageError {
  if (error instanceof OffstageError) return error
  const state = stateOf(error)
  if (state === CLOSED)
    return unavailable(`PostgreSQL at ${place.name} cannot be reached: ${clean(messageOf(error), place)}`, {
      state,
      server: place.name,
    })
  if (state !== undefined && !POOLER.test(state)) return coded(error, place, 'the connection')
  const code = state === undefined ? codeOf(firstOf(error)) : undefined
  const known = code === undefined ? undefined : REASONS[code]
  const said = clean(messageOf(error), place)
  const tls = /self.signed|certificate|CERT_|\bSSL\b|TLS/i.test(`${code} ${said}`)
  const reason = code ?? (tls ? 'TLS' : undefined)
  const details = { server: place.name, ...(reason === undefined ? {} : { reason }) }
  if (/no such database|database .* does not exist/i.test(said))
    return new OffstageError('BROKER_DATABASE_MISSING', `the pooler at ${place.name} says: ${said}`, {
      details,
    })
  if (/password|SASL|SCRAM|authentication/i.test(said))
    return new OffstageError(
      'BROKER_AUTH',
      `PostgreSQL at ${place.name} asks the user ${user(place)} for a password that was not given, or refuses it: ${said}`,
      { details },
    )
  const why = code === undefined ? said : `${code}${known === undefined ? '' : `, ${known}`}`
  const advice = tls
    ? `; TLS failed (${said}): check sslmode, sslrootcert and that the server has TLS turned on`
    : ''
  return unavailable(`PostgreSQL at ${place.name} cannot be reached: ${why}${advice}`, details)
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

function user({ user }: Place): string {
  return user === undefined ? 'of this process' : `'${user}'`
}

/** In one short line, without a password of ours. */
function clean(text: string, { secret }: Place): string {
  let line = text.replace(/\s+/g, ' ').trim()
  if (secret !== undefined && secret !== '') line = line.replaceAll(secret, '***')
  return line.slice(0, 300)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
