// Many jobs: finished ones leave nothing behind after their time, and listings of all kinds hold the server for a moment
// only. With OFFSTAGE_SCALE=1000000 it is a million; what is measured is printed, since machines differ.
import { afterAll, beforeAll, expect } from 'vitest'
import type { Broker, ListRequest } from '../../src/broker/contract.ts'
import { createRedisClient, type RedisClient } from '../../src/brokers/redis/client/client.ts'
import { readOptions } from '../../src/brokers/redis/options.ts'
import { redis } from '../../src/brokers/redis/redis.ts'
import { request, spec, succeeded } from '../../src/laws/factories.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisTest } from '../support/redis-tests.ts'

const MANY = Number(process.env.OFFSTAGE_SCALE ?? 20_000)
const LIMIT_MS = 30_000 + MANY / 2
const BATCH = 1_000

let server: RedisServer
let client: RedisClient
beforeAll(async () => {
  server = await startRedis({ config: { 'slowlog-log-slower-than': 0, 'slowlog-max-len': 100_000 } })
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

/** The longest that one command held the server since the last reset, in ms. */
async function longestMs(): Promise<number> {
  const log = (await client.command('', 'SLOWLOG', ['GET', '-1'])) as [number, number, number, Buffer[]][]
  return (
    Math.max(0, ...log.filter(([, , , args]) => /^eval/i.test(String(args[0]))).map(([, , us]) => us)) / 1_000
  )
}

async function drain(broker: Broker): Promise<void> {
  const next = request({ max: BATCH })
  for (let { jobs } = await broker.reserve(next); jobs.length > 0; ) {
    const settled = await broker.settle({ outcomes: jobs.map((job) => succeeded(job)), next })
    jobs = settled.next?.jobs ?? []
  }
}

redisTest(`${MANY} finished jobs leave nothing behind after their time`, { timeout: LIMIT_MS }, async () => {
  const broker = await opened('ends')
  const retention = { succeededMs: 1, failedMs: 1, cancelledMs: 1 }
  for (let from = 0; from < MANY; from += BATCH)
    await broker.enqueue([
      Array.from({ length: BATCH }, (_, i) =>
        i % 50 === 0
          ? spec({ retention, partition: `p${i}`, search: { n: `${from + i}` }, priority: i % 10 })
          : spec({ retention }),
      ),
    ])
  await drain(broker)
  await client.command('', 'SLOWLOG', ['RESET'])
  while ((await broker.maintain()).more);
  console.log(`upkeep that prunes held the server ${await longestMs()} ms at the most`)
  const left = (await client.command('', 'KEYS', ['ends:*'])) as Buffer[]
  const named = left.map((key) => key.toString().replace('ends:{default}:', '')).sort()
  // What the five minutes of tombstones, the day of counters and the waiting process leave goes by itself.
  expect(named.filter((name) => !/^(tomb|minute|waiters):/.test(name))).toEqual(['kinds', 'meta', 'queues'])
  await broker.close()
})

redisTest(`pages through ${MANY} jobs hold the server for a moment`, { timeout: LIMIT_MS }, async () => {
  const broker = await opened('lists')
  for (let from = 0; from < MANY; from += BATCH)
    await broker.enqueue([
      Array.from({ length: BATCH }, (_, i) =>
        spec({
          task: `task-${i % 20}`,
          queue: i % 2 === 0 ? 'line' : 'other',
          ...(i % 100 === 0 ? { tags: ['rare'], search: { to: `ada-${i % 7}` } } : {}),
        }),
      ),
    ])
  for (let i = 0; i < 10; i += 1) {
    const { jobs } = await broker.reserve(request({ max: BATCH, queues: ['line'] }))
    await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
  }
  const { now } = await broker.health()
  const questions: { readonly [what: string]: ListRequest } = {
    'by nothing': {},
    'by state': { states: ['ready'] },
    'by a rare state': { states: ['succeeded'] },
    'by task': { task: 'task-7' },
    'by queue and state': { queue: 'other', states: ['ready'] },
    'by time': { createdFrom: now - 60_000, createdTo: now },
    'the oldest': { order: 'oldest' },
    'by a search field': { search: { to: 'ada-3' } },
    'by a tag, which is no index': { tag: 'rare' },
  }
  for (const [what, question] of Object.entries(questions)) {
    await client.command('', 'SLOWLOG', ['RESET'])
    let cursor: string | undefined
    let rows = 0
    let pages = 0
    do {
      const page = await broker.list({ ...question, limit: 1_000, cursor })
      rows += page.jobs.length
      cursor = page.cursor
      pages += 1
    } while (cursor !== undefined && pages < 20)
    console.log(
      `${what}: ${rows} rows in ${pages} pages, the server held ${await longestMs()} ms at the most`,
    )
    expect(rows).toBeGreaterThan(0)
  }
  await broker.close()
})
