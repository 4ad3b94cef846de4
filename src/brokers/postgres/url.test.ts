import { describe, expect, test } from 'vitest'
import { parseUrl } from './url.ts'

const rejected = (make: () => unknown): { code: unknown; message: string; details: unknown } => {
  try {
    make()
  } catch (error) {
    return error as { code: unknown; message: string; details: unknown }
  }
  throw new Error('nothing was thrown')
}

describe('a PostgreSQL URL', () => {
  test.each([
    ['postgres://', {}],
    ['postgres://localhost', { host: 'localhost' }],
    ['postgresql://localhost/', { host: 'localhost' }],
    [
      'POSTGRES://user:p%40ss@10.0.0.1:6432/my%20jobs',
      { host: '10.0.0.1', port: 6432, user: 'user', password: 'p@ss', database: 'my jobs' },
    ],
    ['postgres://u:a@b:c@h/d', { host: 'h', user: 'u', password: 'a@b:c', database: 'd' }],
    ['postgres://u@h', { host: 'h', user: 'u' }],
    ['postgres://:5433/d', { port: 5433, database: 'd' }],
    ['postgres://[::1]:5433/d', { host: '::1', port: 5433, database: 'd' }],
    ['postgres://%2Frun%2Fpg/d', { host: '/run/pg', database: 'd' }],
    ['postgresql:///d?host=/var/run/postgresql', { host: '/var/run/postgresql', database: 'd' }],
    ['postgres://h?sslmode=disable', { host: 'h', tls: false }],
    ['postgres://h?sslmode=require', { host: 'h', tls: {} }],
    [
      'postgres://h?sslmode=verify-full&sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem',
      { host: 'h', tls: { caFile: 'ca.pem', certFile: 'c.pem', keyFile: 'k.pem' } },
    ],
    ['postgres://h?sslmode=require&sslrootcert=system', { host: 'h', tls: {} }],
    ['postgres://h?sslmode=no-verify', { host: 'h', tls: { rejectUnauthorized: false } }],
    ['postgres://h?sslmode=require&channel_binding=require', { host: 'h', tls: {}, channelBinding: true }],
    [
      'postgres://h?application_name=a&schema=jobs&connect_timeout=3&max=9&poll=500ms&listen=off&migrate=off&options=-c%20a%3Db',
      {
        host: 'h',
        applicationName: 'a',
        schema: 'jobs',
        connectTimeoutMs: 3_000,
        max: 9,
        poll: '500ms',
        listen: false,
        migrate: false,
        sessionOptions: '-c a=b',
      },
    ],
    [
      'postgres://h:6432?pooler=transaction&listen_url=postgres%3A%2F%2Fh%3A5432',
      { host: 'h', port: 6432, pooler: 'transaction', listenUrl: 'postgres://h:5432' },
    ],
  ])('%s', (url, expected) => {
    expect(parseUrl(url)).toEqual(expected)
  })

  test('of which only the authority is to be verified takes a host of any name', () => {
    const { tls } = parseUrl('postgres://h?sslmode=verify-ca&sslrootcert=ca.pem')
    expect(tls).toMatchObject({ caFile: 'ca.pem' })
    expect(typeof tls === 'object' && tls.rejectUnauthorized).not.toBe(false)
    expect(typeof tls === 'object' && tls.checkServerIdentity?.('other', {} as never)).toBeUndefined()
  })

  test.each([
    ['mysql://u:hunter2@h', 'of the form'],
    ['postgres:u:hunter2@h', 'of the form'],
    ['postgres://u:hunter2/x@h/d', 'a slash in a user or a password'],
    ['postgres://u:1234/hunter2@h', 'a slash in a user or a password'],
    ['postgres://u:hunter2#x@h/d', '%23'],
    ['postgres://u:hunter2%@h', 'percent'],
    ['postgres://u:hunter2@h/a/b', 'too many parts'],
    ['postgres://u:hunter2@h:0', 'port'],
    ['postgres://u:hunter2@h:99999', 'port'],
    ['postgres://u:hunter2@a,b', 'several hosts'],
    ['postgres://u:hunter2@h?sslmode=prefer', 'verify-full'],
    ['postgres://u:hunter2@h?sslrootcert=x', 'sslmode=verify-full'],
    ['postgres://u:hunter2@h?channel_binding=x', 'channel_binding'],
    ['postgres://u:hunter2@h?nonsense=1', "'nonsense' is unknown"],
    ['postgres://u:hunter2@h?toString=1', "'toString' is unknown"],
    ['postgres://u:hunter2@h?max=many', 'whole number'],
    ['postgres://u:hunter2@h?connect_timeout=1.5', 'whole number'],
    ['postgres://u:hunter2@h?listen=no', 'neither on nor off'],
    ['postgres://u:hunter2@h?migrate=no', 'neither on nor off'],
    ['postgres://u:hunter2@h?pooler=session', "'pooler'"],
    ['postgres://u:hunter2@h?schema=', "'schema' is empty"],
  ])('%s is refused, and nothing of its password told', (url, part) => {
    const error = rejected(() => parseUrl(url))
    expect(error).toMatchObject({ code: 'OPTION_INVALID', details: { path: 'broker' } })
    expect(error.message).toContain(part)
    expect(error.message).not.toContain('hunter2')
  })
})
