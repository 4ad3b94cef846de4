import { createServer, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { now, until } from '../../../../test/faults/time.ts'
import { freePort } from '../../../../test/support/ports.ts'
import {
  cleanups,
  failureOf,
  fresh,
  make,
  one,
  opened,
  shared,
  sharedPort,
  shown,
  sleeping,
  works,
} from '../../../../test/support/postgres-client.ts'
import { freshSchema, postgresTest } from '../../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../../test/support/servers.ts'
import { loadPg } from './pg.ts'

describe('on a server', () => {
  postgresTest('answers rows in their binary form, and takes bytes as they are', async () => {
    const client = await opened(postgresUrl)
    const bytes = Buffer.alloc(300_000, 0xfe)
    const rows = await client.run({
      text: 'select $1::bytea, $2::int8, $3::text, n from generate_series(1, 3) n order by n',
      values: [bytes, '7', null],
      name: 'rows',
    })
    expect(rows).toHaveLength(3)
    expect(rows[1]).toEqual([bytes, Buffer.from('0000000000000007', 'hex'), null, Buffer.from([0, 0, 0, 2])])
    expect(await client.run({ text: 'select 1 where false' })).toEqual([])
    const view = new Uint8Array([9, 1, 255, 9]).subarray(1, 3)
    const [row] = await client.run({ text: 'select $1::bytea, $2::text', values: [view, 'ä€😀'] })
    expect(row).toEqual([Buffer.from([1, 255]), Buffer.from('ä€😀')])
    expect(client.takeOutageMs()).toBe(0)
  })

  postgresTest('gives many callers their own answers over a few connections', async () => {
    const application = fresh()
    const client = await opened(postgresUrl, { applicationName: application, max: 3 })
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const [row] = await client.run({ text: 'select $1::int4', values: [String(i)], name: 'n' })
        return row?.[0]?.readInt32BE()
      }),
    )
    expect(answers).toEqual(Array.from({ length: 60 }, (_, i) => i))
    const count = await client.run({
      text: 'select count(*)::int4 from pg_stat_activity where application_name = $1',
      values: [application],
    })
    expect(count[0]?.[0]?.readInt32BE()).toBe(3)
  })

  postgresTest('opened by several at once, it connects once', async () => {
    const application = fresh()
    const client = make(postgresUrl, { applicationName: application })
    await Promise.all([client.open(), client.open(), client.open()])
    const count = await client.run({
      text: 'select count(*)::int4 from pg_stat_activity where application_name = $1',
      values: [application],
    })
    expect(count[0]?.[0]?.readInt32BE()).toBe(1)
  })

  postgresTest('tells what the server is', async () => {
    const client = await opened(postgresUrl)
    const facts = await client.facts()
    expect(facts.engine).toMatch(/^PostgreSQL \d+/)
    expect(facts.versionNumber).toBeGreaterThanOrEqual(130_000)
    expect(facts.address).toBe(`${shared.hostname}:${sharedPort}${shared.pathname}`)
    expect(facts.durability).toContain('synchronous_commit')
    expect(facts.pingMs).toBeGreaterThan(0)
    expect(facts.listening).toBe('unknown')
  })

  postgresTest('a session keeps its connection', async () => {
    const client = await opened(postgresUrl, { max: 1 })
    const table = fresh()
    const inside = await client.session(async (session) => {
      await session.script(
        `begin; create temporary table "${table}" (n int); insert into "${table}" values (5); commit`,
      )
      return session.run({ text: `select n from "${table}"` })
    })
    expect(inside[0]?.[0]?.readInt32BE()).toBe(5)
  })

  postgresTest('a session that fails, or leaves its transaction open, loses its connection', async () => {
    const client = await opened(postgresUrl, { max: 1 })
    const schema = freshSchema()
    const failed = await failureOf(
      client.session((session) => session.script(`begin; create schema "${schema}"; select nothing`)),
    )
    expect(failed.code).toBe('STORE_FAILED')
    await client.session((session) => session.script(`begin; create schema "${schema}"`))
    const own = await failureOf(client.session(() => Promise.reject(new TypeError('own'))))
    expect(own.message).toContain('own')
    const [row] = await client.run({ text: 'select to_regnamespace($1) is null', values: [schema] })
    expect(row?.[0]).toEqual(Buffer.from([1]))
  })

  postgresTest('errors have codes, name the statement, and hold none of its values', async () => {
    const client = await opened(postgresUrl)
    const unknown = await failureOf(
      client.run({ text: 'select nothing, $1::text', values: ['hunter2'], name: 'odd' }),
    )
    expect(unknown).toMatchObject({ code: 'STORE_FAILED', details: { state: '42703' } })
    expect(unknown.message).toContain('the statement odd')
    expect(shown(unknown)).not.toContain('hunter2')
    const text = await failureOf(client.run({ text: 'select $1::text', values: ['a\0b'] }))
    expect(text).toMatchObject({ code: 'TEXT_INVALID', retryable: false })
    const few = await failureOf(client.run({ text: 'select $1::int4, $2::int4', values: ['1'], name: 'few' }))
    expect(few.code).toBe('STORE_FAILED')
    expect(await one(client)).toBe(1)
  })

  postgresTest('what the server rolled back is repeated, unseen', async () => {
    const client = await opened(postgresUrl)
    const schema = freshSchema()
    await client.session((session) =>
      session.script(`create schema "${schema}"; create sequence "${schema}".turns;
        create function "${schema}".fails(state text, times int) returns int language plpgsql as $f$
        declare turn int := nextval('"${schema}".turns');
        begin
          if turn <= times then raise exception 'not now' using errcode = state; end if;
          return turn;
        end $f$`),
    )
    for (const state of ['40001', '40P01', '55P03', '25006', '57P03']) {
      await client.run({ text: `select setval('"${schema}".turns', 1, false)` })
      const startedAt = now()
      const [row] = await client.run({
        text: `select "${schema}".fails($1, 2)`,
        values: [state],
        name: `fails_${state}`,
      })
      expect(row?.[0]?.readInt32BE()).toBe(3)
      // At most ten a second.
      expect(now() - startedAt).toBeGreaterThanOrEqual(200)
    }
  })

  postgresTest('what is rolled back again and again is told after a while', async () => {
    const client = await opened(postgresUrl)
    const text = `do $d$ begin raise exception 'no' using errcode = '40001'; end $d$`
    const startedAt = now()
    const error = await failureOf(client.run({ text }))
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', details: { state: '40001' } })
    expect(now() - startedAt).toBeGreaterThan(4_000)
  })

  postgresTest('a statement whose tables changed is prepared anew', async () => {
    const client = await opened(postgresUrl, { max: 1 })
    const schema = freshSchema()
    await client.session((session) =>
      session.script(
        `create schema "${schema}"; create table "${schema}".t (a int); insert into "${schema}".t values (1)`,
      ),
    )
    const read = { text: `select * from "${schema}".t`, name: 'read' }
    expect(await client.run(read)).toHaveLength(1)
    await client.run({ text: `alter table "${schema}".t add b int default 2` })
    const [row] = await client.run(read)
    expect(row?.map((value) => value?.readInt32BE())).toEqual([1, 2])
  })

  postgresTest('a connection that an administrator ended is replaced', async () => {
    const client = await opened(postgresUrl, { max: 1 })
    const [row] = await client.run({ text: 'select pg_backend_pid()' })
    const other = await opened(postgresUrl)
    await other.run({
      text: 'select pg_terminate_backend($1::int4)',
      values: [String(row?.[0]?.readInt32BE())],
    })
    await works(client)
    const slow = failureOf(sleeping(client, 10_000))
    await until('it sleeps', async () => {
      const found = await other.run({
        text: "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep%' and pid <> pg_backend_pid() and application_name = 'offstage:default'",
      })
      return found.length > 0
    })
    expect((await slow).code).toBe('BROKER_UNAVAILABLE')
    await works(client)
  })

  postgresTest('calls before open and after close say so, and what is under way at close ends', async () => {
    const client = make(postgresUrl)
    expect((await failureOf(one(client))).code).toBe('BROKER_CLOSED')
    await client.open()
    const slow = failureOf(sleeping(client, 20_000))
    await client.close()
    await client.close()
    expect((await slow).code).toBe('BROKER_CLOSED')
    expect((await failureOf(one(client))).code).toBe('BROKER_CLOSED')
    expect((await failureOf(client.open())).code).toBe('BROKER_CLOSED')
  })
})

describe('a statement that takes long', () => {
  postgresTest('is waited for as long as the server is at it', async () => {
    const client = await opened(postgresUrl, { silenceMs: 500 })
    await sleeping(client, 2_200)
  })
})

describe('opening', () => {
  test('where nothing listens says so at once, with host and reason', async () => {
    const port = await freePort()
    const startedAt = now()
    const error = await failureOf(make(`postgres://u:hunter2@127.0.0.1:${port}/d`).open())
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', retryable: true })
    expect(error.message).toContain(`127.0.0.1:${port}/d`)
    expect(error.message).toContain('ECONNREFUSED')
    expect(shown(error)).not.toContain('hunter2')
    expect(now() - startedAt).toBeLessThan(1_500)
  })

  test('where the host or the socket does not exist', async () => {
    const host = await failureOf(make('postgres://u:hunter2@no-such-host.invalid/d').open())
    expect(host.message).toMatch(/no-such-host\.invalid:5432.*(ENOTFOUND|EAI_AGAIN)/)
    const socket = await failureOf(make('postgres://u:hunter2@/d?host=/no/such').open())
    expect(socket.message).toMatch(/\/no\/such:5432\/d.*ENOENT/)
  })

  test('where nobody answers takes no longer than it may', async () => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as { port: number }
    for (const tls of [false, true]) {
      const startedAt = now()
      const error = await failureOf(
        make(`postgres://u@127.0.0.1:${port}/d`, { connectTimeoutMs: 400, tls }).open(),
      )
      expect(error.code).toBe('BROKER_UNAVAILABLE')
      expect(error.message).toContain('ETIMEDOUT')
      expect(now() - startedAt).toBeLessThan(1_500)
    }
  })

  postgresTest('of a database that is not there, and of a server without TLS', async () => {
    const none = new URL(postgresUrl)
    none.pathname = '/no_such_database'
    expect(await failureOf(make(none.href).open())).toMatchObject({
      code: 'BROKER_DATABASE_MISSING',
      retryable: false,
    })
    const startedAt = now()
    const tls = await failureOf(make(`${postgresUrl}?sslmode=require`).open())
    expect(tls.code).toBe('BROKER_UNAVAILABLE')
    expect(tls.message).toContain('TLS')
    expect(now() - startedAt).toBeLessThan(2_000)
  })

  test('without the package pg says what to install', async () => {
    const missing = await failureOf(loadPg(() => Promise.reject(new Error('not found'))))
    expect(missing).toMatchObject({ code: 'BROKER_CLIENT_MISSING' })
    expect(missing.message).toContain('npm install pg')
    expect((await failureOf(loadPg(async () => ({})))).code).toBe('BROKER_CLIENT_MISSING')
  })

  test('fails for all who asked, and may be tried again', async () => {
    const client = make(`postgres://u@127.0.0.1:${await freePort()}/d`)
    const failures = await Promise.all([failureOf(client.open()), failureOf(client.open())])
    expect(failures.map(({ code }) => code)).toEqual(['BROKER_UNAVAILABLE', 'BROKER_UNAVAILABLE'])
    expect((await failureOf(client.open())).code).toBe('BROKER_UNAVAILABLE')
  })
})
