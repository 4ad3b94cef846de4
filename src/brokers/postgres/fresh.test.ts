// A table that has just been filled, of which the server has no statistics yet: what a step reads must not grow with what
// waits, whatever the planner believes. Counted by the server itself.
import { expect, onTestFinished } from 'vitest'
import { until } from '../../../test/faults/time.ts'
import { startPostgres } from '../../../test/support/postgres-server.ts'
import { postgresTest } from '../../../test/support/postgres-tests.ts'
import { request, spec, specs } from '../../laws/factories.ts'
import { postgres } from './postgres.ts'

const BACKLOG = 10_000
const STEP = 500
/** Entries of indexes a job: to find it, and to find what hangs on it. */
const EACH = 20

postgresTest('promoting and claiming by turns read as much as they move, with any backlog', async () => {
  const server = await startPostgres({ settings: { autovacuum: 'off' } })
  onTestFinished(() => server.stop())
  const broker = postgres(`${server.url}?schema=fresh`)
  onTestFinished(() => broker.close())
  await broker.open()
  // A limit in the same queue: whose turn it is has to be found out.
  const limit = { concurrency: 1_000_000 }
  await broker.limit([{ scope: { kind: 'queue', queue: 'line' }, source: 'set', limit }])
  for (let n = 0; n < BACKLOG / 1_000; n += 1) {
    await broker.enqueue([specs(1_000, `due-${n}`, { delayMs: 1 })])
    await broker.enqueue([specs(1_000, `ready-${n}`)])
  }
  const read = async (): Promise<number> => {
    const sum = 'SELECT coalesce(sum(idx_tup_read + idx_tup_fetch), 0)::int AS n FROM pg_stat_user_indexes'
    const [row] = await server.sql<{ n: number }>(`${sum} WHERE relname = 'live'`)
    return row?.n ?? 0
  }
  /** Sessions tell what they have read about once a second, and when they end. */
  const told = async (): Promise<number> => {
    let last = -1
    return until(
      'the counts are still',
      async () => {
        const now = await read()
        const still = now === last
        last = now
        return still ? now : undefined
      },
      { everyMs: 1_500 },
    )
  }
  const before = await told()
  expect((await broker.maintain()).promoted).toBe(STEP)
  const { jobs } = await broker.reserve(request({ max: STEP }))
  expect(jobs).toHaveLength(STEP)
  expect((await told()) - before).toBeLessThan(2 * STEP * EACH)
})

postgresTest('the order of what falls due, and of tokens, is the same by any plan', async () => {
  const settings = { enable_tidscan: 'off', enable_nestloop: 'off', enable_material: 'off' }
  const server = await startPostgres({ settings })
  onTestFinished(() => server.stop())
  const broker = postgres(`${server.url}?schema=plans`)
  onTestFinished(() => broker.close())
  await broker.open()
  const limit = { concurrency: 1_000_000 }
  for (const queue of ['plain', 'turns']) {
    const ids = Array.from({ length: 50 }, (_, n) => `${queue}-${n}`)
    // In the table they stand the other way round.
    const later = 3_600_000
    const runAt = Date.now() + later
    await broker.enqueue([ids.map((id, n) => spec({ id, queue, runAt: runAt + n })).toReversed()])
    await server.sql('UPDATE plans.live SET due_at = due_at - $1 WHERE state = 1', [2 * later])
    await broker.maintain()
    if (queue === 'turns') await broker.limit([{ scope: { kind: 'queue', queue }, source: 'set', limit }])
    const { jobs } = await broker.reserve(request({ queues: [queue], max: 100 }))
    expect(jobs.map(({ id }) => id)).toEqual(ids)
    const tokens = jobs.map(({ token }) => token)
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
  }
})
