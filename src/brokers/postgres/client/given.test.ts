import { Client, Pool } from 'pg'
import { describe, expect } from 'vitest'
import { until } from '../../../../test/faults/time.ts'
import {
  cleanups,
  ears,
  failureOf,
  fresh,
  notify,
  one,
  sleeping,
} from '../../../../test/support/postgres-client.ts'
import { freshSchema, postgresTest } from '../../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../../test/support/servers.ts'
import { spec } from '../../../laws/factories.ts'
import { readOptions } from '../options.ts'
import { postgres } from '../postgres.ts'
import { createPostgresClient } from './client.ts'

describe('a pool of pg that is handed in', () => {
  postgresTest('is worked through, listened beside, and left open', async () => {
    const pool = new Pool({ connectionString: postgresUrl, max: 2 })
    cleanups.push(() => pool.end())
    const client = createPostgresClient(readOptions({ pool }))
    await client.open()
    const bytes = Buffer.from([0, 255])
    const [row] = await client.run({ text: 'select $1::bytea', values: [bytes], name: 'a' })
    expect(row).toEqual([bytes])
    const channel = fresh()
    const { heard } = await ears(client, channel)
    await notify(client, channel, 'one')
    await until('it is heard', () => heard.length > 0)
    // Its other users get their rows as ever.
    expect((await pool.query('select 5 as n, $1::bytea as b', [bytes])).rows).toEqual([{ n: 5, b: bytes }])
    const slow = failureOf(sleeping(client, 20_000))
    await client.close()
    expect((await slow).code).toBe('BROKER_CLOSED')
    expect((await pool.query('select 5 as n')).rows).toEqual([{ n: 5 }])
  })

  postgresTest('may be shared by brokers, whose statements have the same names', async () => {
    const pool = new Pool({ connectionString: postgresUrl, max: 1 })
    cleanups.push(() => pool.end())
    const [a, b] = [createPostgresClient(readOptions({ pool })), createPostgresClient(readOptions({ pool }))]
    await Promise.all([a.open(), b.open()])
    for (let i = 0; i < 3; i++) {
      const [[left], [right]] = await Promise.all([
        a.run({ text: 'select 1::int2', name: 'same' }),
        b.run({ text: 'select 2::int2', name: 'same' }),
      ])
      expect([left, right]).toEqual([[Buffer.from([0, 1])], [Buffer.from([0, 2])]])
    }
    await Promise.all([a.close(), b.close()])
  })

  postgresTest('that has no connection left is told of, and its late answer goes back', async () => {
    const pool = new Pool({ connectionString: postgresUrl, max: 1 })
    cleanups.push(() => pool.end())
    const client = createPostgresClient(readOptions({ pool, connectTimeoutMs: 300 }))
    const taken = await pool.connect()
    expect((await failureOf(client.open())).message).toContain('no connection')
    taken.release()
    await until('it is back', () => pool.idleCount === 1)
    await client.open()
    expect(await one(client)).toBe(1)
    await client.close()
  })

  postgresTest('gets its clients back as they were', async () => {
    const pool = new Pool({ connectionString: postgresUrl, max: 1 })
    cleanups.push(() => pool.end())
    await pool.query(
      "SET search_path TO pg_temp; SET statement_timeout = '7s'; SELECT pg_advisory_lock(4711)",
    )
    const broker = postgres({ pool, schema: freshSchema() })
    cleanups.push(() => broker.close())
    await broker.open()
    const { rows } = await pool.query(
      "SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout, pg_advisory_unlock(4711) AS held",
    )
    expect(rows).toEqual([{ path: 'pg_temp', timeout: '7s', held: true }])
  })

  postgresTest('may have no client left for others while a transaction enqueues its first job', async () => {
    const pool = new Pool({ connectionString: postgresUrl, max: 1 })
    cleanups.push(() => pool.end())
    const broker = postgres({ pool, schema: freshSchema() })
    cleanups.push(() => broker.close())
    await broker.open()
    const tx = await pool.connect()
    await tx.query('BEGIN')
    expect(await broker.enqueueWithin(tx, [[spec({ id: 'job' })]])).toMatchObject([{ ok: true }])
    await tx.query('COMMIT')
    tx.release()
    expect(await broker.get(['job'])).toMatchObject([{ state: 'ready' }])
  })

  postgresTest('has a client that listens made by whoever owns it', async () => {
    const pool = new Pool({ connectionString: postgresUrl })
    cleanups.push(() => pool.end())
    let made = 0
    const connect = (): Client => {
      made += 1
      return new Client({ connectionString: postgresUrl })
    }
    const client = createPostgresClient(readOptions({ pool, connect }))
    cleanups.push(() => client.close())
    await client.open()
    const channel = fresh()
    const { heard } = await ears(client, channel)
    await notify(client, channel, 'one')
    await until('it is heard', () => heard.length > 0)
    expect(made).toBe(1)
  })
})
