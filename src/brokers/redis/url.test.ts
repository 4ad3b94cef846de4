import { describe, expect, test } from 'vitest'
import { readOptions } from './options.ts'
import { parseUrl } from './url.ts'

const rejected = (make: () => unknown): { code: unknown; message: string } => {
  try {
    make()
  } catch (error) {
    return { code: (error as { code?: unknown }).code, message: (error as Error).message }
  }
  throw new Error('nothing was thrown')
}

describe('a Redis URL', () => {
  test.each([
    ['redis://localhost', { mode: 'single', nodes: [{ host: 'localhost', port: 6379 }] }],
    [
      'redis://user:p%40ss@10.0.0.1:7000/3',
      {
        mode: 'single',
        nodes: [{ host: '10.0.0.1', port: 7000 }],
        db: 3,
        username: 'user',
        password: 'p@ss',
      },
    ],
    ['redis://:secret@h/', { mode: 'single', nodes: [{ host: 'h', port: 6379 }], password: 'secret' }],
    [
      'redis://u:a@b:c@h',
      { mode: 'single', nodes: [{ host: 'h', port: 6379 }], username: 'u', password: 'a@b:c' },
    ],
    ['redis://[::1]:6380', { mode: 'single', nodes: [{ host: '::1', port: 6380 }] }],
    ['rediss://h', { mode: 'single', tls: {}, nodes: [{ host: 'h', port: 6379 }] }],
    [
      'rediss://h?ca=/etc/ca.pem&rejectUnauthorized=false&servername=x',
      {
        mode: 'single',
        nodes: [{ host: 'h', port: 6379 }],
        tls: { caFile: '/etc/ca.pem', rejectUnauthorized: false, servername: 'x' },
      },
    ],
    [
      'redis+sentinel://u:p@a:1,b/main/2',
      {
        mode: 'sentinel',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        primary: 'main',
        db: 2,
        username: 'u',
        password: 'p',
      },
    ],
    [
      'REDIS+CLUSTER://a:1,b:2?prefix=app%3A&shards=4&wait=1&waitaof=1,2&connectTimeout=300',
      {
        mode: 'cluster',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        prefix: 'app:',
        shards: 4,
        wait: 1,
        waitaof: { local: 1, replicas: 2 },
        connectTimeoutMs: 300,
      },
    ],
    ['redis+unix:///run/r.sock?db=2', { mode: 'single', nodes: [{ path: '/run/r.sock' }], db: 2 }],
  ])('%s', (url, options) => {
    expect(parseUrl(url)).toEqual(options)
    readOptions(url)
  })

  test.each([
    ['redis:', 'not a URL'],
    ['http://u:hunter2@h', 'not a URL'],
    ['redis://u:hunter2@', 'host 1'],
    ['redis://u:hunter2@h:99999', 'host 1'],
    ['redis://u:hunter2@h:0', 'host 1'],
    ['redis://u:hunter2@a,b', 'several hosts'],
    ['redis://u:hunter2@h/x', 'not a number'],
    ['redis://u:hunter2@h/1/2', 'too many parts'],
    ['redis://u:hunter2%@h', 'percent'],
    ['redis://u:hunter2@h?shard=4', "'shard'"],
    ['redis://u:hunter2@h?password=hunter2', "'password'"],
    ['redis://u:hunter2@h?shards=many', "'shards'"],
    ['redis://u:hunter2@h?shards=2000', 'shards'],
    ['redis://u:hunter2@h?shards=0', 'shards'],
    ['redis://u:hunter2@h?waitaof=2', "'waitaof'"],
    ['redis://u:hunter2@h?ca=x', 'rediss'],
    ['rediss://u:hunter2@h?rejectUnauthorized=no', 'rejectUnauthorized'],
    ['redis://u:hunter2@h?prefix=%7B', 'prefix'],
    ['redis+sentinel://u:hunter2@h', 'primary'],
    ['redis+cluster://u:hunter2@h/1', 'db'],
    ['redis+unix://u:hunter2@h/x', 'three slashes'],
    ['redis://u:hunter2@h?namespace=a', "'namespace'"],
    ['redis://hunter2@h', 'password'],
  ])('%s is refused without a word of the password', (url, part) => {
    const { code, message } = rejected(() => readOptions(url))
    expect(code).toBe('OPTION_INVALID')
    expect(message).toContain(part)
    expect(message).not.toContain('hunter2')
  })
})
