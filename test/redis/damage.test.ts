// Values that somebody has damaged: they end as dead letters, and nothing else is held up by them.
import { afterAll, beforeAll, expect } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { createRedisClient, type RedisClient } from '../../src/brokers/redis/client/client.ts'
import { readOptions } from '../../src/brokers/redis/options.ts'
import { redis } from '../../src/brokers/redis/redis.ts'
import { request, spec, succeeded } from '../../src/laws/factories.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisTest } from '../support/redis-tests.ts'

let server: RedisServer
let client: RedisClient
beforeAll(async () => {
  server = await startRedis()
  client = createRedisClient(readOptions(server.url))
  await client.open()
})
afterAll(async () => {
  await client.close()
  await server.stop()
})

async function opened(prefix: string): Promise<Broker> {
  const broker = redis(`${server.url}?prefix=${prefix}:`)
  await broker.open()
  return broker
}

async function damage(
  prefix: string,
  hash: string,
  id: string,
  change: (bytes: Buffer) => void,
): Promise<void> {
  const key = `${prefix}:{default}:${hash}`
  const bytes = (await client.command('', 'HGET', [key, id])) as Buffer
  change(bytes)
  await client.command('', 'HSET', [key, id, bytes])
}

redisTest('a job whose dependency is damaged ends like any other', async () => {
  const broker = await opened('needed')
  await broker.enqueue([[spec({ id: 'a' })], [spec({ id: 'b', after: [{ id: 'a', when: 'succeeded' }] })]])
  const { jobs: first } = await broker.reserve(request())
  await broker.settle({ outcomes: first.map((job) => succeeded(job)) })
  const { jobs } = await broker.reserve(request())
  await client.command('', 'HSET', ['needed:{default}:jobs', 'a', 'damaged'])
  expect((await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })).answers).toEqual(['ok'])
  await broker.close()
})

redisTest('links that cannot be read are told at the claim, and do not stop upkeep', async () => {
  const broker = await opened('links')
  const search = { to: 'ada' }
  await broker.enqueue([[spec({ id: 'one', search })], [spec({ id: 'two', search })], [spec({ id: 'good' })]])
  const { jobs } = await broker.reserve(request({ max: 2, leaseMs: 1 }))
  expect(jobs.map(({ id }) => id)).toEqual(['one', 'two'])
  // A length within the links, which begin behind the head and a length of four bytes.
  for (const id of ['one', 'two'])
    await damage('links', 'jobs', id, (bytes) => bytes.writeUInt16BE(60_000, 20 + 4 + 2))
  const ends = async (): Promise<unknown> => {
    await broker.maintain()
    return (await broker.get(['one', 'two'])).map((record) => [record?.state, record?.reason])
  }
  await expect.poll(ends).toEqual([
    ['failed', 'unreadable'],
    ['failed', 'unreadable'],
  ])
  const { jobs: others } = await broker.reserve(request({ max: 9 }))
  expect(others.map(({ id }) => id)).toEqual(['good'])
  await broker.close()
})

redisTest('a state that there is not is damage', async () => {
  const broker = await opened('state')
  await broker.enqueue([[spec({ id: 'bad', priority: 7 })], [spec({ id: 'good' })]])
  await broker.reserve(request({ max: 1 }))
  await damage('state', 'live', 'bad', (bytes) => bytes.writeUInt8(99, 0))
  await client.command('', 'ZADD', ['state:{default}:leases', '1', 'bad'])
  await broker.maintain()
  expect((await broker.get(['bad']))[0]?.state).toBe('failed')
  await broker.close()
})

redisTest('nothing is left of a list of those who wait when all of them were cancelled', async () => {
  const broker = await opened('gone')
  await broker.enqueue([[spec({ id: 'a' })], [spec({ id: 'b', after: [{ id: 'a', when: 'ended' }] })]])
  await broker.cancel({ ids: ['b'] })
  expect(await client.command('', 'EXISTS', ['gone:{default}:deps:a', 'gone:{default}:needs'])).toBe(0)
  const { jobs } = await broker.reserve(request())
  await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
  await broker.close()
})

redisTest(
  'a record of which bytes are missing is shown as far as it goes, and the others beside it',
  async () => {
    const broker = await opened('shown')
    await broker.enqueue([[spec({ id: 'bad', priority: 7 })], [spec({ id: 'good' })]])
    const { jobs } = await broker.reserve(request({ max: 1 }))
    await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
    const key = 'shown:{default}:live'
    const bytes = (await client.command('', 'HGET', [key, 'bad'])) as Buffer
    for (const length of [0, 1, 20, bytes.length - 1]) {
      await client.command('', 'HSET', [key, 'bad', bytes.subarray(0, length)])
      const shown = (await broker.get(['bad', 'good'])).map((record) => record?.id)
      expect(shown).toEqual(['bad', 'good'])
      expect((await broker.list({ states: ['ready'] })).jobs.map(({ id }) => id)).toContain('good')
    }
    await broker.close()
  },
)

redisTest('an active job whose record is damaged is shown too', async () => {
  const broker = await opened('active')
  await broker.enqueue([[spec({ id: 'bad' })]])
  await broker.reserve(request({ max: 1 }))
  await client.command('', 'HSET', ['active:{default}:jobs', 'bad', 'damaged'])
  expect((await broker.get(['bad']))[0]).toMatchObject({ state: 'active', lease: { until: 0 } })
  await broker.close()
})

redisTest('an active job whose record is damaged is not counted as active for ever', async () => {
  const broker = await opened('counted')
  await broker.enqueue([[spec({ id: 'bad' })]])
  await broker.reserve(request({ max: 1, leaseMs: 1 }))
  await client.command('', 'HSET', ['counted:{default}:jobs', 'bad', 'damaged'])
  const active = async (): Promise<unknown> => {
    await broker.maintain()
    const queues = await broker.queues()
    return [queues.map(({ counts }) => counts.active), (await broker.get(['bad']))[0]?.state]
  }
  await expect.poll(active).toEqual([[0, 0], 'failed'])
  await broker.close()
})
