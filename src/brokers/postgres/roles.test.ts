// Proves the rights: what each role of docs/brokers/postgres.md may do and is refused, on a schema that an ordinary role
// owns, and that nobody can put something of his own in the way of the functions that run with the owner's rights.
import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts'
import { hasPostgresServer } from '../../../test/support/postgres-tests.ts'
import { json, request, spec, succeeded } from '../../laws/factories.ts'
import { type PostgresOptions, postgres } from './postgres.ts'
import { parseUrl } from './url.ts'

type Postgres = ReturnType<typeof postgres>

const page = readFileSync(new URL('../../../docs/brokers/postgres.md', import.meta.url), 'utf8')

/** A block of SQL of the page, by how its first line begins. */
function block(name: string): string {
  const found = new RegExp(`\`\`\`sql\\n(-- ${name}[^\`]*)\`\`\``).exec(page)?.[1]
  if (found === undefined)
    throw new Error(`docs/brokers/postgres.md has no SQL that begins with '-- ${name}'`)
  return found
}

const worker = { id: 'w', host: 'h', pid: 1, queues: [], tasks: [], concurrency: 1, active: 0, startedAt: 0 }
const lease = { id: 'job', token: 1 }

/** Every call of the contract that goes to the server by itself. */
const calls = {
  enqueue: (broker) => broker.enqueue([[spec({ id: 'more' })]]),
  enqueueKey: (broker) =>
    broker.enqueue([[spec({ unique: { key: 't/k', during: 'unfinished', onConflict: 'keep' } })]]),
  reserve: (broker) => broker.reserve(request({ queues: ['none'] })),
  settle: (broker) => broker.settle({ outcomes: [succeeded(lease)] }),
  settleAndReserve: (broker) =>
    broker.settle({ outcomes: [succeeded(lease)], next: request({ queues: ['none'] }) }),
  extend: (broker) => broker.extend([{ ...lease, started: true }], 1_000),
  maintain: (broker) => broker.maintain(),
  get: (broker) => broker.get(['job']),
  list: (broker) => broker.list({}),
  listByTask: (broker) => broker.list({ task: 'work', search: { to: 'ada' } }),
  cancel: (broker) => broker.cancel({ ids: ['none'] }),
  removeSome: (broker) => broker.remove({ query: { tag: 'none' } }),
  publish: (broker) => broker.publish('none'),
  queues: (broker) => broker.queues(),
  pause: (broker) => broker.pause('none', true),
  limit: (broker) =>
    broker.limit([{ scope: { kind: 'queue', queue: 'none' }, source: 'set', limit: { concurrency: 1 } }]),
  limits: (broker) => broker.limits(),
  beat: (broker) => broker.beat({ ...worker, state: 'running' }, 1_000),
  leave: (broker) => broker.leave('w'),
  workers: (broker) => broker.workers(),
  putSchedule: (broker) => broker.putSchedule({ id: 's', rule: {}, job: spec(), nextAt: 9e12, paused: true }),
  schedules: (broker) => broker.schedules(),
  removeSchedule: (broker) => broker.removeSchedule('none'),
  fire: (broker) => broker.fire({ schedule: 'none', tick: 1, nextAt: 2, job: spec() }),
  write: (broker) => broker.write([{ ...lease, kind: 'log', level: 'info', text: 'x' }]),
  logs: (broker) => broker.logs('job'),
  steps: (broker) => broker.steps('job'),
  counters: (broker) => broker.counters(0, 9e12),
  health: (broker) => broker.health(),
} satisfies { readonly [call: string]: (broker: Postgres) => Promise<unknown> }

type Call = keyof typeof calls
const all = Object.keys(calls) as Call[]

const parts: { readonly [part: string]: readonly Call[] } = {
  producer: ['enqueue', 'enqueueKey'],
  caller: ['enqueue', 'enqueueKey', 'get'],
  // What it may do, it does inside its own transactions.
  handler: [],
  viewer: ['get', 'list', 'listByTask', 'queues', 'limits', 'workers', 'counters', 'health'],
  worker: all,
}

if (hasPostgresServer()) {
  describe('the roles', () => {
    let server: PostgresServer
    const open: { close(): Promise<void> }[] = []
    beforeAll(async () => {
      server = await startPostgres()
      await server.sql(block('roles'))
      await server.sql(block('schema'))
      const owner = await opened('owner', { migrate: true })
      await owner.enqueue([
        [spec({ id: 'job', task: 'work', input: json('secret'), search: { to: 'ada' }, tags: ['tag'] })],
        [spec({ id: 'done', queue: 'done', input: json('secret') })],
      ])
      const { jobs } = await owner.reserve(request({ queues: ['done'], starting: 1 }))
      const [claimed] = jobs
      if (claimed === undefined) throw new Error('nothing was claimed')
      await owner.write([{ ...claimed, kind: 'progress', value: json('secret') }])
      await owner.settle({ outcomes: [{ ...succeeded(claimed), result: json('secret') }] })
      const client = await connected('owner')
      await client.query(block('rights'))
    })
    afterAll(async () => {
      await Promise.all(open.map((one) => one.close()))
      await server.stop()
    })

    const urlOf = (part: string): string => server.url.replace('postgres@', `offstage_${part}@`)

    async function opened(part: string, options: Partial<PostgresOptions> = {}): Promise<Postgres> {
      const broker = postgres({ ...parseUrl(urlOf(part)), migrate: false, ...options })
      open.push(broker)
      await broker.open()
      return broker
    }

    async function connected(part: string): Promise<Client> {
      const client = new Client({ connectionString: urlOf(part) })
      open.push({ close: () => client.end() })
      await client.connect()
      return client
    }

    describe.each(Object.entries(parts))('%s', (part, allowed) => {
      test('is refused what is not its part, and nothing else', async () => {
        const broker = await opened(part)
        for (const name of all) {
          const answer = await calls[name](broker).then(
            () => 'done',
            (error: unknown) => (error as { readonly code?: string }).code,
          )
          expect.soft([name, answer]).toEqual([name, allowed.includes(name) ? 'done' : 'BROKER_FORBIDDEN'])
        }
      })

      test('may not touch tables, make anything, or replace what is there', async () => {
        const client = await connected(part)
        const refused = [
          'SELECT input FROM offstage.jobs',
          'SELECT result FROM offstage.ended',
          'SELECT * FROM offstage.names',
          'INSERT INTO offstage.live SELECT * FROM offstage.live',
          'UPDATE offstage.live SET token = 0',
          "UPDATE offstage.meta SET value = '9'",
          'DELETE FROM offstage.jobs',
          'TRUNCATE offstage.jobs',
          "SELECT nextval('offstage.tokens')",
          'DROP TABLE offstage.jobs',
          'CREATE TABLE offstage.mine (a int)',
          'CREATE FUNCTION offstage.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
          'CREATE OR REPLACE FUNCTION offstage.now_ms() RETURNS bigint LANGUAGE sql AS $$ SELECT 0::bigint $$',
          'ALTER FUNCTION offstage.now_ms() SECURITY DEFINER',
          `SELECT offstage.allow('worker', 'offstage_${part}')`,
          `GRANT offstage_owner TO offstage_${part}`,
          'SET ROLE offstage_owner',
          'CREATE ROLE mine',
        ]
        for (const statement of refused)
          await expect.soft(client.query(statement), statement).rejects.toMatchObject({ code: '42501' })
      })
    })

    test('the function of SQL is for producers, callers and workers', async () => {
      for (const part of ['producer', 'caller', 'worker']) {
        const client = await connected(part)
        for (const input of ["'1'", "'1'::json", "'1'::jsonb"])
          await client.query(`SELECT offstage.enqueue('t', ${input})`)
        // What runs with the rights of the caller is of no use to him.
        await expect(client.query("SELECT offstage.name_id('x')")).rejects.toMatchObject({ code: '42501' })
      }
      const viewer = await connected('viewer')
      await expect(viewer.query("SELECT offstage.enqueue('t')")).rejects.toMatchObject({ code: '42501' })
    })

    test('producers enqueue inside their own transactions too', async () => {
      const [producer, client] = [await opened('producer'), await connected('producer')]
      await client.query('BEGIN')
      const specs = [spec({ id: 'within', queue: 'first-of-it' })]
      expect(await producer.enqueueWithin(client, [specs])).toMatchObject([{ ok: true }])
      await client.query('COMMIT')
      expect(await (await opened('worker')).get(['within'])).toMatchObject([{ state: 'ready' }])
    })

    test('viewers see jobs without inputs, results and progress', async () => {
      const [viewer, caller] = [await opened('viewer'), await opened('caller')]
      const nothing = new Uint8Array(0)
      const listed = (await viewer.list({ states: ['succeeded'] })).jobs
      for (const [job] of [await viewer.get(['done']), listed]) {
        expect(job).toMatchObject({ id: 'done', state: 'succeeded' })
        expect([...(job?.input.bytes ?? [1])]).toEqual([...nothing])
        expect(job).not.toHaveProperty('result')
        expect(job).not.toHaveProperty('progress')
        expect(JSON.stringify(job)).not.toContain('secret')
      }
      const [job] = await caller.get(['done'])
      expect(String(Buffer.from(job?.result?.bytes ?? []))).toBe('"secret"')
    })

    test('handlers enqueue and complete jobs inside their own transactions', async () => {
      const [worker, client] = [await opened('worker'), await connected('handler')]
      await worker.enqueue([[spec({ id: 'booked', queue: 'booking' })]])
      const { jobs } = await worker.reserve(request({ queues: ['booking'], starting: 1 }))
      const [claimed] = jobs
      if (claimed === undefined) throw new Error('nothing was claimed')
      await client.query('BEGIN')
      expect(await worker.enqueueWithin(client, [[spec({ id: 'follows' })]])).toMatchObject([{ ok: true }])
      expect(await worker.settleWithin(client, succeeded(claimed))).toBe('ok')
      await client.query("SELECT offstage.enqueue('t', id => 'from-sql')")
      await client.query('COMMIT')
      expect(await worker.get(['booked', 'follows', 'from-sql'])).toMatchObject([
        { state: 'succeeded' },
        { state: 'ready' },
        { state: 'ready' },
      ])
    })

    test('a role has the rights of one part: those of another go', async () => {
      const owner = await connected('owner')
      await server.sql('CREATE ROLE offstage_changing LOGIN')
      await owner.query("SELECT offstage.allow('worker', 'offstage_changing')")
      await (await opened('changing')).maintain()
      const { rows } = await owner.query("SELECT offstage.allow('producer', 'offstage_changing') AS name")
      expect(rows.map(({ name }: { name: string }) => name)).toEqual([
        'enqueue',
        'enqueue',
        'enqueue',
        'enqueue_jobs',
        'enqueue_within',
        'register_kinds',
      ])
      await expect((await opened('changing')).maintain()).rejects.toMatchObject({ code: 'BROKER_FORBIDDEN' })
      await expect(owner.query("SELECT offstage.allow('admin', 'offstage_changing')")).rejects.toMatchObject({
        code: '22023',
        hint: 'It is producer, caller, handler, viewer or worker.',
      })
    })

    test('nothing is for everybody, and what runs with the rights of the owner finds its own tables first', async () => {
      const functions = await server.sql<{
        name: string
        open: boolean
        definer: boolean
        config: string[] | null
      }>(
        `SELECT p.oid::regprocedure::text AS name, has_function_privilege('public', p.oid, 'EXECUTE') AS open,
           p.prosecdef AS definer, p.proconfig AS config
         FROM pg_proc p WHERE p.pronamespace = 'offstage'::regnamespace`,
      )
      expect(functions.filter(({ open: everybody }) => everybody)).toEqual([])
      const path = 'search_path="offstage", pg_temp'
      const loose = functions.filter(
        ({ definer, config }) =>
          definer && !(config ?? []).some((one) => one.replace('=offstage', '="offstage"') === path),
      )
      expect(loose.map(({ name }) => name)).toEqual([])
      expect(functions.filter(({ definer }) => definer).length).toBeGreaterThan(25)
      const [rights] = await server.sql(
        `SELECT has_schema_privilege('public', 'offstage', 'CREATE') AS make, has_schema_privilege('public', 'offstage', 'USAGE') AS use`,
      )
      expect(rights).toEqual({ make: false, use: false })
    })

    test('objects that somebody makes for himself are not taken for those of the schema', async () => {
      const client = await connected('producer')
      await client.query(`
        CREATE TEMP TABLE names (id int, name text);
        CREATE TEMP TABLE rules (scope "char", name int);
        CREATE TEMP TABLE jobs (id text);
        CREATE FUNCTION pg_temp.now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
        CREATE FUNCTION pg_temp.kind_id(text, text, OUT id int, OUT queue int, OUT task int) LANGUAGE sql AS 'SELECT 1, 1, 1';
        SET search_path = pg_temp, pg_catalog, offstage`)
      await client.query("SELECT offstage.enqueue('shadowed', id => 'shadowed')")
      const [job] = await (await opened('worker')).get(['shadowed'])
      expect(job).toMatchObject({ id: 'shadowed', task: 'shadowed', state: 'ready' })
      expect(job?.createdAt).toBeGreaterThan(0)
    })
  })
}
