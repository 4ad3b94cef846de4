// Proves the function for people, `enqueue`: what it stores is what the library stores, it is part of the caller's
// transaction, it refuses what the library refuses, and a worker runs it, from SQL and from a trigger.
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { freshSchema, postgresTest as test } from '../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../test/support/servers.ts'
import { offstage } from '../../app/app.ts'
import type { JobRecord } from '../../job/record.ts'
import { request, spec, succeeded } from '../../laws/factories.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { postgres } from './postgres.ts'
import { parseUrl } from './url.ts'

let schema: string
let client: Client
let broker: ReturnType<typeof postgres>

beforeEach(async () => {
  schema = freshSchema()
  broker = postgres({ ...parseUrl(postgresUrl), schema })
  client = new Client({ connectionString: postgresUrl })
  await Promise.all([broker.open(), client.connect()])
})
afterEach(async () => {
  await Promise.all([broker.close(), client.end()])
})

/** Calls the function with arguments as they stand in SQL. */
async function enqueue(args: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(`SELECT ${schema}.enqueue(${args}) AS id`)
  return rows[0]?.id ?? ''
}

async function record(id: string): Promise<JobRecord> {
  const [found] = await broker.get([id])
  if (found === undefined) throw new Error(`there is no job ${id}`)
  return found
}

const inputOf = ({ input }: JobRecord): unknown => JSON.parse(Buffer.from(input.bytes).toString())

describe('what is stored', () => {
  test('is what the library stores', async () => {
    const app = offstage({ broker, logger: silentLogger })
    const task = app.task({ name: 'mail', queue: 'mail', run: () => undefined })
    const long = 'é'.repeat(256)
    const written = await Promise.all([
      task.enqueue({ to: 'ada' }),
      task.enqueue(undefined, { delay: '1h', priority: 9, expiresIn: '2h', tags: ['a', 'b', 'a'] }),
      task.enqueue([1], {
        unique: 'key',
        partition: 'p',
        search: { to: 'ada' },
        headers: { trace: 'x "y"' },
      }),
      task.enqueue(null, { unique: long, runAt: new Date('2090-01-31T10:00:00.5Z') }),
    ])
    const before = await broker.get(written.map(({ id }) => id))
    await broker.remove({ ids: written.map(({ id }) => id) })
    const ids = [
      await enqueue(`'mail', '{"to":"ada"}', 'mail'`),
      await enqueue(
        `'mail', queue => 'mail', delay => '1 hour', priority => 9, expires_in => '2 hours', tags => '{a,b,a}'`,
      ),
      await enqueue(
        `'mail', '[1]'::json, 'mail', unique_key => 'key', partition => 'p', search => '{"to":"ada"}', headers => '{"trace":"x \\"y\\""}'`,
      ),
      await enqueue(
        `'mail', 'null'::jsonb, 'mail', unique_key => '${long}', run_at => '2090-01-31T10:00:00.5Z'`,
      ),
    ]
    const after = await broker.get(ids)
    const comparable = (job: JobRecord | undefined): unknown => {
      if (job === undefined) return job
      const { id, seq, createdAt, runAt, expiresAt, input, ...rest } = job
      return {
        ...rest,
        input: Buffer.from(input.bytes).toString(),
        waits: runAt === undefined || rest.unique !== undefined ? runAt : runAt - createdAt,
        expires: expiresAt === undefined ? undefined : expiresAt - createdAt,
      }
    }
    expect(after.map(comparable)).toEqual(before.map(comparable))
    await app.close()
  })

  test.each([
    [`'{"a": "text"}'`, { a: 'text' }],
    [`'{"a": "text"}'::text`, { a: 'text' }],
    [`'{"a":1}'::json`, { a: 1 }],
    [`jsonb_build_object('n', 1.5)`, { n: 1.5 }],
    [`to_jsonb('word'::text)`, 'word'],
  ])('takes an input of %s', async (sql, value) => {
    expect(inputOf(await record(await enqueue(`'t', ${sql}`)))).toEqual(value)
  })

  test.each(["'t'", "'t', NULL", "'t', NULL::jsonb"])('has no input after enqueue(%s)', async (args) => {
    const { input, queue, priority, state, task } = await record(await enqueue(args))
    expect({ bytes: input.bytes.length, queue, priority, state, task }).toEqual({
      bytes: 0,
      queue: 'default',
      priority: 5,
      state: 'ready',
      task: 't',
    })
  })

  test('has an id that sorts by time, or the one that was given', async () => {
    const ids = [await enqueue("'t'"), await enqueue("'t'")]
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(
      Math.abs(Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16) - Date.now()),
    ).toBeLessThan(60_000)
    expect(await enqueue("'t', id => 'mine'")).toBe('mine')
  })

  test('months have their own lengths', async () => {
    const { createdAt, runAt = 0 } = await record(await enqueue("'t', delay => '1 month'"))
    const { rows } = await client.query<{ ms: string }>(
      "SELECT extract(epoch FROM (now() + interval '1 month') - now()) * 1000 AS ms",
    )
    expect(Math.abs(runAt - createdAt - Number(rows[0]?.ms))).toBeLessThan(1_000)
  })
})

describe('a duplicate', () => {
  test('answers the id of the job that is there', async () => {
    expect(await enqueue("'t', id => 'one', unique_key => 'k'")).toBe('one')
    expect(await enqueue("'t', '1', id => 'one'")).toBe('one')
    expect(await enqueue("'t', id => 'two', unique_key => 'k'")).toBe('one')
    expect(await enqueue("'other', id => 'three', unique_key => 'k'")).toBe('three')
    expect(await enqueue("'t', id => 'four', unique_key => 'k', on_conflict => 'replace'")).toBe('four')
    expect(await broker.get(['two'])).toEqual([undefined])
    expect(await record('one')).toMatchObject({ state: 'cancelled', reason: 'replaced' })
  })

  test('of a key is one for the library too', async () => {
    const app = offstage({ broker, logger: silentLogger })
    const task = app.task({ name: 't', run: () => undefined })
    await enqueue("'t', id => 'one', unique_key => 'k', unique_during => 'waiting'")
    expect(await task.enqueue(undefined, { unique: 'k' })).toMatchObject({ id: 'one', duplicate: true })
    await app.close()
  })

  test('of the id of another task is an error', async () => {
    await enqueue("'t', id => 'one'")
    await expect(enqueue("'u', id => 'one'")).rejects.toMatchObject({
      code: '23505',
      message: "the id 'one' belongs to a job of task 't'",
    })
  })
})

test('what the library refuses is refused', async () => {
  const control = "E'a\\tb'"
  const refused = [
    ["'no spaces'", "'no spaces' is no name for a task"],
    ["E'line\\n'", 'is no name for a task'],
    ["''", "'' is no name for a task"],
    ['NULL', 'null is no name for a task'],
    [`repeat('x', 129)`, 'is no name for a task'],
    ["'t', queue => 'a/b'", "'a/b' is no name for a queue"],
    ["'t', '{'", 'invalid input syntax for type json'],
    ["'t', ''", 'invalid input syntax for type json'],
    [`'t', to_jsonb(repeat('x', 1048575))`, 'input has 1048577 bytes'],
    ["'t', priority => 10", 'priority is 10'],
    ["'t', priority => -1", 'priority is -1'],
    ["'t', id => ''", 'id is'],
    [`'t', id => ${control}`, 'id is'],
    [`'t', id => U&'\\0085'`, 'id is'],
    [`'t', id => repeat('x', 513)`, 'id is'],
    [`'t', unique_key => ''`, 'unique_key is'],
    [`'t', partition => ${control}`, 'partition is'],
    ["'t', unique_key => 'k', unique_during => 'always'", "unique_during is 'always'"],
    ["'t', unique_key => 'k', on_conflict => 'drop'", "on_conflict is 'drop'"],
    ["'t', delay => '1 s', run_at => now()", 'delay and run_at are both given'],
    ["'t', delay => '-1 s'", "delay is '-00:00:01'"],
    ["'t', delay => '101 years'", 'delay is'],
    ["'t', expires_in => '0'", 'expires_in is'],
    ["'t', run_at => 'infinity'", 'run_at is infinity'],
    [`'t', tags => ARRAY[${control}]`, 'a tag is'],
    ["'t', tags => ARRAY[NULL]", 'a tag is null'],
    ["'t', tags => ARRAY(SELECT n::text FROM generate_series(1, 17) g(n))", 'tags has more than 16'],
    ["'t', search => '[]'", 'search is no object'],
    [`'t', search => '{"a b":"x"}'`, "'a b' is no name for a field of search"],
    [`'t', search => '{"a":1}'`, 'search.a is no text'],
    [`'t', search => '{"a":""}'`, 'search.a is'],
    [
      `'t', search => '{"a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":""}'`,
      'search has more than 8 fields',
    ],
    [`'t', headers => '{"":"x"}'`, 'is no name for a field of headers'],
    [`'t', headers => jsonb_build_object('a', repeat('x', 4097))`, 'headers.a has more than 4096 bytes'],
  ] as const
  for (const [args, said] of refused) {
    const call = enqueue(args)
    await expect.soft(call, args).rejects.toThrow(said)
    await expect.soft(call, args).rejects.toMatchObject({ code: expect.stringMatching(/^22(023|P02)$/) })
  }
  expect((await broker.list({})).jobs).toEqual([])
})

describe('a worker of the library', () => {
  /** Runs `act` while a worker runs; answers the first inputs that it has seen, in order. */
  async function working(count: number, act: () => Promise<unknown>): Promise<unknown[]> {
    const app = offstage({ broker: postgres({ ...parseUrl(postgresUrl), schema }), logger: silentLogger })
    const seen: unknown[] = []
    let done = (): void => undefined
    const all = new Promise<void>((resolve) => {
      done = resolve
    })
    const task = app.task({
      name: 'welcome',
      run(input: { readonly name: string }) {
        seen.push(input)
        if (seen.length === count) done()
      },
    })
    const worker = app.worker({ tasks: [task], grace: 0 })
    await worker.start()
    try {
      await act()
      await all
    } finally {
      await worker.stop()
      await app.close()
    }
    return seen
  }

  test('runs it once it is committed, and never what was rolled back', async () => {
    const seen = await working(1, async () => {
      await client.query('BEGIN')
      await enqueue(`'welcome', '{"name":"nobody"}'`)
      await client.query('ROLLBACK')
      await client.query('BEGIN')
      const id = await enqueue(`'welcome', '{"name":"ada"}'`)
      expect(await broker.get([id])).toEqual([undefined])
      await client.query('COMMIT')
    })
    expect(seen).toEqual([{ name: 'ada' }])
    expect((await broker.list({})).jobs).toHaveLength(1)
  })

  test('runs what a trigger enqueues', async () => {
    await client.query(`
      CREATE TABLE ${schema}.users (id int PRIMARY KEY, name text);
      CREATE FUNCTION ${schema}.greet() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM ${schema}.enqueue('welcome', jsonb_build_object('name', NEW.name), unique_key => NEW.id::text);
        RETURN NEW;
      END $$;
      CREATE TRIGGER greet AFTER INSERT ON ${schema}.users FOR EACH ROW EXECUTE FUNCTION ${schema}.greet();`)
    const seen = await working(2, () =>
      client.query(`INSERT INTO ${schema}.users VALUES (1, 'ada'), (2, 'grace')`),
    )
    expect(seen).toEqual([{ name: 'ada' }, { name: 'grace' }])
  })
})

test('a transaction that stays open makes nobody wait', async () => {
  const others = postgres({ ...parseUrl(postgresUrl), schema, sessionOptions: '-c statement_timeout=3s' })
  await others.open()
  const limits = { queue: 'line', task: 'work' }
  await others.limit([
    { scope: { kind: 'queue', queue: limits.queue }, source: 'set', limit: { concurrency: 10 } },
    { scope: { kind: 'task', task: limits.task }, source: 'set', limit: { concurrency: 10 } },
    { scope: { kind: 'partition', queue: limits.queue }, source: 'set', limit: { concurrency: 5 } },
  ])
  await others.enqueue([[spec({ id: 'first', partition: 'p' })]])
  await client.query('BEGIN')
  await enqueue(
    "'work', queue => 'line', partition => 'p', id => 'open', tags => '{a}', search => '{\"to\":\"ada\"}'",
  )
  await enqueue("'work', queue => 'line', unique_key => 'open', delay => '1 s'")
  await others.enqueue([[spec({ id: 'second', partition: 'p' })]])
  const { jobs } = await others.reserve(request({ max: 5 }))
  expect(jobs.map(({ id }) => id)).toEqual(['first', 'second'])
  expect((await others.settle({ outcomes: jobs.map((job) => succeeded(job)) })).answers).toEqual(['ok', 'ok'])
  await others.maintain()
  await others.pause('line', true)
  await others.pause('line', false)
  await client.query('COMMIT')
  expect((await others.reserve(request({ max: 5 }))).jobs.map(({ id }) => id)).toEqual(['open'])
  await others.close()
})

test('a transaction wakes a queue once, however many jobs it enqueues', async () => {
  const heard: string[] = []
  const listener = new Client({ connectionString: postgresUrl })
  await listener.connect()
  listener.on('notification', ({ payload = '' }) => heard.push(payload))
  await listener.query(`LISTEN ${schema}`)
  await client.query(
    `BEGIN; SELECT ${schema}.enqueue('t', queue => 'q') FROM generate_series(1, 100); COMMIT`,
  )
  await client.query(`SELECT pg_notify('${schema}', 'end')`)
  await expect.poll(() => heard.at(-1)).toBe('end')
  expect(heard).toEqual(['wq', 'end'])
  await listener.end()
})

describe('what would break the steps of others is refused where it is stored', () => {
  const jobs = (more: string, queue = "'q'"): string =>
    `${schema}.enqueue_jobs(ARRAY[${queue}], '{t}', '{1}', '{x}', ARRAY[''::bytea], '{0}'${more})`

  test.each([
    ["p_expires => '{1}', p_flags => '{256}', p_keep_cancelled => '{9223372036854775807}'"],
    ["p_keep_succeeded => '{-1}'"],
    ["p_priorities => '{10}'"],
  ])('%s', async (more) => {
    await expect(client.query(`SELECT ${jobs(`, ${more}`)}`)).rejects.toMatchObject({ code: '23514' })
  })

  test('a name that no notification could carry', async () => {
    await expect(client.query(`SELECT ${jobs('', "repeat('q', 8000)")}`)).rejects.toMatchObject({
      code: '23514',
    })
  })

  test('a key that belongs to no job is nobody’s', async () => {
    await client.query(`INSERT INTO ${schema}.unique_keys (key, seq) VALUES ('t\n"k"', -1), ('k', -1)`)
    const unique = { key: 'k', during: 'unfinished', onConflict: 'keep' } as const
    const answers = await broker.enqueue([[spec({ id: 'job', unique })]])
    expect(answers).toMatchObject([{ ok: true }])
  })
})
