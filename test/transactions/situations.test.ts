// Transactions that are isolated, foreign, forgotten or frozen, and roles with few rights.
import { type App, hasCode, type LogFields, type Logger, offstage, silentLogger } from 'offstage'
import { Client, Pool, type PoolClient } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { freshSchema, hasPostgres } from '../support/postgres-tests.ts'
import { postgresUrl } from '../support/servers.ts'

const there = hasPostgres()
const schema = freshSchema()
const texts: string[] = []
const say = (first: string | LogFields, second?: string): void =>
  void texts.push(typeof first === 'string' ? first : (second ?? ''))
const logger: Logger = { ...silentLogger, warn: say, error: say }

let app: App
let pool: Pool

beforeAll(() => {
  if (!there) return
  pool = new Pool({ connectionString: postgresUrl, max: 4 })
  app = offstage({ broker: postgres(`${postgresUrl}?schema=${schema}`), logger })
})
afterEach(() => void texts.splice(0))
afterAll(async () => {
  await app?.close()
  await pool?.end()
})

async function transaction<T>(work: (tx: PoolClient) => Promise<T>, begin = 'BEGIN'): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query(begin)
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

describe.runIf(there)('isolation', () => {
  test.each(['REPEATABLE READ', 'SERIALIZABLE'])(
    '%s: jobs that others have enqueued and taken since the snapshot are no conflict',
    async (level) => {
      const task = app.task({ name: `late-${level[0]}`, queue: `q-${level[0]}`, run: (n: number) => n })
      await (await task.enqueue(1)).remove()
      const job = await transaction(async (tx) => {
        await tx.query('SELECT 1')
        await (await task.enqueue(1)).remove()
        return task.enqueue(5, { tx })
      }, `BEGIN ISOLATION LEVEL ${level}`)
      const worker = app.worker({ tasks: [task] })
      await worker.start()
      expect(await job.result({ timeout: '10s' })).toBe(5)
      await worker.stop()
    },
  )

  test('read only: the error of the server is the cause', async () => {
    const task = app.task({ name: 'read-only', run: () => null })
    const work = transaction((tx) => task.enqueue(undefined, { tx }), 'BEGIN READ ONLY')
    await expect(work).rejects.toMatchObject({ code: 'TX_ABORTED', details: { sqlState: '25006' } })
  })
})

describe.runIf(there)('rights', () => {
  const role = `app_${schema.slice(-8)}`

  test('a role needs to use the schema, and may read and write none of its tables', async () => {
    const task = app.task({ name: 'rights', run: () => null })
    await task.enqueue()
    await pool.query(`CREATE ROLE ${role} LOGIN`)
    const url = new URL(postgresUrl)
    url.username = role
    const client = new Client({ connectionString: url.href })
    await client.connect()
    try {
      const attempt = async (): Promise<unknown> => {
        await client.query('BEGIN')
        return task
          .enqueue(undefined, { tx: client })
          .then(() => 'stored')
          .catch((error: { readonly details?: object }) => error.details)
      }
      expect(await attempt()).toEqual({ sqlState: '42501' })
      await client.query('ROLLBACK')
      await pool.query(`GRANT USAGE ON SCHEMA "${schema}" TO ${role}`)
      expect(await attempt()).toEqual({ sqlState: '42501' })
      await client.query('ROLLBACK')
      const functions = ['enqueue_within', 'settle_within'].map((name) => `"${schema}".${name}(text)`)
      await pool.query(`GRANT EXECUTE ON FUNCTION ${functions} TO ${role}`)
      expect(await attempt()).toBe('stored')
      await client.query('COMMIT')
      await expect(client.query(`SELECT * FROM "${schema}".jobs`)).rejects.toMatchObject({ code: '42501' })
    } finally {
      await client.end()
      await pool.query(`DROP OWNED BY ${role}`)
      await pool.query(`DROP ROLE ${role}`)
    }
  })
})

describe.runIf(there)('a handler and its transaction', () => {
  const open: PoolClient[] = []
  const begun = async (): Promise<PoolClient> => {
    const client = await pool.connect()
    await client.query('BEGIN')
    open.push(client)
    return client
  }
  const end = async (how: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
    const client = open.shift()
    await client?.query(how)
    client?.release()
  }
  const state = async (id: string): Promise<unknown> => (await app.job(id).record())?.state

  test('forgotten: nobody waits for it, and the failure is recorded once it has ended', async () => {
    const forgetful = app.task({
      name: 'forgetful',
      queue: 'forgetful',
      retry: { attempts: 1 },
      run: async (_: null, ctx) => ctx.complete(await begun(), 'lost'),
    })
    const quick = app.task({ name: 'quick', queue: 'forgetful', run: (n: number) => n })
    const worker = app.worker({ tasks: [forgetful, quick], lease: '3s', abandonAfter: 100 })
    await worker.start()
    const job = await forgetful.enqueue(null)
    await expect.poll(() => open.length, { timeout: 10_000 }).toBe(1)
    for (let n = 0; n < 5; n += 1) expect(await (await quick.enqueue(n)).result({ timeout: '5s' })).toBe(n)
    expect((await job.record())?.error).toBeUndefined()
    expect(await state(job.id)).toBe('active')
    await end('ROLLBACK')
    const error = await job.result({ timeout: '10s' }).catch((thrown: Error) => thrown)
    expect(hasCode((error as Error).cause, 'TX_NOT_COMMITTED')).toBe(true)
    await worker.stop()
  })

  test('aborted and given up while it is open, and committed after it: the job has succeeded', async () => {
    const slow = app.task({
      name: 'slow',
      queue: 'slow',
      timeout: 200,
      run: async (_: null, ctx) => {
        const result = await ctx.complete(await begun(), 'done')
        await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()))
        await new Promise(() => undefined)
        return result
      },
    })
    const worker = app.worker({ tasks: [slow], abandonAfter: 50 })
    await worker.start()
    const job = await slow.enqueue(null)
    await expect
      .poll(() => texts, { timeout: 10_000 })
      .toContainEqual(expect.stringContaining('did not heed'))
    expect(await state(job.id)).toBe('active')
    await end('COMMIT')
    expect(await job.result({ timeout: '10s' })).toBe('done')
    await expect
      .poll(() => texts, { timeout: 10_000 })
      .toContainEqual(expect.stringContaining('its job has succeeded'))
    expect(texts.some((text) => text.includes('was lost'))).toBe(false)
    await worker.stop()
  })

  test('a connection that dies with the transaction: an ordinary failure', async () => {
    let runs = 0
    const cut = app.task({
      name: 'cut',
      queue: 'cut',
      retry: { base: 1, max: 1 },
      run: async (_: null, ctx) => {
        runs += 1
        if (runs > 1) return transaction((tx) => ctx.complete(tx, runs))
        const client = new Client({ connectionString: postgresUrl })
        client.on('error', () => undefined)
        await client.connect()
        const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
        await client.query('BEGIN')
        const result = await ctx.complete(client, runs)
        await pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
        await client.query('COMMIT')
        return result
      },
    })
    const worker = app.worker({ tasks: [cut] })
    await worker.start()
    const job = await cut.enqueue(null)
    expect(await job.result({ timeout: '10s' })).toBe(2)
    await worker.stop()
  })
})
