import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeTransactions } from '../../test/support/fake-transactions.ts'
import { offstage } from '../app/app.ts'
import { memory } from '../brokers/memory/memory.ts'
import { OffstageError } from '../errors/error.ts'

let db: FakeTransactions
let calls: number[]

beforeEach(() => {
  calls = []
  db = new FakeTransactions(memory())
  const { enqueueWithin } = db.broker
  db.broker.enqueueWithin = (tx, groups) => {
    calls.push(groups.flat().length)
    return enqueueWithin(tx, groups)
  }
})

describe('inside a transaction', () => {
  const setup = () => {
    const app = offstage({ broker: db.broker })
    const send = app.task({ name: 'send', run: (n: number) => n })
    apps.push(app)
    return { app, send }
  }
  const apps: { close(): Promise<void> }[] = []
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()))
  })

  test('a job is there from the commit on, and its handle works', async () => {
    const { app, send } = setup()
    const tx = db.begin()
    const job = await send.enqueue(1, { tx })
    expect(job.duplicate).toBe(false)
    expect(await job.record()).toBeUndefined()
    await tx.commit()
    expect(await job.state()).toBe('ready')
    const worker = app.worker()
    await worker.start()
    expect(await job.result()).toBe(1)
    await worker.stop()
  })

  test('nothing is there after a rollback', async () => {
    const { send } = setup()
    const failed = db.run(async (tx) => {
      await send.enqueue(1, { tx, id: 'gone' })
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    expect(await send.job('gone').record()).toBeUndefined()
  })

  test('many travel in chunks, one after the other', async () => {
    const { app, send } = setup()
    const inputs = Array.from({ length: 2_500 }, (_, n) => n)
    await db.run((tx) => send.enqueueMany(inputs, { tx }))
    expect(calls).toEqual([1_000, 1_000, 500])
    expect((await app.queues.list())[0]?.counts.ready).toBe(2_500)
  })

  test('several tasks together, by the option or by that of each call', async () => {
    const { app, send } = setup()
    const other = app.task({ name: 'other', run: () => null })
    await db.run((tx) => app.enqueue([send.with(1), other.with()], { tx }))
    await db.run((tx) => app.enqueue([send.with(1, { tx }), other.with(undefined, { tx })]))
    await db.run((tx) => send.enqueueMany([1, 2], () => ({ tx })))
    expect(calls).toEqual([2, 2, 2])
  })

  test('one transaction for all that is enqueued together', async () => {
    const { app, send } = setup()
    const tx = db.begin()
    const mixed = [send.with(1, { tx }), send.with(2)]
    await expect(app.enqueue(mixed)).rejects.toMatchObject({ code: 'TX_INVALID' })
    await expect(app.enqueue(mixed, { tx: db.begin() })).rejects.toMatchObject({ code: 'TX_INVALID' })
    expect(calls).toEqual([])
  })

  test('checks and middleware run as ever, and a middleware may bring the transaction', async () => {
    const { app, send } = setup()
    const tx = db.begin()
    app.use({
      async enqueue(call, next) {
        call.options = { ...call.options, tx, headers: { trace: 'x' } }
        await next()
      },
    })
    const job = await send.enqueue(1)
    await expect(send.enqueue(1, { id: '' })).rejects.toMatchObject({ code: 'ID_INVALID' })
    await tx.commit()
    expect((await job.record())?.headers).toEqual({ trace: 'x' })
    expect(calls).toEqual([1])
  })

  test('an error is not waited out, and what was refused is told by its code', async () => {
    const { send } = setup()
    let tries = 0
    db.broker.enqueueWithin = async () => {
      tries += 1
      throw new OffstageError('BROKER_UNAVAILABLE', 'away')
    }
    const tx = db.begin()
    await expect(send.enqueue(1, { tx })).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    expect(tries).toBe(1)
    db.broker.enqueueWithin = async () => [{ ok: false, code: 'ID_TAKEN', id: 'a', message: 'taken' }]
    await expect(send.enqueue(1, { tx, id: 'a' })).rejects.toMatchObject({
      code: 'ID_TAKEN',
      details: { id: 'a' },
    })
  })

  test('what is no transaction', async () => {
    const { send } = setup()
    const tx = db.begin()
    tx.rollback()
    await expect(send.enqueue(1, { tx })).rejects.toMatchObject({ code: 'TX_INVALID' })
    await expect(send.enqueue(1, { tx: null as never })).rejects.toMatchObject({ code: 'TX_INVALID' })
  })
})

test('a broker without transactions says so, and stores nothing', async () => {
  const app = offstage({ broker: 'memory:' })
  const send = app.task({ name: 'send', run: (n: number) => n })
  const refused = send.enqueue(1, { tx: db.begin(), id: 'a' })
  await expect(refused).rejects.toMatchObject({ code: 'TX_UNSUPPORTED' })
  expect(await send.job('a').record()).toBeUndefined()
  await app.close()
})
