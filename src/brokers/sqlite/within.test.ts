import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { engineMissing, userConnection } from '../../../test/support/sqlite-harness.ts'
import { offstage } from '../../app/app.ts'
import { codeOf } from '../../errors/error.ts'
import { spec } from '../../laws/factories.ts'
import { type SqliteBroker, sqlite } from './sqlite.ts'

let folder: string
let file: string
let broker: SqliteBroker
const open: { close(): unknown }[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-within-'))
  file = join(folder, 'jobs.db')
  broker = sqlite({ file })
  await broker.open()
})
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await broker.close()
  rmSync(folder, { recursive: true })
})

function connect(path: string = file): BetterSqlite3.Database {
  const db = new BetterSqlite3(path)
  open.push(db)
  return db
}

const codeFor = (tx: unknown): Promise<unknown> =>
  broker.enqueueWithin(tx, [[spec()]]).then(
    () => 'stored',
    (error: unknown) => codeOf(error),
  )

const orders = (db: BetterSqlite3.Database): unknown[] =>
  db.prepare('SELECT id FROM app_orders ORDER BY id').pluck().all()

describe('what is taken', () => {
  test('better-sqlite3 and node:sqlite, with whatever settings', async ({ annotate }) => {
    const big = connect()
    big.defaultSafeIntegers(true)
    big.exec('BEGIN')
    expect(await codeFor(big)).toBe('stored')
    big.exec('COMMIT')
    const missing = await engineMissing('node')
    if (missing !== undefined) return void (await annotate(missing))
    const node = await userConnection(file, 'node')
    node.exec('BEGIN')
    expect(await codeFor(node)).toBe('stored')
    node.exec('COMMIT')
    node.close()
  })

  test('the same file by another path', async () => {
    const db = connect(join(folder, '.', 'x', '..', 'jobs.db'))
    db.exec('BEGIN IMMEDIATE')
    expect(await codeFor(db)).toBe('stored')
  })

  test('two transactions one after the other on a connection, the first rolled back', async () => {
    const db = connect()
    for (const end of ['ROLLBACK', 'COMMIT', 'ROLLBACK', 'COMMIT']) {
      db.exec('BEGIN IMMEDIATE')
      await broker.enqueueWithin(db, [[spec({ id: 'a', queue: 'new', task: 'never-seen' })]])
      await broker.enqueueWithin(db, [[spec({ queue: 'new', partition: 'p' })]])
      db.exec(end)
    }
    const [queue] = await broker.queues()
    expect(queue).toMatchObject({ queue: 'new', counts: { ready: 3 } })
  })
})

describe('what is refused, with the reason', () => {
  test('no transaction, another file, nothing of the kind', async () => {
    const db = connect()
    expect(await codeFor(db)).toBe('TX_INVALID')
    const other = connect(join(folder, 'other.db'))
    other.exec('BEGIN')
    expect(await codeFor(other)).toBe('TX_INVALID')
    for (const tx of [null, 5, {}, { query: () => undefined }]) expect(await codeFor(tx)).toBe('TX_INVALID')
  })

  test('the file of the jobs attached to another', async () => {
    const db = connect(join(folder, 'other.db'))
    db.exec(`ATTACH '${file}' AS jobs_file`)
    db.exec('BEGIN')
    await expect(broker.enqueueWithin(db, [[spec()]])).rejects.toMatchObject({
      code: 'TX_UNSUPPORTED',
      message: expect.stringContaining('attached to it as jobs_file'),
    })
  })

  test('a temporary table of the name of one of the broker', async () => {
    const db = connect()
    db.exec('CREATE TEMP TABLE jobs (a)')
    db.exec('BEGIN')
    expect(await codeFor(db)).toBe('TX_UNSUPPORTED')
  })

  test('a database that does not say whether a transaction is open', async () => {
    expect(await codeFor({ exec: () => undefined, prepare: () => ({}) })).toBe('TX_UNSUPPORTED')
  })

  test('jobs in memory, and a broker that is not open', async () => {
    const inMemory = sqlite('sqlite::memory:')
    await expect(inMemory.enqueueWithin(connect(), [])).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await inMemory.open()
    expect(inMemory.capabilities.transactions).toBe(false)
    await expect(inMemory.enqueueWithin(connect(), [])).rejects.toMatchObject({ code: 'TX_UNSUPPORTED' })
    await inMemory.close()
  })

  test('a transaction that has read before another wrote cannot write any more', async () => {
    const db = connect()
    db.exec('BEGIN')
    db.prepare('SELECT count(*) FROM jobs').get()
    await broker.enqueue([[spec()]])
    await expect(broker.enqueueWithin(db, [[spec()]])).rejects.toMatchObject({
      code: 'TX_ABORTED',
      message: expect.stringContaining('BEGIN IMMEDIATE'),
    })
    db.exec('ROLLBACK')
    db.exec('BEGIN IMMEDIATE')
    expect(await codeFor(db)).toBe('stored')
    db.exec('COMMIT')
  })
})

describe('beside others', () => {
  test('who enqueues meanwhile waits for the commit, and goes on after it', async () => {
    const db = connect()
    db.exec('BEGIN IMMEDIATE')
    await broker.enqueueWithin(db, [[spec({ id: 'inside' })]])
    let stored = false
    const outside = broker.enqueue([[spec({ id: 'outside' })]]).then(() => {
      stored = true
    })
    await new Promise(setImmediate)
    expect(stored).toBe(false)
    db.exec('COMMIT')
    await outside
    const { jobs } = await broker.reserve({
      queues: ['line'],
      max: 9,
      leaseMs: 1_000,
      worker: 'w',
      starting: 9,
      suspects: 1,
    })
    expect(jobs.map(({ id }) => id)).toEqual(['inside', 'outside'])
  })

  test('the first use of an app may be inside a transaction', async () => {
    const app = offstage({ broker: `sqlite:${file}` })
    const task = app.task({ name: 'first', run: () => null })
    const db = connect()
    db.exec('BEGIN IMMEDIATE')
    const job = await task.enqueue(undefined, { tx: db })
    db.exec('COMMIT')
    expect(await job.state()).toBe('ready')
    await app.close()
  })

  test('a connection that is closed with its transaction open', async () => {
    const db = connect()
    db.exec('BEGIN IMMEDIATE')
    await broker.enqueueWithin(db, [[spec({ id: 'gone' })]])
    db.close()
    await broker.enqueue([[spec({ id: 'there' })]])
    expect(await broker.get(['gone'])).toEqual([undefined])
  })
})

test('an app: rows and jobs together, and a success with its rows', async () => {
  const app = offstage({ broker: `sqlite:${file}` })
  const db = connect()
  const inTransaction = async <T>(work: () => Promise<T>): Promise<T> => {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = await work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
  let runs = 0
  const count = app.task({
    name: 'count',
    retry: { base: 1, max: 1 },
    run: (id: number, ctx) =>
      inTransaction(async () => {
        runs += 1
        db.prepare('INSERT INTO app_orders VALUES (?)').run(id)
        const result = await ctx.complete(db, { id })
        if (runs === 1) throw new Error('the first time fails')
        return result
      }),
  })
  const worker = app.worker()
  await worker.start()
  db.exec('CREATE TABLE app_orders (id INTEGER PRIMARY KEY)')
  const failed = inTransaction(async () => {
    db.prepare('INSERT INTO app_orders VALUES (99)').run()
    await count.enqueue(99, { tx: db, id: 'gone' })
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  const job = await inTransaction(() => count.enqueue(1, { tx: db }))
  expect(await job.result()).toEqual({ id: 1 })
  expect([runs, orders(db)]).toEqual([2, [1]])
  expect(await count.job('gone').record()).toBeUndefined()
  await worker.stop()
  await app.close()
})
