// Rows and jobs together, from the call to the worker, with each library on the real broker.
import { type App, hasCode, offstage, type Transaction } from 'offstage'
import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { freshSchema, hasPostgres } from '../support/postgres-tests.ts'
import { postgresUrl } from '../support/servers.ts'
import { type Library, libraries } from './libraries.ts'

const there = hasPostgres()
const schema = freshSchema()
const notes = `"${schema}".app_notes`

let app: App
let admin: Pool

beforeAll(async () => {
  if (!there) return
  admin = new Pool({ connectionString: postgresUrl, max: 2 })
  app = offstage({ broker: postgres(`${postgresUrl}?schema=${schema}`) })
  await app.queues.list()
  await admin.query(`CREATE TABLE ${notes} (text text)`)
})
beforeEach(() => admin?.query(`DELETE FROM ${notes}`))
afterAll(async () => {
  await app?.close()
  await admin?.end()
})

const written = async (): Promise<unknown[]> =>
  (await admin.query(`SELECT text FROM ${notes} ORDER BY text`)).rows.map(({ text }) => text as unknown)

/** A row of the application's own, on the connection of the transaction. */
async function note(library: Library, tx: Transaction, text: string): Promise<void> {
  await library.run(tx, `INSERT INTO ${notes} VALUES ('${text}')`)
}

describe.each(there ? libraries(postgresUrl) : [])('$name', (library) => {
  afterAll(() => library.close())

  const ids = new Map<string, number>()
  const nameFor = (what: string): string => {
    ids.set(what, (ids.get(what) ?? 0) + 1)
    return `${what}:${library.name.replaceAll(/\W/g, '-')}:${ids.get(what)}`
  }

  test('a job is there with the rows, and its handle works after the commit', async () => {
    const hello = app.task({
      name: nameFor('hello'),
      queue: nameFor('q'),
      run: (name: string) => `hello ${name}`,
    })
    const job = await library.transaction(async (tx) => {
      await note(library, tx, 'order')
      const handle = await hello.enqueue('é"\\\u0001😀', { tx, headers: { h: 'x' }, tags: ['t'], delay: 1 })
      expect(await handle.record()).toBeUndefined()
      return handle
    })
    expect((await job.record())?.headers).toEqual({ h: 'x' })
    const worker = app.worker({ tasks: [hello] })
    await worker.start()
    expect(await job.result({ timeout: '10s' })).toBe('hello é"\\\u0001😀')
    await worker.stop()
    expect(await written()).toEqual(['order'])
  })

  test('neither is there after a rollback', async () => {
    const hello = app.task({ name: nameFor('hello'), queue: nameFor('q'), run: () => null })
    const id = nameFor('gone')
    const work = library.transaction(async (tx) => {
      await note(library, tx, 'order')
      await hello.enqueue(undefined, { tx, id })
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await written()).toEqual([])
    expect(await app.job(id).record()).toBeUndefined()
  })

  test('many jobs, duplicates, and a refusal that leaves the transaction whole', async () => {
    const queue = nameFor('q')
    const hello = app.task({ name: nameFor('hello'), queue, run: (n: number) => n })
    const other = app.task({ name: nameFor('other'), queue, run: (n: number) => n })
    const taken = nameFor('taken')
    await other.enqueue(0, { id: taken })
    await library.transaction(async (tx) => {
      await hello.enqueueMany(
        Array.from({ length: 1_500 }, (_, n) => n),
        { tx },
      )
      const [first] = await app.enqueue([hello.with(1, { id: `${taken}-a` }), other.with(2)], { tx })
      expect(first.duplicate).toBe(false)
      expect((await hello.enqueue(1, { id: `${taken}-a`, tx })).duplicate).toBe(true)
      await expect(hello.enqueue(1, { id: taken, tx })).rejects.toMatchObject({ code: 'ID_TAKEN' })
      await note(library, tx, 'order')
    })
    expect(await written()).toEqual(['order'])
    const [counted] = (await app.queues.list()).filter((one) => one.queue === queue)
    expect(counted?.counts.ready).toBe(1_503)
    await app.jobs.remove({ query: { queue } })
  })

  test('a success with its rows: once, although the first attempt failed after it', async () => {
    let runs = 0
    const book = app.task({
      name: nameFor('book'),
      queue: nameFor('q'),
      retry: { base: 1, max: 1 },
      run: (text: string, ctx) =>
        library.transaction(async (tx) => {
          runs += 1
          await note(library, tx, text)
          const result = await ctx.complete(tx, { text, runs })
          if (runs === 1) throw new Error('the first time fails')
          return result
        }),
    })
    const worker = app.worker({ tasks: [book] })
    await worker.start()
    const job = await book.enqueue('booked')
    expect(await job.result({ timeout: '10s' })).toEqual({ text: 'booked', runs: 2 })
    expect(await written()).toEqual(['booked'])
    await worker.stop()
  })

  test('jobs that follow, and the success, in one transaction', async () => {
    const queue = nameFor('q')
    const follow = app.task({ name: nameFor('follow'), queue, run: (n: number) => n * 2 })
    const lead = app.task({
      name: nameFor('lead'),
      queue,
      run: (n: number, ctx) =>
        library.transaction(async (tx) => {
          const next = await follow.enqueue(n, { tx })
          return ctx.complete(tx, next.id)
        }),
    })
    const worker = app.worker({ tasks: [lead, follow] })
    await worker.start()
    const id = await (await lead.enqueue(21)).result({ timeout: '10s' })
    expect(await follow.job(id).result({ timeout: '10s' })).toBe(42)
    await worker.stop()
  })

  test('a root client or a pool is refused, and the jobs are not stored', async () => {
    const hello = app.task({ name: nameFor('hello'), queue: nameFor('q'), run: () => null })
    for (const root of Object.values(library.roots)) {
      const id = nameFor('refused')
      const error = await hello
        .enqueue(undefined, { tx: root as never, id })
        .catch((thrown: unknown) => thrown)
      expect(hasCode(error, 'TX_INVALID')).toBe(true)
      expect(await app.job(id).record()).toBeUndefined()
    }
  })
})
