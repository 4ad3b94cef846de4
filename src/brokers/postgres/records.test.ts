// What the laws do not reach of the record half: damaged rows, bytes that a text cannot hold, pages by every index, and
// limits that come while jobs run.
import { Client } from 'pg'
import { afterAll, beforeAll, expect } from 'vitest'
import { freshSchema, hasPostgres, postgresTest } from '../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../test/support/servers.ts'
import type { Broker, ListRequest } from '../../broker/contract.ts'
import { request, retry, spec, specs, succeeded, unique } from '../../laws/factories.ts'
import { postgres } from './postgres.ts'

if (hasPostgres()) {
  const schema = freshSchema()
  let broker: Broker
  let client: Client
  beforeAll(async () => {
    client = new Client({ connectionString: postgresUrl })
    await client.connect()
    await client.query('SELECT 1')
    broker = postgres(`${postgresUrl}?schema=${schema}`)
    await broker.open()
  })
  afterAll(async () => {
    await broker.close()
    await client.end()
  })

  const idsOf = async (question: ListRequest): Promise<readonly string[]> => {
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const page = await broker.list({ ...question, limit: 2, cursor })
      ids.push(...page.jobs.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== undefined)
    return ids
  }

  postgresTest('a job whose rare fields are damaged is shown without them, and can be removed', async () => {
    await broker.enqueue([[spec({ id: 'damaged', queue: 'd', tags: ['t'] })]])
    await client.query(`UPDATE ${schema}.jobs SET rare = '{' WHERE id = 'damaged'`)
    const [record] = await broker.get(['damaged'])
    expect(record).toMatchObject({ id: 'damaged', state: 'ready', maxCrashes: 3 })
    expect(record?.tags).toBeUndefined()
    expect(await broker.remove({ ids: ['damaged'] })).toMatchObject({ done: ['damaged'] })
  })

  postgresTest('log lines and names of steps may hold any character', async () => {
    await broker.enqueue([[spec({ id: 'noted', queue: 'n' })]])
    const { jobs } = await broker.reserve(request({ queues: ['n'] }))
    const token = jobs[0]?.token ?? 0
    const text = 'a\u0000b\u{1f600}'
    const lease = { id: 'noted', token }
    const value = { codec: 7, bytes: new Uint8Array([0, 1, 255]) }
    const answers = await broker.write([
      { ...lease, kind: 'log', level: 'warn', text },
      { ...lease, kind: 'step', name: text, value },
      { ...lease, kind: 'progress', value },
      { ...lease, token: token + 1, kind: 'log', level: 'warn', text },
      { id: 'nobody', token, kind: 'progress', value },
    ])
    expect(answers).toEqual(['ok', 'ok', 'ok', 'lost', 'lost'])
    expect(await broker.logs('noted')).toMatchObject([{ seq: 1, token, level: 'warn', text }])
    expect(await broker.steps('noted')).toMatchObject([{ name: text, value }])
    expect((await broker.get(['noted']))[0]?.progress).toEqual(value)
    await broker.settle({ outcomes: [succeeded({ id: 'noted', token })] })
    await broker.remove({ ids: ['noted'] })
    expect(await broker.logs('noted')).toEqual([])
  })

  postgresTest('a page is found by every index and every filter', async () => {
    const job = { queue: 'listed', search: { to: 'ada', of: 'x' }, tags: ['red', 'blue'], partition: 'p' }
    await broker.enqueue([
      [spec({ id: 'l1', ...job, task: 'one' }), spec({ id: 'l2', ...job, workflow: 'flow' })],
      [spec({ id: 'l3', queue: 'listed', search: { to: 'ada' } }), spec({ id: 'l4', queue: 'listed' })],
    ])
    const claims = (await broker.reserve(request({ queues: ['listed'], max: 4 }))).jobs
    const l4 = claims.find(({ id }) => id === 'l4') ?? { id: '', token: 0 }
    await broker.settle({ outcomes: [retry(l4)] })
    const [failed] = await broker.get(['l4'])
    const listed = { queue: 'listed', order: 'oldest' } as const
    expect(await idsOf(listed)).toEqual(['l1', 'l2', 'l3', 'l4'])
    expect(await idsOf({ ...listed, order: 'newest' })).toEqual(['l4', 'l3', 'l2', 'l1'])
    expect(await idsOf({ ...listed, task: 'one' })).toEqual(['l1'])
    expect(await idsOf({ search: { to: 'ada', of: 'x' }, order: 'oldest' })).toEqual(['l1', 'l2'])
    expect(await idsOf({ search: { to: 'ada' }, tag: 'blue', workflow: 'flow' })).toEqual(['l2'])
    expect(await idsOf({ ...listed, partition: 'p' })).toEqual(['l1', 'l2'])
    expect(await idsOf({ ...listed, fingerprint: failed?.error?.fingerprint })).toEqual(['l4'])
    expect(await idsOf({ ...listed, states: ['active', 'scheduled', 'ready'] })).toEqual([
      'l1',
      'l2',
      'l3',
      'l4',
    ])
    expect(await idsOf({ ...listed, states: ['active'] })).toEqual(['l1', 'l2', 'l3'])
    expect(await idsOf({ ...listed, createdFrom: failed?.createdAt ?? 0 })).toContain('l4')
    expect(await idsOf({ ...listed, createdTo: claims[0]?.createdAt ?? 0 })).toEqual([])
    for (const nothing of [
      { queue: 'nowhere' },
      { states: [] },
      { workflow: "it's" },
      { search: { a: 'b' } },
    ])
      expect(await idsOf(nothing)).toEqual([])
  })

  postgresTest('a cursor of something else is refused', async () => {
    for (const cursor of ['', 'x', '-1', '1.5', "1'; DROP"])
      await expect(broker.list({ cursor })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  postgresTest('a selection by query goes on where the first of it are left alone', async () => {
    const key = unique('steered')
    for (const id of ['s1', 's2', 's3']) {
      await broker.enqueue([[spec({ id, queue: 'steered', unique: key })]])
      await broker.cancel({ ids: [id] })
    }
    await broker.enqueue([[spec({ id: 's4', queue: 'steered' }), spec({ id: 's5', queue: 'steered' })]])
    await broker.cancel({ ids: ['s4', 's5'] })
    const query = { queue: 'steered' }
    expect(await broker.retry({ query, limit: 2 })).toEqual({
      done: ['s1', 's4'],
      skipped: ['s2', 's3'].map((id) => ({ id, state: 'cancelled' })),
      more: true,
    })
    expect(await broker.cancel({ query, limit: 2 })).toEqual({ done: ['s1', 's4'], skipped: [], more: false })
  })

  postgresTest('a limit counts what is active already, once it is changed and when it is gone', async () => {
    await broker.enqueue([specs(6, 'lim', { queue: 'lim', partition: 'p' })])
    const first = await broker.reserve(request({ queues: ['lim'], max: 2 }))
    expect(first.jobs).toHaveLength(2)
    const scope = { kind: 'partition', queue: 'lim' } as const
    const claimed = async (): Promise<number> =>
      (await broker.reserve(request({ queues: ['lim'], max: 9 }))).jobs.length
    await broker.limit([{ scope, source: 'declared', limit: { concurrency: 2 } }])
    expect(await claimed()).toBe(0)
    await broker.limit([{ scope, source: 'set', limit: { concurrency: 3 } }])
    expect(await claimed()).toBe(1)
    await broker.settle({ outcomes: first.jobs.map((job) => succeeded(job)) })
    expect(await claimed()).toBe(2)
    await broker.limit([{ scope, source: 'set', limit: null }])
    await broker.limit([{ scope, source: 'declared', limit: null }])
    expect(await claimed()).toBe(1)
    const { rows } = await client.query(`SELECT * FROM ${schema}.slots WHERE scope LIKE 'p%'`)
    expect(rows).toEqual([])
    expect(await broker.limits()).toEqual([])
    expect((await broker.queues()).map(({ queue }) => queue)).toContain('lim')
  })

  for (const end of ['COMMIT', 'ROLLBACK'] as const)
    postgresTest(`a limit waits for no transaction of the user's, before its ${end}`, async () => {
      const queue = `open-${end}`
      await broker.enqueue([specs(3, queue, { queue, partition: 'p' })])
      const { jobs } = await broker.reserve(request({ queues: [queue], max: 1 }))
      const [job] = jobs
      const scope = { kind: 'partition', queue } as const
      const claimed = async (): Promise<number> =>
        (await broker.reserve(request({ queues: [queue], max: 9 }))).jobs.length
      const session = new Client({ connectionString: postgresUrl })
      await session.connect()
      try {
        await session.query('BEGIN')
        // As one that records a success does.
        await session.query(`DELETE FROM ${schema}.live WHERE state = 3 AND token = $1`, [job?.token])
        await broker.limit([{ scope, source: 'set', limit: { concurrency: 1 } }])
        expect(await claimed()).toBe(0)
        await broker.maintain()
        await session.query(end)
      } finally {
        await session.end()
      }
      await broker.maintain()
      expect(await claimed()).toBe(end === 'COMMIT' ? 1 : 0)
      if (end === 'ROLLBACK') {
        await broker.settle({ outcomes: jobs.map((one) => succeeded(one)) })
        expect(await claimed()).toBe(1)
      }
      await broker.limit([{ scope, source: 'set', limit: null }])
    })

  postgresTest('a limit of something without jobs makes a queue known, and so does a pause', async () => {
    await broker.limit([
      { scope: { kind: 'queue', queue: 'empty' }, source: 'set', limit: { concurrency: 1 } },
    ])
    await broker.pause('still', true)
    const known = (await broker.queues()).filter(({ queue }) => ['empty', 'still'].includes(queue))
    expect(known).toMatchObject([
      { queue: 'empty', paused: false, limit: { concurrency: 1 }, counts: { ready: 0 } },
      { queue: 'still', paused: true, counts: { ready: 0 } },
    ])
    await broker.limit([{ scope: { kind: 'queue', queue: 'empty' }, source: 'set', limit: null }])
  })

  postgresTest(
    'two that fire a tick at once enqueue its job once, and nothing where it was not theirs',
    async () => {
      const { id: _, ...job } = spec({ queue: 'fired' })
      await broker.putSchedule({ id: 'tick', rule: { every: 1, a: { b: 1 } }, job, nextAt: 5, paused: false })
      await broker.putSchedule({ id: 'tick', rule: { a: { b: 1 }, every: 1 }, job, nextAt: 7, paused: false })
      const fire = (id: string): Promise<boolean> =>
        broker.fire({ schedule: 'tick', tick: 5, nextAt: 9, job: spec({ id, queue: 'fired' }) })
      const fired = await Promise.all(['f1', 'f2', 'f3'].map(fire))
      expect(fired.filter(Boolean)).toHaveLength(1)
      expect(await idsOf({ queue: 'fired' })).toHaveLength(1)
      expect(await broker.schedules()).toMatchObject([{ id: 'tick', job, nextAt: 9, lastAt: 5 }])
      expect([await broker.removeSchedule('tick'), await broker.removeSchedule('tick')]).toEqual([
        true,
        false,
      ])
    },
  )
}
