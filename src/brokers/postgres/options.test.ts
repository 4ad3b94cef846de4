import { Client, Pool } from 'pg'
import { describe, expect, test } from 'vitest'
import { type PostgresOptions, readOptions } from './options.ts'

const rejected = (options: unknown): { code: unknown; message: string; details: unknown } => {
  try {
    readOptions(options as PostgresOptions)
  } catch (error) {
    return error as { code: unknown; message: string; details: unknown }
  }
  throw new Error('nothing was thrown')
}

describe('the options of the PostgreSQL broker', () => {
  test('have defaults', () => {
    expect(readOptions('postgres://h')).toMatchObject({
      target: { mode: 'server', server: { host: 'h', applicationName: 'offstage:default' } },
      listening: { mode: 'same' },
      schema: 'offstage',
      namespace: 'default',
      named: true,
      max: 4,
      migrate: true,
      pollMs: 1_000,
      connectTimeoutMs: 5_000,
      reconnectWaitMs: 2_000,
      silenceMs: 3_000,
    })
    expect(readOptions({})).toMatchObject({ target: { mode: 'server' } })
  })

  test('name a schema after the namespace, unless it is given', () => {
    expect(readOptions({ namespace: 'mail' }).schema).toBe('offstage_mail')
    expect(readOptions({ namespace: 'Mail.eu:1' }).schema).toBe('offstage_Mail.eu:1')
    expect(readOptions({ namespace: 'mail', schema: 'Jobs "x"' }).schema).toBe('Jobs "x"')
    expect(readOptions({ namespace: 'n'.repeat(54) }).schema).toHaveLength(63)
    expect(rejected({ namespace: 'n'.repeat(55) }).message).toContain('54 bytes')
    expect(readOptions({ namespace: 'n'.repeat(128), schema: 'jobs' }).schema).toBe('jobs')
    expect(readOptions({ namespace: 'mail' }).target).toMatchObject({
      server: { applicationName: 'offstage:mail' },
    })
  })

  test('say what listens', () => {
    expect(readOptions('postgres://h?listen=off').listening).toEqual({ mode: 'off' })
    expect(readOptions('postgres://h?pooler=transaction')).toMatchObject({
      named: false,
      listening: { mode: 'off' },
    })
    const beside = readOptions({ pooler: 'transaction', listenUrl: 'postgres://u:p@direct:1/d' })
    expect(beside).toMatchObject({
      named: false,
      listening: {
        mode: 'server',
        server: { host: 'direct', port: 1, user: 'u', database: 'd', applicationName: 'offstage:default' },
      },
    })
  })

  test('take a pool of pg, and what makes the client that listens', async () => {
    const pool = new Pool()
    expect(readOptions({ pool })).toMatchObject({ target: { mode: 'pool' }, listening: { mode: 'same' } })
    const connect = (): Client => new Client()
    expect(readOptions({ pool, connect }).listening).toEqual({ mode: 'client', connect })
    expect(rejected({ pool, host: 'h' })).toMatchObject({ details: { path: 'host' } })
    expect(rejected({ pool, max: 3 })).toMatchObject({ details: { path: 'max' } })
    expect(rejected({ pool: {} })).toMatchObject({ details: { path: 'pool' } })
    expect(rejected({ connect })).toMatchObject({ details: { path: 'connect' } })
    expect(rejected({ pool, connect, listenUrl: 'postgres://h' })).toMatchObject({
      details: { path: 'listenUrl' },
    })
    await pool.end()
  })

  test.each([
    ['nonsense', { nonsense: 1 }],
    ['namespace', { namespace: 'a b' }],
    ['namespace', { namespace: '' }],
    ['schema', { schema: '' }],
    ['schema', { schema: 'a\0b' }],
    ['schema', { schema: 'ä'.repeat(32) }],
    ['schema', { schema: 'pg_jobs' }],
    ['schema', { schema: 'information_schema' }],
    ['schema', { schema: 5 }],
    ['host', { host: '' }],
    ['port', { port: 0 }],
    ['database', { database: 'a\0' }],
    ['user', { user: 5 }],
    ['password', { password: 5 }],
    ['tls', { tls: 'yes' }],
    ['applicationName', { applicationName: '' }],
    ['channelBinding', { channelBinding: 'yes' }],
    ['max', { max: 0 }],
    ['max', { max: 101 }],
    ['migrate', { migrate: 'no' }],
    ['listen', { listen: 'off' }],
    ['listenUrl', { listenUrl: 'redis://u:hunter2@h' }],
    ['listenUrl', { listenUrl: 'postgres://u:hunter2@h', listen: false }],
    ['poll', { poll: '1ms' }],
    ['pooler', { pooler: 'session' }],
    ['connectTimeoutMs', { connectTimeoutMs: 1 }],
    ['reconnectWaitMs', { reconnectWaitMs: -1 }],
    ['silenceMs', { silenceMs: 100 }],
  ])('refuse a bad %s: %j', (path, options) => {
    const error = rejected({ password: 'hunter2', ...options })
    expect(error).toMatchObject({ code: 'OPTION_INVALID', details: { path } })
    expect(error.message).not.toContain('hunter2')
  })
})
