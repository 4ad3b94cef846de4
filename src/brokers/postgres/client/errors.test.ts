import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { breaksNames, coded, endsConnection, isStalePlan, passes, unreachable } from './errors.ts'

const PLACE = { name: 'h:5432/d', user: 'anna', secret: 'hunter2' }

/** As pg makes them of the server's replies. */
function reply(code: string, message = 'no'): Error {
  return Object.assign(new Error(message), { code, severity: 'ERROR' })
}

function socketError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code })
}

describe('the code of a reply', () => {
  test.each([
    ['08006', 'BROKER_UNAVAILABLE', true],
    ['08P01', 'STORE_FAILED', true],
    ['22021', 'TEXT_INVALID', false],
    ['22P05', 'TEXT_INVALID', false],
    ['25006', 'BROKER_IS_REPLICA', true],
    ['25P02', 'TX_ABORTED', false],
    ['28000', 'BROKER_AUTH', false],
    ['28P01', 'BROKER_AUTH', false],
    ['3D000', 'BROKER_DATABASE_MISSING', false],
    ['40001', 'BROKER_UNAVAILABLE', true],
    ['40P01', 'BROKER_UNAVAILABLE', true],
    ['42501', 'BROKER_FORBIDDEN', false],
    ['42P01', 'STORE_FAILED', true],
    ['53100', 'STORE_FULL', true],
    ['53200', 'BROKER_UNAVAILABLE', true],
    ['53300', 'BROKER_UNAVAILABLE', true],
    ['55P03', 'BROKER_UNAVAILABLE', true],
    ['57014', 'BROKER_UNAVAILABLE', true],
    ['57P01', 'BROKER_UNAVAILABLE', true],
    ['57P03', 'BROKER_UNAVAILABLE', true],
    ['XX001', 'STORE_CORRUPT', false],
    ['XX000', 'STORE_FAILED', true],
  ])('%s is %s', (state, code, retryable) => {
    const error = coded(reply(state, `what\nit  said hunter2`), PLACE, 'the statement reserve')
    expect(error).toMatchObject({ code, retryable, details: { state, server: 'h:5432/d' } })
    expect(error.message).toContain('what it said ***')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })

  test('an error of ours stays as it is, and one without a state is the end of the connection', () => {
    const ours = coded(reply('42501'), PLACE, 'a')
    expect(coded(ours, PLACE, 'b')).toBe(ours)
    expect(coded(socketError('ECONNRESET'), PLACE, 'the statement reserve')).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: 'PostgreSQL at h:5432/d lost the connection during the statement reserve: connect ECONNRESET',
    })
    // Five letters, and still of a socket.
    expect(endsConnection(socketError('EPIPE'))).toBe(true)
  })
})

describe('an error says what to do with', () => {
  test('the statement: again, or not', () => {
    for (const state of ['40001', '40P01', '55P03', '25006', '57P03']) expect(passes(reply(state))).toBe(true)
    for (const state of ['08006', '57P01', '23505']) expect(passes(reply(state))).toBe(false)
    expect(passes(socketError('40001'))).toBe(false)
  })

  test('the connection', () => {
    for (const state of ['08006', '57P01', '25006']) expect(endsConnection(reply(state))).toBe(true)
    for (const state of ['40001', '23505', '42501']) expect(endsConnection(reply(state))).toBe(false)
  })

  test('prepared statements', () => {
    expect(breaksNames(reply('26000'))).toBe(true)
    expect(breaksNames(reply('42P05'))).toBe(true)
    expect(breaksNames(reply('08P01', 'prepared statement "a" is not known'))).toBe(true)
    expect(
      breaksNames(reply('08P01', 'bind message supplies 1 parameters, but prepared statement "" requires 2')),
    ).toBe(false)
    expect(isStalePlan(reply('0A000', 'cached plan must not change result type'))).toBe(true)
    expect(isStalePlan(reply('0A000'))).toBe(false)
  })
})

describe('a server that cannot be reached', () => {
  test.each([
    [socketError('ECONNREFUSED'), 'BROKER_UNAVAILABLE', 'nothing listens there'],
    [socketError('ENOTFOUND'), 'BROKER_UNAVAILABLE', 'no such host name'],
    [
      new AggregateError([socketError('EHOSTUNREACH'), socketError('ECONNREFUSED')]),
      'BROKER_UNAVAILABLE',
      'no route',
    ],
    [socketError('DEPTH_ZERO_SELF_SIGNED_CERT'), 'BROKER_UNAVAILABLE', 'sslrootcert'],
    [new Error('The server does not support SSL connections'), 'BROKER_UNAVAILABLE', 'sslmode'],
    [new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'), 'BROKER_AUTH', 'anna'],
    [reply('08P01', 'SASL authentication failed'), 'BROKER_AUTH', 'anna'],
    [reply('28P01', 'password authentication failed for user "anna"'), 'BROKER_AUTH', 'anna'],
    [reply('08P01', 'no such database: d'), 'BROKER_DATABASE_MISSING', 'pooler'],
    [reply('08P01', 'no more connections allowed'), 'BROKER_UNAVAILABLE', 'no more connections'],
    [reply('57P03', 'the database system is starting up'), 'BROKER_UNAVAILABLE', 'starting up'],
    [
      reply('55000', 'database "app" is not currently accepting connections'),
      'BROKER_UNAVAILABLE',
      'accepting',
    ],
    [reply('53300', 'sorry, too many clients already'), 'BROKER_UNAVAILABLE', 'max_connections'],
  ])('%s', (error, code, part) => {
    const made = unreachable(error, PLACE)
    expect(made.code).toBe(code)
    expect(made.message).toContain(part)
    expect(made.message).toContain('h:5432/d')
  })
})
