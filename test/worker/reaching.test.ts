// The ways by which threads reach each broker: what crosses, what works there, and what cannot cross.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { isReachable, type Reopen, type Way } from '../../src/broker/reaching.ts'
import { memory } from '../../src/brokers/memory/memory.ts'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { redis } from '../../src/brokers/redis/redis.ts'
import { sqlite } from '../../src/brokers/sqlite/sqlite.ts'
import { spec } from '../../src/laws/factories.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import { freshSchema } from '../support/postgres-tests.ts'
import { postgresMissing, postgresUrl, redisMissing, redisUrl } from '../support/servers.ts'

const fresh = `reaching-${randomUUID()}`
const noPostgres = await postgresMissing()

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-reaching-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'jobs.db')
}

function wayTo(broker: Broker): Way | string {
  if (!isReachable(broker)) return 'it cannot be reached'
  return broker.reach()
}

/** As in a thread, but for the thread. */
async function reopened(broker: Broker, gone: () => void = () => undefined): Promise<Broker> {
  const way = wayTo(broker)
  if (typeof way === 'string') throw new Error(way)
  const { module, data, transfer = [] } = way
  const { reopen } = (await import(module)) as { readonly reopen: Reopen }
  const there = await reopen(structuredClone(data, { transfer: [...transfer] }) as never, silentLogger, gone)
  onTestFinished(() => there.close())
  await there.open()
  return there
}

async function opened<B extends Broker>(broker: B): Promise<B> {
  onTestFinished(() => broker.close())
  await broker.open()
  return broker
}

const brokers: readonly (readonly [name: string, missing: string | undefined, make: () => Broker])[] = [
  ['SQLite', undefined, () => sqlite({ file: file() })],
  ['SQLite in memory', undefined, () => sqlite({ file: ':memory:' })],
  ['Redis', redisMissing(), () => redis(`${redisUrl()}/0?prefix=${fresh}:`)],
  ['Redis in shards', redisMissing(), () => redis(`${redisUrl()}/0?prefix=${fresh}s:&shards=2`)],
  ['PostgreSQL', noPostgres, () => postgres(`${postgresUrl}?schema=${freshSchema()}`)],
]

describe.each(brokers)('%s', (_, missing, make) => {
  test('is reached from elsewhere, over a connection that ends without it', async ({ skip }) => {
    if (missing !== undefined) skip(missing)
    const here = await opened(make())
    const there = await reopened(here)
    const job = spec({ queue: 'mail' })
    await here.enqueue([[job]])
    const request = {
      queues: ['mail'],
      max: 1,
      leaseMs: 5_000,
      worker: 'w',
      starting: 1,
      suspects: 1,
    } as const
    const reserved = await here.reserve(request)
    const { id, token } = reserved.jobs[0] ?? { id: '', token: 0 }
    expect(id).toBe(job.id)
    expect(await there.extend([{ id, token, started: true }], 60_000)).toEqual(['ok'])
    await there.maintain()
    await there.beat(
      {
        id: 'w',
        host: 'h',
        pid: 1,
        queues: ['mail'],
        tasks: [],
        concurrency: 1,
        active: 0,
        startedAt: 0,
        state: 'running',
      },
      60_000,
    )
    expect(await here.workers()).toMatchObject([{ id: 'w' }])
    const { answers } = await there.settle({ outcomes: [{ kind: 'released', id, token }] })
    expect(answers).toEqual(['ok'])
    await there.close()
    expect((await here.reserve(request)).jobs.map(({ id }) => id)).toEqual([job.id])
    await here.leave('w')
  })
})

test('the way to SQLite ends with its thread, and whoever uses it hears of that', async () => {
  const here = sqlite({ file: file() })
  await here.open()
  let heard: () => void = () => undefined
  const gone = new Promise<void>((resolve) => {
    heard = resolve
  })
  const there = await reopened(here, heard)
  await here.close()
  await gone
  await expect(there.maintain()).rejects.toMatchObject({ code: 'STORE_FAILED' })
})

describe('there is no way, and the reason is said', () => {
  test('to the memory broker, and to one that was given a clock', () => {
    const clock = new ManualClock()
    expect(wayTo(memory())).toBe('it cannot be reached')
    for (const broker of [redis({ clock }), postgres({ clock })]) expect(wayTo(broker)).toContain('a clock')
    expect(wayTo(sqlite({ file: ':memory:' }))).toContain('not open')
  })

  test('through clients and pools that were handed in, and options that are functions', async () => {
    const client = new Redis({ lazyConnect: true })
    const pool = new Pool()
    onTestFinished(() => pool.end())
    expect(wayTo(redis({ client }))).toContain('a client that was handed in')
    expect(wayTo(postgres({ pool }))).toContain('a pool that was handed in')
    expect(wayTo(postgres({ password: () => 'secret' }))).toContain('functions among the options')
    expect(wayTo(redis({ tls: { checkServerIdentity: () => undefined } }))).toContain('functions')
  })
})
