import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { OffstageError } from '../../../errors/error.ts'
import { clean, fromReply, replyOf, turnOf, unreachable } from './errors.ts'

const server = { host: 'h', port: 6379 }
const access = { username: 'anna', password: 'planted-secret', db: 0, tls: undefined }

/** As ioredis makes them: with the command and its arguments. */
function reply(message: string): Error {
  return Object.assign(new Error(message), { command: { name: 'auth', args: ['anna', 'planted-secret'] } })
}

describe('a reply', () => {
  test.each([
    ['NOAUTH Authentication required.', 'BROKER_AUTH'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'BROKER_AUTH'],
    ["NOPERM this user has no permissions to run the 'set' command", 'BROKER_FORBIDDEN'],
    ["ERR ACL failure in script: User few has no permissions to run the 'set' command", 'BROKER_FORBIDDEN'],
    ["ERR The user executing the script can't run this command or subcommand", 'BROKER_FORBIDDEN'],
    ["OOM command not allowed when used memory > 'maxmemory'. script: abc", 'STORE_FULL'],
    ['ERR Error running script (call to f_abc): @user_script:1: OOM command not allowed', 'STORE_FULL'],
    ['MISCONF Redis is configured to save RDB snapshots, but', 'STORE_READONLY'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'STORE_KEY_TAKEN'],
    [
      'ERR Error running script (call to f_1): @user_script: 9: WRONGTYPE Operation against',
      'STORE_KEY_TAKEN',
    ],
    ["READONLY You can't write against a read only replica.", 'BROKER_UNAVAILABLE'],
    ['ERR WAIT cannot be used with replica instances. Please also note that', 'BROKER_UNAVAILABLE'],
    ['LOADING Redis is loading the dataset in memory', 'BROKER_UNAVAILABLE'],
    [
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      'BROKER_UNAVAILABLE',
    ],
    ['CLUSTERDOWN The cluster is down', 'BROKER_UNAVAILABLE'],
    ['TRYAGAIN Multiple keys request during rehashing of slot', 'BROKER_UNAVAILABLE'],
    ['BUSY Redis is busy running a script.', 'BROKER_UNAVAILABLE'],
    ['NOREPLICAS Not enough good replicas to write.', 'BROKER_UNAVAILABLE'],
    ['UNBLOCKED client unblocked via CLIENT UNBLOCK', 'BROKER_UNAVAILABLE'],
    ['ERR Script attempted to access a non local key in a cluster node script: a', 'BROKER_UNAVAILABLE'],
    ['MOVED 1 h:1', 'BROKER_IS_CLUSTER'],
    ['ERR This instance has cluster support disabled', 'BROKER_NOT_CLUSTER'],
    ['ERR user_script:3: nothing good', 'STORE_FAILED'],
    ['Connection is closed.', 'BROKER_UNAVAILABLE'],
  ])('%s', (message, code) => {
    const error = fromReply(reply(message), { server, what: 'the script x', key: 'k', access })
    expect(error.code).toBe(code)
    expect(error.message).toContain('h:6379')
    expect(error.cause).toBeUndefined()
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('planted-secret')
  })

  test('that is ours already stays as it is', () => {
    const own = new OffstageError('BROKER_CLOSED', 'closed')
    expect(fromReply(own, { server, what: 'x' })).toBe(own)
    expect(unreachable(server, own)).toBe(own)
  })

  test('is told without the arguments that it repeats, without our password, and in one line', () => {
    expect(clean("ERR unknown command 'x', with args beginning with: 'a' 'b'", access)).toBe(
      "ERR unknown command 'x'",
    )
    expect(clean('ERR of\r\nplanted-secret', access)).toBe('ERR of ***')
    expect(clean('x'.repeat(1_000), undefined)).toHaveLength(300)
  })
})

test.each([
  ['NOSCRIPT No matching script.', { kind: 'noscript' }],
  ["READONLY You can't write", { kind: 'leave' }],
  ['LOADING Redis is loading', { kind: 'leave' }],
  ['CLUSTERDOWN Hash slot not served', { kind: 'refresh' }],
  ['MOVED 3999 127.0.0.1:6381', { kind: 'moved', slot: 3999, to: { host: '127.0.0.1', port: 6381 } }],
  ['MOVED 3999 ::1:6381', { kind: 'moved', slot: 3999, to: { host: '::1', port: 6381 } }],
  ['MOVED 3999 :6381', { kind: 'moved', slot: 3999, to: undefined }],
  ['ASK 3999 host.name:6381', { kind: 'ask', slot: 3999, to: { host: 'host.name', port: 6381 } }],
  ['OOM command not allowed', undefined],
  ['ERR x', undefined],
])('what to do about %s', (message, turn) => {
  expect(turnOf(new Error(message))).toEqual(turn)
})

test.each([
  ['-ERR x', 'ERR'],
  ['Connection is closed.', ''],
  ['read ECONNRESET', ''],
])('the first word of %s', (message, word) => {
  expect(replyOf(new Error(message))).toBe(word)
})

test.each([
  [Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
  [new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]), 'ECONNREFUSED'],
  [Object.assign(new Error('getaddrinfo ENOTFOUND h'), { code: 'ENOTFOUND' }), 'no such host'],
  [
    Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    'TLS failed',
  ],
  [new Error('Connection is closed.'), 'Connection is closed.'],
])('a server that cannot be reached: %s', (cause, part) => {
  const error = unreachable(server, cause)
  expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', retryable: true })
  expect(error.message).toContain('h:6379')
  expect(error.message).toContain(part)
})
