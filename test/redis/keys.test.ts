// The table of keys in the docs is what the store holds: each key that busy work leaves has its row, with its type.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { createRedisClient, type RedisClient } from '../../src/brokers/redis/client/client.ts'
import { readOptions } from '../../src/brokers/redis/options.ts'
import { redis } from '../../src/brokers/redis/redis.ts'
import { json, request, retry, spec, specs, succeeded, unique } from '../../src/laws/factories.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisTest } from '../support/redis-tests.ts'

let server: RedisServer
let client: RedisClient
let broker: Broker
beforeAll(async () => {
  server = await startRedis()
  client = createRedisClient(readOptions(server.url))
  broker = redis(server.url)
  await client.open()
  await broker.open()
})
afterAll(async () => {
  await broker.close()
  await client.close()
  await server.stop()
})

interface Row {
  readonly name: RegExp
  readonly types: readonly string[]
}

/** The rows of the table; where a row has as many types as keys, each key has its own. */
function table(): Row[] {
  const page = readFileSync(new URL('../../docs/brokers/redis.md', import.meta.url), 'utf8')
  return [...page.matchAll(/^\| (`.+?`.*?) \| ([a-z, ]+?) \|/gm)].flatMap(([, names = '', types = '']) => {
    const keys = [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    const kinds = types.split(/, | or /)
    return keys.map((key, i) => ({
      name: new RegExp(`^${key.replace(/…$/, '').replace(/<\w+>/g, '[^]+')}${key.endsWith('…') ? '' : '$'}`),
      types: kinds.length === keys.length ? [kinds[i] ?? ''] : kinds,
    }))
  })
}

async function work(): Promise<void> {
  const rate = { count: 2, perMs: 60_000 }
  await broker.limit([
    { scope: { kind: 'task', task: 'limited' }, source: 'declared', limit: { concurrency: 1, rate } },
    { scope: { kind: 'partition', queue: 'line' }, source: 'set', limit: { concurrency: 1 } },
  ])
  await broker.enqueue([
    specs(4, 'job'),
    specs(4, 'limited', { task: 'limited' }),
    specs(4, 'part', { partition: 'p' }),
    [spec({ id: 'first', priority: 9, unique: unique('k'), search: { to: 'ada' } })],
    [spec({ id: 'then', after: [{ id: 'first', when: 'ended' }] })],
    [spec({ id: 'later', delayMs: 60_000, expiresInMs: 90_000 })],
    [spec({ id: 'staged', staged: true, workflow: 'w' })],
    [spec({ id: 'gone', retention: { succeededMs: 0, failedMs: 0, cancelledMs: 0 }, priority: 8 })],
    [spec({ id: 'kept', retention: { succeededMs: 9e6, failedMs: 0, cancelledMs: 0 }, priority: 7 })],
  ])
  await broker.cancel({ ids: ['job-3'] })
  const { jobs } = await broker.reserve(request({ max: 6 }))
  const [first, ...others] = jobs
  if (first === undefined) throw new Error('nothing was claimed')
  const lease = { id: first.id, token: first.token }
  await broker.write([
    { ...lease, kind: 'log', level: 'info', text: 'x' },
    { ...lease, kind: 'step', name: 's', value: json(1) },
  ])
  await broker.settle({ outcomes: others.map((job, i) => (i === 0 ? retry(job, 60_000) : succeeded(job))) })
  await broker.beat(
    {
      id: 'w',
      host: 'h',
      pid: 1,
      queues: [],
      tasks: [],
      concurrency: 1,
      active: 0,
      startedAt: 0,
      state: 'running',
    },
    60_000,
  )
  const job = { ...spec(), id: undefined }
  await broker.putSchedule({ id: 's', rule: {}, job, nextAt: 9e12, paused: false })
  await broker.reserve(request({ queues: ['empty'], max: 9 }))
  await broker.maintain()
}

redisTest('every key that work leaves has its row in the docs', async () => {
  await work()
  const rows = table()
  const found = (await client.command('', 'KEYS', ['*'])) as Buffer[]
  const unknown: string[] = []
  for (const key of found) {
    const name = key.toString('latin1').replace('offstage:{default}:', '')
    const type = String(await client.command('', 'TYPE', [key]))
    if (!rows.some((row) => row.name.test(name) && row.types.includes(type))) unknown.push(`${name}: ${type}`)
  }
  expect(unknown).toEqual([])
  expect(found.length).toBeGreaterThan(30)
})

redisTest('another key in our place is named, and left as it is', async () => {
  const taken = redis(`${server.url}?prefix=taken:`)
  const key = 'taken:{default}:jobs'
  await client.command(key, 'SET', [key, 'mine'])
  await expect(taken.open()).rejects.toMatchObject({
    code: 'STORE_KEY_TAKEN',
    message: expect.stringContaining(key),
  })
  await client.command(key, 'DEL', [key])
  await taken.open()
  const lane = 'taken:{default}:line:line\n\n\n'
  await client.command(lane, 'SET', [lane, 'mine'])
  const enqueued = taken.enqueue([[spec({ id: 'job' })]])
  await expect(enqueued).rejects.toMatchObject({
    code: 'STORE_KEY_TAKEN',
    message: expect.stringContaining(JSON.stringify(lane).slice(1, -1)),
  })
  expect(String(await client.command(lane, 'GET', [lane]))).toBe('mine')
  expect(await taken.get(['job'])).toEqual([undefined])
  await taken.close()
})

redisTest('a namespace is opened with the number of shards that it has', async () => {
  const open = async (
    shards: number,
    act = async (_: Broker): Promise<unknown> => undefined,
  ): Promise<void> => {
    const spread = redis(`${server.url}?prefix=spread:&shards=${shards}`)
    await spread.open()
    await act(spread)
    await spread.close()
  }
  await open(2, (broker) => broker.list({}))
  expect(await client.command('', 'KEYS', ['spread:*'])).toEqual([])
  await open(4, (broker) => broker.enqueue(specs(40, 'job').map((job) => [job])))
  await open(4)
  for (const shards of [1, 2, 8])
    await expect(open(shards)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      details: { path: 'shards' },
      message: expect.stringContaining('made with shards=4'),
    })
  await open(4)
  const one = redis(`${server.url}?prefix=whole:`)
  await one.open()
  await one.enqueue([[spec({ id: 'job' })]])
  const spread = redis(`${server.url}?prefix=whole:&shards=4`)
  await expect(spread.open()).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: expect.stringContaining('made with shards=1'),
  })
  await Promise.all([one.close(), spread.close()])
})
