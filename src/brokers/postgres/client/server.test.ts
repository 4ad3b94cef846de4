// Servers and poolers that are set up, stopped and broken on purpose, so each has its own.
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inTime, now, until } from '../../../../test/faults/time.ts'
import {
  ears,
  failureOf,
  fresh,
  make,
  notify,
  one,
  opened,
  pooled,
  recorder,
  shown,
  sleeping,
  works,
} from '../../../../test/support/postgres-client.ts'
import { type PostgresServer, startPostgres } from '../../../../test/support/postgres-server.ts'
import { hasPgbouncer, hasPostgresServer } from '../../../../test/support/postgres-tests.ts'
import { readOptions } from '../options.ts'
import { createPostgresClient } from './client.ts'

describe.skipIf(!hasPostgresServer())('a server of its own', () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  test('with passwords: none, a wrong one, and the right one, and none of it in an error', async () => {
    await server.sql("create role anna login password 'hunter2'")
    const [hba] = await server.sql<{ file: string }>("select current_setting('hba_file') as file")
    writeFileSync(hba?.file ?? '', 'host all anna all scram-sha-256\nhost all all all trust\n')
    await server.sql('select pg_reload_conf()')
    const at = `127.0.0.1:${server.port}/postgres`
    await until('passwords are asked for', async () =>
      make(`postgres://anna@${at}`)
        .open()
        .then(
          () => false,
          () => true,
        ),
    )
    const none = await failureOf(make(`postgres://anna@${at}`).open())
    expect(none).toMatchObject({ code: 'BROKER_AUTH', retryable: false })
    expect(none.message).toContain("'anna'")
    const wrong = await failureOf(make(`postgres://anna:planted-secret@${at}`).open())
    expect(wrong.code).toBe('BROKER_AUTH')
    expect(shown(wrong)).not.toContain('planted-secret')
    const client = await opened(`postgres://anna:hunter2@${at}`)
    expect(inspect(await client.facts())).not.toContain('hunter2')
    let asked = 0
    await opened(`postgres://anna@${at}`, {
      password: async () => {
        asked += 1
        return 'hunter2'
      },
    })
    expect(asked).toBe(1)
    const forbidden = await failureOf(client.run({ text: 'create role other' }))
    expect(forbidden).toMatchObject({ code: 'BROKER_FORBIDDEN', retryable: false })
  })

  test('with TLS: verified unless it is said otherwise', async () => {
    const [cert, key] = [join(server.dir, 'tls.crt'), join(server.dir, 'tls.key')]
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    )
    chmodSync(key, 0o600)
    const { uid, gid } = statSync(server.dir)
    if (process.getuid?.() === 0) for (const file of [cert, key]) chownSync(file, uid, gid)
    await server.sql(`alter system set ssl_cert_file = '${cert}'`)
    await server.sql(`alter system set ssl_key_file = '${key}'`)
    await server.sql('alter system set ssl = on')
    await server.sql('select pg_reload_conf()')
    const url = `postgres://postgres@localhost:${server.port}/postgres?sslmode=`
    await until('it has TLS', () =>
      make(`${url}no-verify`)
        .open()
        .then(
          () => true,
          () => false,
        ),
    )
    const unknown = await failureOf(make(`${url}require`).open())
    expect(unknown.code).toBe('BROKER_UNAVAILABLE')
    expect(unknown.message).toContain('certificate')
    const client = await opened(`${url}verify-full&sslrootcert=${cert}`)
    const [row] = await client.run({ text: 'select ssl from pg_stat_ssl where pid = pg_backend_pid()' })
    expect(row?.[0]).toEqual(Buffer.from([1]))
    const channel = fresh()
    const { heard } = await ears(client, channel)
    await notify(client, channel, 'one')
    await until('it is heard', () => heard.length > 0)
    const byAddress = url.replace('localhost', '127.0.0.1')
    expect((await failureOf(make(`${byAddress}verify-full&sslrootcert=${cert}`).open())).code).toBe(
      'BROKER_UNAVAILABLE',
    )
    await opened(`${byAddress}verify-ca&sslrootcert=${cert}`)
    const none = await failureOf(make(`${url}verify-full&sslrootcert=/no/such.pem`).open())
    expect(none).toMatchObject({ code: 'OPTION_INVALID', details: { path: 'tls.caFile' } })
    const slow = failureOf(sleeping(client, 20_000))
    expect(await inTime(2_000, client.close())).not.toBe(false)
    expect((await slow).code).toBe('BROKER_CLOSED')
  })

  test('that takes no writes, or keeps no UTF-8, is refused', async () => {
    await server.sql("create database latin encoding 'LATIN1' locale 'C' template template0")
    const latin = server.url.replace(/postgres$/, 'latin')
    expect((await failureOf(make(latin).open())).code).toBe('BROKER_ENCODING')
    await server.sql('create role reader login')
    await server.sql('alter role reader set default_transaction_read_only = on')
    const readOnly = await failureOf(make(server.url.replace('postgres@', 'reader@')).open())
    expect(readOnly.code).toBe('STORE_READONLY')
    expect(readOnly.message).toContain('default_transaction_read_only')
  })

  test('says what a crash would cost', async () => {
    await server.sql('create role hasty login')
    await server.sql('alter role hasty set synchronous_commit = off')
    const { logger, warnings } = recorder()
    const client = await opened(server.url.replace('postgres@', 'hasty@'), { logger })
    expect(warnings.join()).toMatch(/synchronous_commit is off.*fsync is off/)
    expect((await client.facts()).warnings).toEqual(warnings)
  })

  test('of serializable transactions is worked on as any other', async () => {
    await server.sql('create role strict login')
    await server.sql("alter role strict set default_transaction_isolation = 'serializable'")
    const url = server.url.replace('postgres@', 'strict@')
    const show = { text: "select current_setting('transaction_isolation')" }
    const client = await opened(url, { max: 1 })
    expect(String(await client.run(show))).toBe('read committed')
    await client.session((session) => session.script('select 1'))
    expect(String(await client.run(show))).toBe('read committed')
    expect((await client.facts()).warnings.join()).not.toContain('serializable')
    // What others use too stays as it is.
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    const { logger, warnings } = recorder()
    const shared = createPostgresClient(readOptions({ pool, logger }))
    await shared.open()
    expect(String(await shared.run(show))).toBe('serializable')
    expect(warnings.join()).toContain('default_transaction_isolation')
    await shared.close()
    await pool.end()
  })

  test('that is killed and started again is worked and listened on again', async () => {
    const client = await opened(server.url)
    const channel = fresh()
    const { heard, missed } = await ears(client, channel)
    for (let times = 1; times <= 2; times++) {
      const slow = failureOf(sleeping(client, 20_000))
      await server.restart()
      expect((await slow).code).toBe('BROKER_UNAVAILABLE')
      await works(client)
      await until('it says what may be missed', () => missed() === times)
      await notify(client, channel, `after ${times}`)
      await until('it hears', () => heard.includes(`after ${times}`))
    }
  })

  test('that stands still is noticed, and the wait counted', async () => {
    const client = await opened(server.url)
    server.pause()
    try {
      const startedAt = now()
      expect((await failureOf(one(client))).code).toBe('BROKER_UNAVAILABLE')
      expect(now() - startedAt).toBeLessThan(6_000)
    } finally {
      server.resume()
    }
    await works(client)
    expect(client.takeOutageMs()).toBeGreaterThan(2_500)
  })

  test('that has no connection left serves those it has', async () => {
    await server.sql('create role plain login connection limit 5')
    const url = server.url.replace('postgres@', 'plain@')
    const client = await opened(url, { max: 20 })
    const answers = await Promise.all(Array.from({ length: 30 }, () => sleeping(client, 20)))
    expect(answers).toHaveLength(30)
    const blocked = sleeping(client, 500)
    await Promise.all(Array.from({ length: 8 }, () => sleeping(client, 300)))
    await blocked
  })
})

describe.skipIf(!hasPostgresServer() || !hasPgbouncer())('a pooler', () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  test('in transaction mode: names and listening are left, once it is told', async () => {
    const pooler = await pooled(server, 'transaction')
    const { logger, warnings } = recorder()
    const client = await opened(pooler.url, { logger })
    for (let i = 0; i < 20; i++) await Promise.all([one(client), one(client), one(client), one(client)])
    const { listening, heard } = await ears(client, 'c')
    expect(listening.deaf).toBe(true)
    await notify(client, 'c', 'one')
    expect(heard).toEqual([])
    const facts = await client.facts()
    expect(facts.listening).toBe('deaf')
    expect(facts.warnings.join()).toContain('listen_url')
    expect(warnings.filter((text) => text.includes('notifications'))).toHaveLength(1)
    expect(warnings.filter((text) => text.includes('prepared')).length).toBeLessThanOrEqual(1)
  })

  test('in transaction mode, as it is told to be, with a direct connection that listens', async () => {
    const pooler = await pooled(server, 'transaction')
    const { logger, warnings } = recorder()
    const client = await opened(pooler.url, { pooler: 'transaction', listenUrl: server.url, logger })
    for (let i = 0; i < 20; i++) await Promise.all([one(client), one(client), one(client)])
    const { heard, listening } = await ears(client, 'c')
    expect(listening.deaf).toBe(false)
    await notify(client, 'c', 'one')
    await until('it is heard', () => heard.length > 0)
    expect(warnings.filter((text) => !text.includes('fsync'))).toEqual([])
  })

  test('in session mode takes names and listens', async () => {
    const pooler = await pooled(server, 'session')
    const client = await opened(pooler.url)
    for (let i = 0; i < 5; i++) await Promise.all([one(client), one(client)])
    const { listening, heard } = await ears(client, 'c')
    expect(listening.deaf).toBe(false)
    await notify(client, 'c', 'one')
    await until('it is heard', () => heard.length > 0)
  })

  test('of which the database is unknown', async () => {
    const pooler = await pooled(server, 'transaction')
    const error = await failureOf(make(pooler.url.replace(/postgres$/, 'none')).open())
    expect(error.code).toBe('BROKER_DATABASE_MISSING')
  })
})
