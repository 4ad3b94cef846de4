// Clusters and sentinels, with real failovers and a slot that moves: calls and subscriptions find their way.
import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { createRedisClient, type RedisClient, type Script } from '../../src/brokers/redis/client/client.ts'
import { slotOf } from '../../src/brokers/redis/client/slot.ts'
import { type RedisOptions, readOptions } from '../../src/brokers/redis/options.ts'
import { parseUrl } from '../../src/brokers/redis/url.ts'
import { now, until } from '../faults/time.ts'
import { type RedisServer, startCluster, startRedis, startSentinel } from '../support/redis-server.ts'
import { redisServerMissing } from '../support/servers.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

function script(text: string): Script {
  return { name: 'test', text, sha: createHash('sha1').update(text).digest('hex') }
}

const write = script("return redis.call('SET', KEYS[1], ARGV[1])")
const read = script("return redis.call('GET', KEYS[1])")

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

const KEYS = ['offstage:{a}:', 'offstage:{b}:', 'offstage:{c}:', 'offstage:{d}:', 'offstage:{e}:']

describe.skipIf(redisServerMissing())('a cluster', () => {
  test('keys go to the nodes of their slots, over two connections each', async () => {
    const cluster = await startCluster()
    cleanups.push(() => cluster.stop())
    const client = await opened(cluster.url)
    expect(client.server).toMatchObject({ mode: 'cluster', role: 'primary' })
    for (const key of KEYS) {
      await client.run(write, key, [key])
      expect(await client.run(read, key, [])).toEqual(Buffer.from(key))
      await client.subscribe(
        key,
        `${key}c`,
        () => undefined,
        () => undefined,
      )
    }
    for (const node of cluster.nodes) {
      const mine = (await node.cli('CLIENT', 'LIST'))
        .split('\n')
        .filter((line) => !line.includes('cmd=client'))
      expect(mine.length).toBeLessThanOrEqual(2)
    }
    for (const key of KEYS)
      expect(await cluster.nodes[0]?.cli('CLUSTER', 'KEYSLOT', key)).toBe(String(slotOf(key)))
  })

  test('a slot that moves, with its keys, is followed by calls and by subscriptions', async () => {
    const cluster = await startCluster()
    cleanups.push(() => cluster.stop())
    const client = await opened(cluster.url)
    const key = 'offstage:{a}:'
    await client.run(write, key, ['before'])
    const heard: string[] = []
    await client.subscribe(
      key,
      'c',
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    const slot = slotOf(key)
    const from = await ownerOf(cluster.nodes, key)
    const to = cluster.nodes.find((node) => node !== from) as RedisServer
    const [fromId, toId] = [await from.cli('CLUSTER', 'MYID'), await to.cli('CLUSTER', 'MYID')]
    await to.cli('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', fromId)
    await from.cli('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', toId)
    await from.cli('MIGRATE', '127.0.0.1', String(to.port), key, '0', '5000')
    // The slot is between the two: the first says ASK.
    expect(await client.run(read, key, [])).toEqual(Buffer.from('before'))
    for (const node of [to, from, ...cluster.nodes])
      await node.cli('CLUSTER', 'SETSLOT', String(slot), 'NODE', toId)
    await client.run(write, key, ['after'])
    expect(await to.cli('GET', key)).toBe('after')
    await until('the subscription has moved', () => heard.includes('!'))
    await to.cli('PUBLISH', 'c', 'one')
    await until('it hears', () => heard.includes('one'))
  })

  test('a cluster given as one server, and one server given as a cluster, are told', async () => {
    const [cluster, single] = await Promise.all([startCluster(), startRedis()])
    cleanups.push(
      () => cluster.stop(),
      () => single.stop(),
    )
    await expect(make(cluster.nodes[0]?.url ?? '').open()).rejects.toMatchObject({
      code: 'BROKER_IS_CLUSTER',
    })
    await expect(make(`redis+cluster://127.0.0.1:${single.port}`).open()).rejects.toMatchObject({
      code: 'BROKER_NOT_CLUSTER',
    })
    await expect(make('redis+cluster://127.0.0.1:1').open()).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    })
  })

  test('a node that froze holds up nobody else, and is used again when it wakes', async () => {
    const cluster = await startCluster()
    cleanups.push(() => cluster.stop())
    for (const node of cluster.nodes) await node.cli('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    const client = await opened(cluster.url)
    for (const key of KEYS) await client.run(write, key, ['before'])
    const frozen = await ownerOf(cluster.nodes, 'offstage:{a}:')
    const other = await keyNotOn(frozen, cluster.nodes)
    frozen.pause()
    const lost = client.run(write, 'offstage:{a}:', ['after']).catch((error: unknown) => error)
    const startedAt = now()
    for (let i = 0; i < 20; i++) await client.run(write, other, [`${i}`])
    expect(now() - startedAt).toBeLessThan(2_000)
    expect(await lost).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    frozen.resume()
    await until('it works again', async () =>
      client.run(write, 'offstage:{a}:', ['after']).catch(() => undefined),
    )
    expect(client.takeOutageMs()).toBeGreaterThan(2_500)
  })

  test('a primary that dies is replaced by its replica', async () => {
    const cluster = await startCluster()
    cleanups.push(() => cluster.stop())
    const key = 'offstage:{a}:'
    const owner = await ownerOf(cluster.nodes, key)
    const config = {
      'cluster-enabled': 'yes',
      'cluster-node-timeout': 1_000,
      'cluster-config-file': 'nodes',
      'repl-diskless-sync-delay': 0,
    }
    const replica = await startRedis({ config })
    cleanups.push(() => replica.stop())
    const id = await owner.cli('CLUSTER', 'MYID')
    await replica.cli('CLUSTER', 'MEET', '127.0.0.1', String(owner.port))
    await until('the replica knows its primary', async () =>
      (await replica.cli('CLUSTER', 'NODES')).includes(id),
    )
    await replica.cli('CLUSTER', 'REPLICATE', id)
    await until('the replica is online', async () =>
      (await owner.cli('INFO', 'replication')).includes('state=online'),
    )
    await until('all know of the replica', async () => {
      const known = await Promise.all(cluster.nodes.map((node) => node.cli('CLUSTER', 'NODES')))
      return known.every((nodes) => nodes.includes(`:${replica.port}`) && nodes.includes('slave'))
    })
    const client = await opened(cluster.url)
    const heard: string[] = []
    await client.subscribe(
      key,
      'c',
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    await client.run(write, key, ['before'])
    await until(
      'the replica has it',
      async () =>
        /slave_repl_offset:(\d+)/.exec(await replica.cli('INFO', 'replication'))?.[1] ===
        /master_repl_offset:(\d+)/.exec(await owner.cli('INFO', 'replication'))?.[1],
    )
    await owner.kill()
    await until('the other one works', async () => client.run(write, key, ['after']).catch(() => undefined))
    expect(await replica.cli('GET', key)).toBe('after')
    await until('the subscription has moved', () => heard.includes('!'))
    await replica.cli('PUBLISH', 'c', 'one')
    await until('it hears', () => heard.includes('one'))
  })
})

describe.skipIf(redisServerMissing())('sentinels', () => {
  test('a name that nobody watches is told', async () => {
    const set = await startSentinel()
    cleanups.push(() => set.stop())
    await expect(make(set.url.replace(/\/jobs$/, '/nothing')).open()).rejects.toMatchObject({
      code: 'BROKER_MASTER_UNKNOWN',
      message: expect.stringContaining('nothing'),
    })
    await expect(make('redis+sentinel://127.0.0.1:1/jobs').open()).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    await expect(make(set.replica.url).open()).rejects.toMatchObject({ code: 'BROKER_IS_REPLICA' })
  })

  test('that ask for a password get that of the servers', async () => {
    const set = await startSentinel()
    cleanups.push(() => set.stop())
    for (const server of [set.primary, set.replica])
      await server.cli('ACL', 'SETUSER', 'anna', 'on', '>planted-secret', '~*', '&*', '+@all')
    for (const sentinel of set.sentinels) {
      await sentinel.cli('ACL', 'SETUSER', 'anna', 'on', '>planted-secret', '+@all', '&*')
      await sentinel.cli('ACL', 'SETUSER', 'default', 'off')
    }
    const refused = await make(set.url)
      .open()
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'BROKER_AUTH' })
    const wrong = await make(set.url.replace('//', '//anna:planted-wrong@'))
      .open()
      .catch((error: unknown) => error)
    expect(wrong).toMatchObject({ code: 'BROKER_AUTH' })
    expect(inspect(wrong, { depth: 9, showHidden: true })).not.toContain('planted')
    const client = await opened(set.url.replace('//', '//anna:planted-secret@'))
    await client.run(write, 'k', ['x'])
  })

  test('a primary that dies is left for the one that takes over', async () => {
    const set = await startSentinel()
    cleanups.push(() => set.stop())
    const client = await opened(set.url)
    expect(client.server).toMatchObject({ mode: 'sentinel', role: 'primary', replicas: 1 })
    const heard: string[] = []
    await client.subscribe(
      'k',
      'c',
      (message) => heard.push(message.toString()),
      () => heard.push('!'),
    )
    await client.run(write, 'k', ['before'])
    await set.primary.kill()
    await until('the other one works', async () => client.run(write, 'k', ['after']).catch(() => undefined))
    expect(await set.replica.cli('GET', 'k')).toBe('after')
    expect(client.takeOutageMs()).toBeGreaterThan(500)
    await until('it listens again', () => heard.includes('!'))
    await set.replica.cli('PUBLISH', 'c', 'one')
    await until('it hears', () => heard.includes('one'))
  })

  test('a primary that is demoted while it lives is left within three seconds', async () => {
    const set = await startSentinel()
    cleanups.push(() => set.stop())
    const client = await opened(set.url)
    await client.run(write, 'k', ['before'])
    await set.sentinels[0]?.cli('SENTINEL', 'FAILOVER', set.name)
    await until('the replica is the primary', async () =>
      (await set.replica.cli('ROLE')).startsWith('master'),
    )
    const startedAt = now()
    await until('its writes go there', async () => {
      await client.run(write, 'k', ['after']).catch(() => undefined)
      return (await set.replica.cli('GET', 'k')) === 'after'
    })
    expect(now() - startedAt).toBeLessThan(3_000)
  })

  test('a primary that froze and wakes up demoted is not written to by who slept too', async () => {
    const set = await startSentinel()
    cleanups.push(() => set.stop())
    const client = await opened(set.url)
    await client.run(write, 'k', ['before'])
    set.primary.pause()
    await until('the sentinels name the other one', async () => {
      const named = await Promise.all(
        set.sentinels.map((one) => one.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', set.name)),
      )
      return named.every((answer) => answer.includes(String(set.replica.port)))
    })
    set.primary.resume()
    // Nothing was asked meanwhile, so that only the word of the sentinels can have told.
    await until('the write is taken', async () => client.run(write, 'k', ['after']).catch(() => undefined))
    expect(await set.replica.cli('GET', 'k')).toBe('after')
  })
})

async function ownerOf(nodes: readonly RedisServer[], key: string): Promise<RedisServer> {
  const slot = slotOf(key)
  for (const node of nodes) {
    const mine =
      (await node.cli('CLUSTER', 'NODES')).split('\n').find((line) => line.includes('myself')) ?? ''
    const ranges = [...mine.matchAll(/ (\d+)-(\d+)/g)]
    if (ranges.some(([, from, to]) => slot >= Number(from) && slot <= Number(to))) return node
  }
  throw new Error(`no node owns the slot ${slot}`)
}

async function keyNotOn(node: RedisServer, nodes: readonly RedisServer[]): Promise<string> {
  for (const key of KEYS) if ((await ownerOf(nodes, key)) !== node) return key
  throw new Error('all keys are on one node')
}
