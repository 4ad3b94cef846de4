// Many jobs: pages of all kinds take a moment, and steering by query does. With OFFSTAGE_SCALE=1000000 it is a million;
// what is measured is printed, since machines differ.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Broker, ListRequest } from '../../src/broker/contract.ts'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { request, spec, succeeded } from '../../src/laws/factories.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { hasPostgresServer } from '../support/postgres-tests.ts'

const MANY = Number(process.env.OFFSTAGE_SCALE ?? 20_000)
const LIMIT_MS = 60_000 + MANY / 2
const BATCH = 1_000
const PAGES = 10

if (hasPostgresServer()) {
  let server: PostgresServer
  let broker: Broker
  beforeAll(async () => {
    server = await startPostgres()
    broker = postgres(`${server.url}?schema=scale`)
    await broker.open()
    await fill(broker)
  }, LIMIT_MS)
  afterAll(async () => {
    await broker.close()
    await server.stop()
  })

  test(`pages through ${MANY} jobs take a moment`, { timeout: LIMIT_MS }, async () => {
    const { now } = await broker.health()
    const questions: { readonly [what: string]: ListRequest } = {
      'by nothing': {},
      'the oldest': { order: 'oldest' },
      'by state': { states: ['ready'] },
      'by several states': { states: ['ready', 'active', 'failed'] },
      'by a rare state': { states: ['succeeded'] },
      'by task': { task: 'task-7' },
      'by queue': { queue: 'line' },
      'by queue and state': { queue: 'other', states: ['ready'] },
      'by queue and a rare state, the oldest': { queue: 'line', states: ['succeeded'], order: 'oldest' },
      'by time': { createdFrom: now - 60_000, createdTo: now },
      'by a search field': { search: { to: 'ada-3' } },
      'by two search fields': { search: { to: 'ada-3', of: 'all' } },
      'by workflow': { workflow: 'flow' },
      'by a tag, which is no index': { tag: 'rare' },
    }
    for (const [what, question] of Object.entries(questions)) {
      const small = await pages(broker, { ...question, limit: 50 })
      const large = await pages(broker, { ...question, limit: 1_000 })
      console.log(
        `${what}: ${small.rows} rows in pages of 50, ${small.longestMs} ms at the most; ${large.rows} in pages of 1,000, ${large.longestMs} ms`,
      )
      expect(large.rows).toBeGreaterThan(0)
    }
  })

  test(`steering some of ${MANY} jobs takes a moment`, { timeout: LIMIT_MS }, async () => {
    const startedAt = systemClock.monotonic()
    const { done } = await broker.cancel({ query: { task: 'task-7' }, limit: 500 })
    const cancelledAt = systemClock.monotonic()
    const again = await broker.retry({ query: { task: 'task-7' }, limit: 500 })
    const retriedAt = systemClock.monotonic()
    const ms = [cancelledAt - startedAt, retriedAt - cancelledAt].map(Math.round)
    console.log(`500 cancelled in ${ms[0]} ms, and run again in ${ms[1]} ms`)
    expect([done.length, again.done.length]).toEqual([500, 500])
  })
}

async function fill(broker: Broker): Promise<void> {
  for (let from = 0; from < MANY; from += BATCH)
    await broker.enqueue([
      Array.from({ length: BATCH }, (_, i) =>
        spec({
          task: `task-${i % 20}`,
          queue: i % 2 === 0 ? 'line' : 'other',
          ...(i % 100 === 0 ? { tags: ['rare'], search: { to: `ada-${i % 7}`, of: 'all' } } : {}),
          ...(i % 100 === 1 ? { workflow: 'flow' } : {}),
        }),
      ),
    ])
  for (let i = 0; i < 10; i += 1) {
    const { jobs } = await broker.reserve(request({ max: BATCH, queues: ['line'] }))
    await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
  }
}

async function pages(broker: Broker, question: ListRequest): Promise<{ rows: number; longestMs: number }> {
  let cursor: string | undefined
  let rows = 0
  let longest = 0
  for (let page = 0; page < PAGES && (page === 0 || cursor !== undefined); page += 1) {
    const startedAt = systemClock.monotonic()
    const { jobs, cursor: next } = await broker.list({ ...question, cursor })
    longest = Math.max(longest, systemClock.monotonic() - startedAt)
    rows += jobs.length
    cursor = next
  }
  return { rows, longestMs: Math.round(longest) }
}
