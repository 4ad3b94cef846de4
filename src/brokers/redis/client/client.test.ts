import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { NetProxy } from '../../../../test/faults/proxy.ts'
import { inTime, now, until } from '../../../../test/faults/time.ts'
import { freePort } from '../../../../test/support/ports.ts'
import { startCluster, startRedis } from '../../../../test/support/redis-server.ts'
import { redisMissing, redisServerMissing, redisUrl } from '../../../../test/support/servers.ts'
import type { LogFields } from '../../../runtime/logger.ts'
import { type RedisOptions, readOptions } from '../options.ts'
import { parseUrl } from '../url.ts'
import { createRedisClient, type RedisClient, type Script } from './client.ts'
import { loadIoredis, type ReadyClient } from './ioredis.ts'

type Ioredis = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>

const KEY = 'offstage:{t}:'
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

function script(text: string): Script {
  return { name: 'test', text, sha: createHash('sha1').update(text).digest('hex') }
}

const echo = script('return {KEYS[1], ARGV[1], 5}')

function make(url: string, more: RedisOptions = {}): RedisClient {
  const client = createRedisClient(readOptions({ ...parseUrl(url), ...more }))
  cleanups.push(() => client.close())
  return client
}

async function opened(url: string, more?: RedisOptions): Promise<RedisClient> {
  const client = make(url, more)
  await client.open()
  return client
}

async function privateServer(options?: Parameters<typeof startRedis>[0]): ReturnType<typeof startRedis> {
  const server = await startRedis(options)
  cleanups.push(() => server.stop())
  return server
}

async function behindProxy(port: number): Promise<NetProxy> {
  const proxy = await NetProxy.start({ host: '127.0.0.1', port })
  cleanups.push(() => proxy.close())
  return proxy
}

/** Answers INFO with the given text, and everything else with OK. */
async function fakeServer(answer: (command: string) => string): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      for (const part of data
        .toString()
        .split(/\*\d+\r\n/)
        .slice(1))
        socket.write(answer(part.split('\r\n')[1]?.toUpperCase() ?? ''))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`
}

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

async function failureOf(
  work: Promise<unknown>,
): Promise<{ code: unknown; message: string; retryable: unknown }> {
  const error = await work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error,
  )
  return error as { code: unknown; message: string; retryable: unknown }
}

describe.skipIf(redisMissing())('on a server', () => {
  test('runs scripts, the first time by their text, and answers bytes as they are', async () => {
    const client = await opened(redisUrl())
    const own = script(`-- ${Math.random()}\n${echo.text}`)
    const bytes = Buffer.from([0, 255, 13, 10])
    const before = client.commands
    expect(await client.run(own, KEY, [bytes])).toEqual([Buffer.from(KEY), bytes, 5])
    expect(client.commands - before).toBe(2)
    expect(await client.run(own, KEY, ['b'])).toEqual([Buffer.from(KEY), Buffer.from('b'), 5])
    expect(client.commands - before).toBe(3)
    expect(client.takeOutageMs()).toBe(0)
  })

  test('opened by several at once, it connects once, and fails for all of them', async ({ skip }) => {
    const missing = redisServerMissing()
    if (missing !== undefined) skip(missing)
    const server = await privateServer()
    const client = make(server.url)
    await Promise.all([client.open(), client.open(), client.open()])
    const lines = (await server.cli('CLIENT', 'LIST')).split('\n').filter((line) => !/cmd=client/.test(line))
    expect(lines).toHaveLength(1)
    const nobody = make(`redis://127.0.0.1:${await freePort()}`)
    const startedAt = now()
    const failures = await Promise.all([failureOf(nobody.open()), failureOf(nobody.open())])
    expect(failures.map(({ code }) => code)).toEqual(['BROKER_UNAVAILABLE', 'BROKER_UNAVAILABLE'])
    expect(now() - startedAt).toBeLessThan(4_000)
  })

  test('answers what it saw of the server', async () => {
    const client = await opened(redisUrl())
    expect(client.server).toMatchObject({ mode: 'single', role: 'primary', policy: 'noeviction' })
    expect(client.server.engine).toMatch(/^(Redis|Valkey) \d/)
    const facts = await client.facts(KEY)
    expect(facts.pingMs).toBeGreaterThan(0)
    expect(client.server).toBe(facts)
  })

  test('hears a channel until told otherwise', async () => {
    const client = await opened(redisUrl())
    const channel = `t:${Math.random()}`
    const heard: string[] = []
    const stop = await client.subscribe(
      KEY,
      channel,
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    expect(await client.command(KEY, 'PUBLISH', [channel, 'one'])).toBe(1)
    await until('it is heard', () => heard.length === 1)
    await stop()
    await stop()
    expect(await client.command(KEY, 'PUBLISH', [channel, 'two'])).toBe(0)
    expect(heard).toEqual(['one'])
  })

  test('a key of another type and a broken script have their codes, and name what they are about', async () => {
    const client = await opened(redisUrl())
    const key = `offstage:{${Math.random()}}:`
    await client.command(key, 'SET', [key, 'x', 'PX', '60000'])
    const taken = await failureOf(client.run(script("return redis.call('HGET', KEYS[1], 'a')"), key, []))
    expect(taken.code).toBe('STORE_KEY_TAKEN')
    expect(taken.message).toContain(key)
    const broken = await failureOf(client.run(script('return nothing.there'), key, ['hunter2']))
    expect(broken.code).toBe('STORE_FAILED')
    expect(inspect(broken)).not.toContain('hunter2')
    const unknown = await failureOf(client.command(key, 'NOSUCH', ['hunter2']))
    expect(inspect(unknown, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })

  test('calls before open and after close say so', async () => {
    const client = make(redisUrl())
    expect((await failureOf(client.command(KEY, 'PING', []))).code).toBe('BROKER_CLOSED')
    await client.open()
    await client.close()
    await client.close()
    expect((await failureOf(client.command(KEY, 'PING', []))).code).toBe('BROKER_CLOSED')
    expect((await failureOf(client.open())).code).toBe('BROKER_CLOSED')
  })

  test('what is under way at close ends', async () => {
    const client = await opened(redisUrl())
    const blocked = failureOf(client.command(KEY, 'BLPOP', [`none:${Math.random()}`, '5']))
    await client.close()
    expect((await blocked).code).toBe('BROKER_CLOSED')
  })
})

describe.skipIf(redisServerMissing()).each([
  ['6', (): Promise<Ioredis> => import('ioredis')],
  // The shapes that are used here are the same in both.
  ['5', (): Promise<Ioredis> => import('ioredis5') as unknown as Promise<Ioredis>],
])('a client of ioredis %s that is handed in', (_, load) => {
  test('is worked through, listened beside, and left open', async () => {
    const server = await privateServer()
    const { Redis } = await load()
    const given = new Redis(server.port, '127.0.0.1')
    cleanups.push(() => given.disconnect())
    const client = createRedisClient(readOptions({ client: given }))
    await client.open()
    expect(client.server).toMatchObject({ mode: 'single', role: 'primary' })
    const bytes = Buffer.from([0, 255])
    expect(await client.run(echo, KEY, [bytes])).toEqual([Buffer.from(KEY), bytes, 5])
    const heard: string[] = []
    await client.subscribe(
      KEY,
      'c',
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    await client.command(KEY, 'PUBLISH', ['c', 'one'])
    await until('it is heard', () => heard.includes('one'))
    await server.restart()
    await until('it works again', async () => client.run(echo, KEY, ['a']).catch(() => undefined))
    await until('it listens again', () => heard.includes('!'))
    const blocked = failureOf(client.command(KEY, 'BLPOP', ['none', '2']))
    await client.close()
    expect((await blocked).code).toBe('BROKER_CLOSED')
    expect(await given.ping()).toBe('PONG')
    await until('only its own connection is left', async () => {
      const list = (await server.cli('CLIENT', 'LIST')).split('\n')
      return list.filter((line) => !line.includes('cmd=client')).length === 1
    })
  })

  test('that is not connected is told within the time to connect', async () => {
    const { Redis } = await load()
    const given = new Redis(1, '127.0.0.1', { lazyConnect: true })
    given.on('error', () => undefined)
    cleanups.push(() => given.disconnect())
    const client = createRedisClient(readOptions({ client: given, connectTimeoutMs: 500 }))
    expect((await failureOf(client.open())).code).toBe('BROKER_UNAVAILABLE')
    await client.close()
  })

  test('may be a cluster', async () => {
    const cluster = await startCluster()
    cleanups.push(() => cluster.stop())
    const { Cluster } = await load()
    const given = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
    cleanups.push(() => given.disconnect())
    const client = createRedisClient(readOptions({ client: given }))
    cleanups.push(() => client.close())
    await client.open()
    expect(client.server.mode).toBe('cluster')
    for (const key of ['offstage:{a}:', 'offstage:{b}:', 'offstage:{c}:'])
      expect(await client.run(echo, key, ['x'])).toEqual([Buffer.from(key), Buffer.from('x'), 5])
    const heard: string[] = []
    await client.subscribe(
      KEY,
      'c',
      (message) => heard.push(message.toString()),
      () => undefined,
    )
    await client.command(KEY, 'PUBLISH', ['c', 'one'])
    await until('it is heard', () => heard.includes('one'))
    expect(() => readOptions({ client: given, wait: 1 })).toThrow('Cluster')
  })
})

test('clients of both versions have the type that is asked for', async () => {
  const [six, five] = await Promise.all([import('ioredis'), import('ioredis5')])
  const clients: ReadyClient[] = [
    new six.Redis({ lazyConnect: true }),
    new five.Redis({ lazyConnect: true }),
    new six.Cluster([], { lazyConnect: true }),
    new five.Cluster([], { lazyConnect: true }),
  ]
  for (const client of clients) expect(readOptions({ client }).target.mode).toBe('client')
})

test('a client with a key prefix, and what is no client, are refused', async () => {
  const { Redis } = await import('ioredis')
  const prefixed = new Redis({ lazyConnect: true, keyPrefix: 'a' })
  expect(() => readOptions({ client: prefixed })).toThrow('keyPrefix')
  expect(() => readOptions({ client: {} as typeof prefixed })).toThrow('ioredis')
  expect(() => readOptions({ client: prefixed, db: 1 })).toThrow('db')
})

test('a missing or an old package says what to install', async () => {
  const missing = await failureOf(loadIoredis(() => Promise.reject(new Error('not found'))))
  expect(missing).toMatchObject({ code: 'BROKER_CLIENT_MISSING' })
  expect(missing.message).toContain('npm install ioredis')
  expect((await failureOf(loadIoredis(async () => ({})))).code).toBe('BROKER_CLIENT_MISSING')
})

describe('opening', () => {
  test('where nothing listens says so at once, with host and reason', async () => {
    const client = make('redis://u:hunter2@127.0.0.1:1')
    const error = await failureOf(client.open())
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', retryable: true })
    expect(error.message).toContain('127.0.0.1:1')
    expect(error.message).toContain('ECONNREFUSED')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })

  test('where the host does not exist', async () => {
    const error = await failureOf(make('redis://u:hunter2@no-such-host.invalid').open())
    expect(error.code).toBe('BROKER_UNAVAILABLE')
    expect(error.message).toMatch(/no-such-host\.invalid:6379.*(ENOTFOUND|EAI_AGAIN)/)
  })

  test('where nobody answers takes no longer than it may', async () => {
    const url = await fakeServer(() => '')
    const startedAt = now()
    const error = await failureOf(make(url, { connectTimeoutMs: 400 }).open())
    expect(error.code).toBe('BROKER_UNAVAILABLE')
    expect(error.message).toContain('ETIMEDOUT')
    expect(now() - startedAt).toBeLessThan(1_500)
  })

  test.each([
    ['# Server\r\nredis_version:6.0.16\r\nredis_mode:standalone\r\n', 'BROKER_TOO_OLD', '6.0.16'],
    ['redis_version:7.2.4\r\ncluster_enabled:1\r\n', 'BROKER_IS_CLUSTER', 'redis+cluster://'],
    ['redis_version:7.2.4\r\nrole:slave\r\nmaster_host:h\r\nmaster_port:1\r\n', 'BROKER_IS_REPLICA', 'h:1'],
    [
      'redis_version:7.2.4\r\nrole:master\r\nmaxmemory_policy:allkeys-lru\r\n',
      'BROKER_EVICTS',
      'allkeys-lru',
    ],
  ])('refuses a server that says %j', async (info, code, part) => {
    const url = await fakeServer((command) => (command === 'INFO' ? bulk(info) : '+OK\r\n'))
    const error = await failureOf(make(url).open())
    expect(error).toMatchObject({ code })
    expect(error.message).toContain(part)
  })

  test('shows Valkey as what it is', async () => {
    const info =
      'redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n'
    const url = await fakeServer((command) => (command === 'INFO' ? bulk(info) : '+OK\r\n'))
    expect((await opened(url)).server).toMatchObject({ engine: 'Valkey 8.1.0' })
  })

  test('waits for a server that is loading', async () => {
    let loading = 1
    const url = await fakeServer((command) =>
      command === 'INFO'
        ? bulk(`redis_version:7.2.4\r\nrole:master\r\nloading:${loading === 0 ? 0 : loading--}\r\n`)
        : '+OK\r\n',
    )
    await opened(url)
    expect(loading).toBe(0)
  })
})

describe.skipIf(redisServerMissing())('a server of its own', () => {
  test('with a password: none, a wrong one, and the right one, and none of it in an error', async () => {
    const server = await privateServer({ config: { requirepass: 'hunter2' } })
    const at = `127.0.0.1:${server.port}`
    const none = await failureOf(make(`redis://${at}`).open())
    expect(none).toMatchObject({ code: 'BROKER_AUTH', retryable: false })
    const wrong = await failureOf(make(`redis://:planted-secret@${at}`).open())
    expect(wrong.code).toBe('BROKER_AUTH')
    expect(inspect(wrong, { depth: 9, showHidden: true })).not.toContain('planted-secret')
    const user = await failureOf(make(`redis://anna:planted-secret@${at}`).open())
    expect(user.message).toContain('anna')
    const client = await opened(`redis://:hunter2@${at}`)
    expect(inspect(client.server)).not.toContain('hunter2')
  })

  test('a password that nobody asked for is told', async () => {
    const server = await privateServer()
    const error = await failureOf(make(`redis://:planted-secret@127.0.0.1:${server.port}`).open())
    expect(error.code).toBe('BROKER_AUTH')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('planted-secret')
  })

  test('a user without a permission is told which, and one without INFO may work', async () => {
    const server = await privateServer()
    await server.cli(
      'ACL',
      'SETUSER',
      'few',
      'on',
      '>pw',
      '~offstage:*',
      '&*',
      '+evalsha',
      '+eval',
      '+ping',
      '+get',
    )
    const client = await opened(`redis://few:pw@127.0.0.1:${server.port}`)
    expect(client.server.warnings.join()).toContain('INFO')
    const command = await failureOf(client.command(KEY, 'SET', ['offstage:x', '1']))
    expect(command.code).toBe('BROKER_FORBIDDEN')
    expect(command.message).toContain('SET')
    const key = await failureOf(client.command('other:x', 'GET', ['other:x']))
    expect(key.code).toBe('BROKER_FORBIDDEN')
    expect(key.message).toContain('other:x')
    const inside = await failureOf(client.run(script("return redis.call('SET', KEYS[1], 1)"), KEY, []))
    expect(inside.code).toBe('BROKER_FORBIDDEN')
  })

  test('full memory has its code', async () => {
    const server = await privateServer({ config: { maxmemory: '3mb' } })
    const client = await opened(server.url)
    await failureOf(
      (async () => {
        for (let i = 0; ; i++) await client.command(KEY, 'SET', [`k${i}`, 'x'.repeat(100_000)])
      })(),
    ).then((error) => expect(error).toMatchObject({ code: 'STORE_FULL', retryable: true }))
    await server.cli('CONFIG', 'SET', 'maxmemory', '1mb')
    const inScript = script("return redis.call('SET', KEYS[1], ARGV[1])")
    expect((await failureOf(client.run(inScript, KEY, ['x']))).code).toBe('STORE_FULL')
  })

  test('an eviction policy is refused, and no persistence is a warning in the log too', async () => {
    const evicting = await privateServer({ config: { 'maxmemory-policy': 'allkeys-lru' } })
    expect((await failureOf(make(evicting.url).open())).code).toBe('BROKER_EVICTS')
    const server = await privateServer()
    const lines: string[] = []
    const log = (first: string | LogFields, text?: string): void => void lines.push(text ?? String(first))
    const client = await opened(server.url, { logger: { debug: log, info: log, warn: log, error: log } })
    expect(client.server).toMatchObject({ persistence: 'none' })
    expect(lines.join()).toContain('nothing is written to disk')
    const durable = await privateServer({ config: { appendonly: 'yes', appendfsync: 'always' } })
    const safe = await opened(durable.url)
    expect(safe.server).toMatchObject({
      persistence: 'aof (appendfsync always)',
      appendfsync: 'always',
      warnings: [],
    })
  })

  test('SCRIPT FLUSH and a new server without scripts are survived', async () => {
    const server = await privateServer()
    const client = await opened(server.url)
    await client.run(echo, KEY, ['a'])
    await server.cli('SCRIPT', 'FLUSH')
    expect(await client.run(echo, KEY, ['b'])).toEqual([Buffer.from(KEY), Buffer.from('b'), 5])
    await server.restart()
    await until('it works again', async () => client.run(echo, KEY, ['c']).catch(() => undefined))
  })

  test('a call made while the server is away waits for it, up to its limit', async () => {
    const server = await privateServer()
    const client = await opened(server.url, { reconnectWaitMs: 400 })
    await server.kill()
    const startedAt = now()
    const error = await failureOf(client.run(echo, KEY, ['a']))
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    expect(now() - startedAt).toBeLessThan(1_500)
    const patient = await failureOf(client.command(KEY, 'PING', []))
    expect(patient.code).toBe('BROKER_UNAVAILABLE')
    const restarted = server.restart()
    await until('it works again', async () => client.run(echo, KEY, ['a']).catch(() => undefined))
    await restarted
    expect(client.takeOutageMs()).toBeGreaterThan(300)
    expect(client.takeOutageMs()).toBe(0)
  })

  test('what was under way when the connection ended rejects at once', async () => {
    const server = await privateServer()
    const proxy = await behindProxy(server.port)
    const client = await opened(`redis://127.0.0.1:${proxy.port}`)
    const blocked = failureOf(client.command(KEY, 'BLPOP', ['none', '30']))
    await until('the server has it', async () => (await server.cli('CLIENT', 'LIST')).includes('cmd=blpop'))
    const startedAt = now()
    proxy.cut()
    expect(await blocked).toMatchObject({ code: 'BROKER_UNAVAILABLE', retryable: true })
    expect(now() - startedAt).toBeLessThan(500)
    expect(await client.run(echo, KEY, ['a'])).toBeTruthy()
  })

  test('a connection that nothing comes over is noticed within five seconds, and calls go on', async () => {
    const server = await privateServer()
    const proxy = await behindProxy(server.port)
    const client = await opened(`redis://127.0.0.1:${proxy.port}`)
    const heard: string[] = []
    const stop = await client.subscribe(
      KEY,
      'c',
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    proxy.blackHole()
    const startedAt = now()
    const lost = await failureOf(client.run(echo, KEY, ['a']))
    expect(lost.code).toBe('BROKER_UNAVAILABLE')
    expect(now() - startedAt).toBeLessThan(5_000)
    await until('the listening connection is noticed too', () => proxy.accepted >= 4, { limitMs: 5_000 })
    await proxy.restore()
    await until('it works again', async () => client.run(echo, KEY, ['a']).catch(() => undefined))
    expect(client.takeOutageMs()).toBeGreaterThan(2_500)
    await until('it listens again', () => heard.includes('!'))
    await server.cli('PUBLISH', 'c', 'one')
    await until('it hears', () => heard.includes('one'))
    await stop()
  })

  test('a server that is busy with one long command is not asked again and again', async () => {
    const server = await privateServer()
    const client = await opened(server.url, { silenceMs: 1_000 })
    const before = Number(/total_connections_received:(\d+)/.exec(await server.cli('INFO', 'stats'))?.[1])
    server.pause()
    const lost = await failureOf(client.command(KEY, 'PING', []))
    expect(lost.code).toBe('BROKER_UNAVAILABLE')
    // For as long as a script may take; nothing waits for a condition here.
    await inTime(3_000, new Promise(() => undefined))
    server.resume()
    await until('it works again', async () => client.command(KEY, 'PING', []).catch(() => undefined))
    const after = Number(/total_connections_received:(\d+)/.exec(await server.cli('INFO', 'stats'))?.[1])
    expect(after - before).toBeLessThanOrEqual(4)
    expect(client.takeOutageMs()).toBeGreaterThan(3_500)
  })

  test('is worked with by ioredis 5 too', async () => {
    const server = await privateServer({ config: { requirepass: 'pw' } })
    const proxy = await behindProxy(server.port)
    const url = `redis://:pw@127.0.0.1:${proxy.port}/2`
    const client = createRedisClient(readOptions(url), () => import('ioredis5'))
    cleanups.push(() => client.close())
    await client.open()
    const bytes = Buffer.from([0, 255])
    expect(await client.run(echo, KEY, [bytes])).toEqual([Buffer.from(KEY), bytes, 5])
    await client.command(KEY, 'SET', ['in two', 'x'])
    const heard: string[] = []
    await client.subscribe(
      KEY,
      'c',
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    proxy.cut()
    await until('it listens again', () => heard.includes('!'))
    await client.command(KEY, 'PUBLISH', ['c', 'one'])
    await until('it hears', () => heard.includes('one'))
    expect(String(await client.command(KEY, 'GET', ['in two']))).toBe('x')
  })

  test('over TLS: verified, by a certificate of its own, or not at all where that is asked for', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'offstage-tls-'))
    cleanups.push(() => rmSync(dir, { recursive: true, force: true }))
    const key = join(dir, 'key.pem')
    const cert = join(dir, 'cert.pem')
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', [...made, '-keyout', key, '-out', cert, '-days', '2', ...subject], {
      stdio: 'pipe',
    })
    const port = await freePort()
    const files = { 'tls-cert-file': cert, 'tls-key-file': key, 'tls-ca-cert-file': cert }
    await privateServer({ config: { 'tls-port': port, 'tls-auth-clients': 'no', ...files } })
    const url = `rediss://localhost:${port}`
    const refused = await failureOf(make(url).open())
    expect(refused.code).toBe('BROKER_UNAVAILABLE')
    expect(refused.message).toContain('TLS failed')
    const client = await opened(`${url}?ca=${cert}`)
    expect(await client.run(echo, KEY, ['a'])).toBeTruthy()
    await opened(`rediss://127.0.0.1:${port}?ca=${cert}`)
    await opened(`${url}?rejectUnauthorized=false`)
    const missing = await failureOf(make(`${url}?ca=${dir}/none.pem`).open())
    expect(missing).toMatchObject({ code: 'OPTION_INVALID' })
    const plain = await privateServer()
    const mistaken = await failureOf(make(`rediss://localhost:${plain.port}`).open())
    expect(mistaken).toMatchObject({ code: 'BROKER_UNAVAILABLE', message: expect.stringContaining('TLS') })
  })

  test('over a Unix socket', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'offstage-unix-'))
    cleanups.push(() => rmSync(dir, { recursive: true, force: true }))
    const path = join(dir, 'redis.sock')
    await privateServer({ config: { unixsocket: path } })
    const client = await opened(`redis+unix://${path}`)
    expect(await client.run(echo, KEY, ['a'])).toBeTruthy()
    const none = await failureOf(make(`redis+unix://${path}x`).open())
    expect(none.message).toContain('ENOENT')
  })

  test('what has to be confirmed by replicas is, or is said not to be', async () => {
    const primary = await privateServer({ config: { 'repl-diskless-sync-delay': 0 } })
    const client = await opened(`${primary.url}?wait=1`, { silenceMs: 800 })
    expect(await client.run(echo, KEY, ['a'])).toBeTruthy()
    const set = script("return redis.call('SET', KEYS[1], ARGV[1])")
    const alone = await failureOf(client.run(set, KEY, ['a'], { replicated: true }))
    expect(alone).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    expect(alone.message).toContain('WAIT')
    // It does not hold up what needs no confirmation.
    const waiting = failureOf(client.run(set, KEY, ['b'], { replicated: true }))
    expect(await inTime(200, client.run(echo, KEY, ['a']))).toBeTruthy()
    await waiting
    const replica = await privateServer({ config: { replicaof: `127.0.0.1 ${primary.port}` } })
    await until('the replica is online', async () =>
      (await primary.cli('INFO', 'replication')).includes('state=online'),
    )
    await until('it is confirmed', async () =>
      client.run(set, KEY, ['c'], { replicated: true }).catch(() => undefined),
    )
    expect(await replica.cli('GET', KEY)).toBe('c')
    const old = make(`${primary.url}?waitaof=1,0`)
    if (/^Redis (6|7\.[01])\./.test(client.server.engine))
      expect((await failureOf(old.open())).message).toContain('7.2')
    else await old.open()
  })

  test('replicas are waited for behind what was done, and once for all that was sent together', async () => {
    const server = await privateServer()
    const client = await opened(`${server.url}?wait=1`, { silenceMs: 800 })
    const add = script("return redis.call('INCR', KEYS[1])")
    const fails = (): ReturnType<typeof failureOf> =>
      failureOf(client.run(add, KEY, [], { replicated: true }))
    // The server lacks the script, as one does that has just become the primary.
    expect((await fails()).message).toContain('stored it')
    expect(await server.cli('INFO', 'commandstats')).toContain('cmdstat_wait:calls=1,')
    for (const failure of await Promise.all([fails(), fails(), fails()]))
      expect(failure.message).toContain('stored it')
    expect(await server.cli('GET', KEY)).toBe('4')
    expect(await server.cli('INFO', 'commandstats')).toContain('cmdstat_wait:calls=2,')
  })

  test('its two connections are all there are, and idle ones are used again', async () => {
    const server = await privateServer()
    const client = await opened(server.url)
    const stops = await Promise.all(
      [1, 2, 3].map((i) =>
        client.subscribe(
          KEY,
          `c${i}`,
          () => undefined,
          () => undefined,
        ),
      ),
    )
    await Promise.all(Array.from({ length: 50 }, () => client.run(echo, KEY, ['a'])))
    const list = (await server.cli('CLIENT', 'LIST'))
      .split('\n')
      .filter((line) => !line.includes('cmd=client'))
    expect(list).toHaveLength(2)
    for (const stop of stops) await stop()
  })
})
