// Proves what happens where two connections come between each other: each case stops one of them halfway, by a
// transaction that stays open, and looks at what others do meanwhile and afterwards.
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { freshSchema, postgresTest as test } from '../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../test/support/servers.ts'
import type { ReservedJob } from '../../broker/contract.ts'
import { defaultRetention } from '../../job/defaults.ts'
import { request, spec, succeeded, unique } from '../../laws/factories.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { postgres } from './postgres.ts'
import { parseUrl } from './url.ts'

/** Each claim asks who holds places. */
const hurried: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 1_000 }

let schema: string
let tx: Client
let second: Client
let broker: ReturnType<typeof postgres>

beforeEach(async () => {
  schema = freshSchema()
  broker = postgres({ ...parseUrl(postgresUrl), schema })
  tx = new Client({ connectionString: postgresUrl })
  second = new Client({ connectionString: postgresUrl })
  await Promise.all([broker.open(), tx.connect(), second.connect()])
})
afterEach(async () => {
  await Promise.all([tx.end(), second.end()])
  await broker.close()
})

async function claim(max = 1, starting = max): Promise<readonly ReservedJob[]> {
  return (await broker.reserve(request({ max, starting }))).jobs
}

async function claimOne(starting = 1): Promise<ReservedJob> {
  const [job] = await claim(1, starting)
  if (job === undefined) throw new Error('nothing was claimed')
  return job
}

/** Resolves when a connection waits for a lock. */
async function waits(client: Client): Promise<void> {
  const look = new Client({ connectionString: postgresUrl })
  await look.connect()
  const pid = (client as unknown as { processID: number }).processID
  const text = 'SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted'
  while ((await look.query(text, [pid])).rowCount === 0) await new Promise(setImmediate)
  await look.end()
}

test('a job is not passed by that waited for its key after it had got its place', async () => {
  const busy = postgres({ ...parseUrl(postgresUrl), schema, clock: hurried })
  await busy.open()
  const drain = async (): Promise<string[]> => {
    const ids: string[] = []
    for (;;) {
      const { jobs } = await busy.reserve(request({ max: 4, starting: 4 }))
      if (jobs.length === 0) return ids
      await busy.settle({ outcomes: jobs.map((job) => succeeded(job)) })
      ids.push(...jobs.map(({ id }) => id))
    }
  }
  const enqueue = `SELECT ${schema}.enqueue('work', queue => 'line', id => $1, unique_key => 'key')`
  await broker.enqueue([[spec({ id: 'before' })]])
  await drain()
  await tx.query('BEGIN')
  await tx.query(enqueue, ['first'])
  const enqueued = second.query(enqueue, ['late'])
  await waits(second)
  await tx.query('ROLLBACK; BEGIN')
  await enqueued
  expect(await drain()).toEqual(['late'])

  await tx.query(`INSERT INTO ${schema}.unique_keys VALUES ('work/key', 0)`)
  const again = second.query(enqueue, ['later'])
  await waits(second)
  for (const id of ['a', 'b', 'c']) {
    await broker.enqueue([[spec({ id })]])
    expect(await drain()).toEqual([id])
  }
  await tx.query('ROLLBACK')
  await again
  expect(await drain()).toEqual(['later'])
  await busy.close()
})

test('a job that is enqueued twice at once does not replace itself', async () => {
  const enqueue = `SELECT ${schema}.enqueue('work', queue => 'line', id => $1, unique_key => 'key', on_conflict => 'replace') AS id`
  await tx.query(enqueue, ['old'])
  await tx.query('BEGIN')
  await tx.query(enqueue, ['new'])
  const repeated = second.query(enqueue, ['new'])
  await waits(second)
  await tx.query('COMMIT')
  expect((await repeated).rows).toEqual([{ id: 'new' }])
  expect((await claim(10)).map(({ id }) => id)).toEqual(['new'])
})

describe('while a transaction is open', () => {
  test('that found its job a duplicate, the other job is settled', async () => {
    const held = { unique: unique('work/key') }
    await broker.enqueue([[spec({ id: 'first', ...held })]])
    const job = await claimOne()
    await tx.query('BEGIN')
    const [answer] = await broker.enqueueWithin(tx, [[spec({ id: 'second', ...held })]])
    expect(answer).toMatchObject({ ok: true })
    expect(await broker.settle({ outcomes: [succeeded(job)] })).toEqual({ answers: ['ok'] })
    await tx.query('COMMIT')
  })

  test('that replaces the only job of a lane, claims neither spin nor keep the lane from others', async () => {
    const held = { unique: unique('work/key', { onConflict: 'replace' }) }
    await broker.enqueue([[spec({ id: 'old', partition: 'a', ...held })]])
    await tx.query('BEGIN')
    await broker.enqueueWithin(tx, [[spec({ id: 'new', partition: 'a', ...held })]])
    expect(await broker.reserve(request())).toMatchObject({ jobs: [], nextDueInMs: 100 })
    await broker.enqueue([[spec({ id: 'b1', partition: 'b' }), spec({ id: 'b2', partition: 'b' })]])
    expect((await claim(3)).map(({ id }) => id)).toEqual(['b1', 'b2'])
    await tx.query('COMMIT')
    expect((await claim()).map(({ id }) => id)).toEqual(['new'])
  })

  test('that completes a job, the start of this job keeps no other from being settled', async () => {
    await broker.enqueue([[spec({ id: 'one' }), spec({ id: 'two' })]])
    const [one, two] = await claim(2, 0)
    if (one === undefined || two === undefined) throw new Error('nothing was claimed')
    await tx.query('BEGIN')
    expect(await broker.settleWithin(tx, succeeded(one))).toBe('ok')
    const settled = await broker.settle({ outcomes: [succeeded(two)], started: [one] })
    expect(settled).toEqual({ answers: ['ok'] })
    await tx.query('COMMIT')
  })

  test('that completes a job, a note of this job keeps no others waiting', async () => {
    await broker.enqueue([[spec({ id: 'one' }), spec({ id: 'two' })]])
    const [one, two] = await claim(2)
    if (one === undefined || two === undefined) throw new Error('nothing was claimed')
    await tx.query('BEGIN')
    expect(await broker.settleWithin(tx, succeeded(one))).toBe('ok')
    const log = { kind: 'log' as const, level: 'info' as const, text: 'done' }
    const answers = await broker.write([
      { id: one.id, token: one.token, ...log },
      { id: two.id, token: two.token, ...log },
    ])
    expect(answers[1]).toBe('ok')
    await tx.query('COMMIT')
  })

  test('that completes a job, others are cancelled, and this one is left alone', async () => {
    await broker.enqueue([[spec({ id: 'one' }), spec({ id: 'two' })]])
    const [one] = await claim(2)
    if (one === undefined) throw new Error('nothing was claimed')
    await tx.query('BEGIN')
    expect(await broker.settleWithin(tx, succeeded(one))).toBe('ok')
    const answer = await broker.cancel({ ids: ['two', 'one'] })
    expect(answer).toMatchObject({ done: ['two'], skipped: [{ id: 'one', state: 'active' }] })
    await tx.query('COMMIT')
  })

  test('that completes a job, limits change, and hold', async () => {
    const rule = {
      scope: { kind: 'queue', queue: 'line' },
      source: 'set',
      limit: { concurrency: 1 },
    } as const
    await broker.enqueue([[spec({ id: 'one' }), spec({ id: 'two' })]])
    const one = await claimOne()
    await tx.query('BEGIN')
    expect(await broker.settleWithin(tx, succeeded(one))).toBe('ok')
    await broker.limit([rule])
    expect(await claim()).toEqual([])
    await tx.query('COMMIT')
    await broker.maintain()
    expect((await claim()).map(({ id }) => id)).toEqual(['two'])
  })

  test('that completes a job, a limit changes that it counts against, and nobody waits', async () => {
    const limit = (concurrency: number): Promise<void> =>
      broker.limit([{ scope: { kind: 'queue', queue: 'line' }, source: 'set', limit: { concurrency } }])
    await limit(1)
    await broker.enqueue([[spec({ id: 'one' }), spec({ id: 'two' }), spec({ id: 'three' })]])
    const one = await claimOne()
    await tx.query('BEGIN')
    expect(await broker.settleWithin(tx, succeeded(one))).toBe('ok')
    await limit(2)
    expect((await claim()).map(({ id }) => id)).toEqual(['two'])
    await tx.query('COMMIT')
    expect((await claim()).map(({ id }) => id)).toEqual(['three'])
  })
})

test('a job runs whose parent had succeeded and was forgotten before the transaction was committed', async () => {
  const retention = { ...defaultRetention, succeededMs: 0 }
  await broker.enqueue([[spec({ id: 'parent', retention })]])
  const parent = await claimOne()
  await tx.query('BEGIN')
  await broker.enqueueWithin(tx, [[spec({ id: 'child', after: [{ id: 'parent', when: 'succeeded' }] })]])
  await broker.settle({ outcomes: [succeeded(parent)] })
  expect(await broker.get(['parent'])).toEqual([undefined])
  await tx.query('COMMIT')
  await broker.maintain()
  expect((await claim()).map(({ id }) => id)).toEqual(['child'])
})

test('ties of a large transaction are made fast in bounded steps', async () => {
  await broker.enqueue([[spec({ id: 'parent' }), spec({ id: 'other' })]])
  const after = [{ id: 'parent', when: 'succeeded' }] as const
  await tx.query('BEGIN')
  await broker.enqueueWithin(tx, [Array.from({ length: 1_500 }, () => spec({ after }))])
  await tx.query('COMMIT')
  const left = async (): Promise<number | null> => (await tx.query(`SELECT FROM ${schema}.outbox`)).rowCount
  await broker.cancel({ ids: ['other'] })
  expect(await left()).toBe(500)
  await broker.maintain()
  expect(await left()).toBe(0)
})

test('starts count for a rate although upkeep forgets old ones at the same time', async () => {
  const rate = { count: 2, perMs: 3_600_000 }
  await broker.limit([{ scope: { kind: 'queue', queue: 'line' }, source: 'set', limit: { rate } }])
  await broker.enqueue([Array.from({ length: 6 }, () => spec())])
  expect(await claim(1)).toHaveLength(1)
  await tx.query(`UPDATE ${schema}.scopes SET idle_at = 0, buckets = '{}', starts = '{}'`)
  await tx.query('BEGIN')
  await tx.query(`SELECT ${schema}.reserve_jobs(NULL, '{line}', 2, 60000, 'other', 2, 1)`)
  await broker.maintain()
  await tx.query('COMMIT')
  const { rows } = await tx.query<{ starts: string[] }>(`SELECT starts FROM ${schema}.scopes`)
  expect(rows).toEqual([{ starts: ['2'] }])
})

test('what others send over the channel harms nobody', async () => {
  const heard: string[] = []
  const stop = new AbortController()
  const listening = broker.events((events) => heard.push(...events.map(({ id }) => id)), stop.signal)
  while (heard.length === 0) await broker.enqueue([[spec()]])
  for (const payload of ['e{', 'e5', 'enull', 'e[1]', 'e[[1]]', 'x', ''])
    await tx.query('SELECT pg_notify($1, $2)', [schema, payload])
  await broker.enqueue([[spec({ id: 'seen' })]])
  await expect.poll(() => heard).toContain('seen')
  stop.abort()
  await listening
})
