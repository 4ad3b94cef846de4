import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FakeTransaction, FakeTransactions } from '../../test/support/fake-transactions.ts'
import { type Deferred, deferred, task, turns, WorkerKit } from '../../test/support/worker-kit.ts'
import { NonRetryable } from '../errors/control.ts'
import { OffstageError } from '../errors/error.ts'
import { decodeJson } from '../job/codec.ts'
import { type AttemptMessage, type ChannelMessages, subscribe } from '../runtime/channels.ts'
import type { TaskContext } from '../task/context.ts'

let kit: WorkerKit
let db: FakeTransactions
const unhandled: unknown[] = []
const onUnhandled = (error: unknown): void => void unhandled.push(error)

beforeEach(async () => {
  kit = await new WorkerKit((broker) => {
    db = new FakeTransactions(broker)
    return db.broker
  }).open()
  process.on('unhandledRejection', onUnhandled)
})
afterEach(async () => {
  await kit.close()
  await turn()
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled.splice(0)).toEqual([])
})

const ended = async (id: string): Promise<boolean> => (await kit.job(id)).endedAt !== undefined
const state = async (id: string): Promise<string> => (await kit.job(id)).state
const warnings = (): string[] =>
  kit.logs.filter(({ level }) => level === 'warn' || level === 'error').map(({ text }) => text)

/** A handler that holds its transaction open until the test says how it goes on. */
class Held {
  readonly completed: Deferred = deferred()
  readonly goOn: Deferred = deferred()
  tx: FakeTransaction | undefined
  signal: AbortSignal | undefined

  run = async (_: unknown, ctx: TaskContext): Promise<unknown> => {
    this.signal = ctx.signal
    this.tx = db.begin()
    const result = await ctx.complete(this.tx, { ok: true })
    this.completed.resolve()
    await this.goOn.promise
    return result
  }

  async begun(): Promise<void> {
    let done = false
    void this.completed.promise.then(() => {
      done = true
    })
    await kit.until(() => done)
  }
}

describe('a transaction that is committed', () => {
  test('the job has succeeded with the result, once, and nothing is said', async () => {
    const settles: ChannelMessages['offstage:settle'][] = []
    const unsubscribe = subscribe('offstage:settle', (message) => settles.push(message))
    const id = await kit.enqueue()
    await kit.started([task((_, ctx) => db.run((tx) => ctx.complete(tx, { ok: true })))])
    await kit.until(() => settles.length > 0)
    unsubscribe()
    const job = await kit.job(id)
    expect([job.state, job.result && decodeJson(job.result)]).toEqual(['succeeded', { ok: true }])
    expect(settles).toMatchObject([{ id, outcome: 'succeeded', answer: 'ok' }])
    expect(warnings()).toEqual([])
  })

  test('no result is a result', async () => {
    const id = await kit.enqueue()
    await kit.started([task((_, ctx) => db.run((tx) => ctx.complete(tx)))])
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
  })

  test('slots are free again, and the next jobs come with the same trips', async () => {
    const ids: string[] = []
    for (let i = 0; i < 30; i += 1) ids.push(await kit.enqueue())
    await kit.started([task((_, ctx) => db.run((tx) => ctx.complete(tx)))], { concurrency: 2 })
    await kit.until(async () => (await Promise.all(ids.map(ended))).every(Boolean), 5_000)
    expect(warnings()).toEqual([])
  })

  test('log lines and progress from before it are kept', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task((_, ctx) => {
        ctx.log.info('before')
        ctx.progress(7)
        return db.run((tx) => ctx.complete(tx))
      }),
    ])
    await kit.until(() => ended(id))
    expect((await kit.memory.logs(id)).map(({ text }) => text)).toEqual(['before'])
  })

  test('a handler that fails afterwards: the job has succeeded, and it is said', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(async (_, ctx) => {
        await db.run((tx) => ctx.complete(tx, 1))
        throw new NonRetryable('too late')
      }),
    ])
    await kit.until(() => kit.logged('had been committed').length > 0)
    expect(await state(id)).toBe('succeeded')
    expect(warnings()).toEqual([
      'an attempt did not end well after its own transaction had been committed: its job has succeeded',
    ])
  })

  test('a handler that returns something else: what was passed is the result, and it is said', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(async (_, ctx) => {
        await db.run((tx) => ctx.complete(tx, 'recorded'))
        return 'returned'
      }),
    ])
    await kit.until(() => ended(id))
    const { result } = await kit.job(id)
    expect(result && decodeJson(result)).toBe('recorded')
    expect(kit.logged('returned something else')).toHaveLength(1)
  })

  test('a copy of the result is no other result', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(async (_, ctx) => structuredClone(await db.run((tx) => ctx.complete(tx, [1, 2])))),
    ])
    await kit.until(() => ended(id))
    expect(warnings()).toEqual([])
  })

  test('the lease that has ended with the job aborts nothing while the handler goes on', async () => {
    const held = new Held()
    const id = await kit.enqueue()
    await kit.started([task(held.run)], { lease: '3s' })
    await held.begun()
    await held.tx?.commit()
    const extended = kit.count('extend')
    await kit.until(() => kit.count('extend') > extended + 2)
    expect(held.signal?.aborted).toBe(false)
    held.goOn.resolve()
    await kit.pass(100)
    expect(await state(id)).toBe('succeeded')
    expect(warnings()).toEqual([])
  })

  test('a cancel that was asked for meanwhile is too late', async () => {
    const held = new Held()
    const id = await kit.enqueue()
    await kit.started([task(held.run)])
    await held.begun()
    await kit.memory.cancel({ ids: [id] })
    await held.tx?.commit()
    held.goOn.resolve()
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
  })

  test('a timeout before the commit, and a handler that goes on unheard', async () => {
    const held = new Held()
    const id = await kit.enqueue({ timeoutMs: 100 })
    const worker = await kit.started([task(held.run)])
    await held.begun()
    await kit.until(() => held.signal?.aborted === true)
    await kit.until(() => worker.active === 0)
    expect(await state(id)).toBe('active')
    await held.tx?.commit()
    held.goOn.resolve()
    await kit.until(() => kit.logged('had been committed').length > 0)
    expect(await state(id)).toBe('succeeded')
  })

  test('a worker that stops meanwhile', async () => {
    const held = new Held()
    const id = await kit.enqueue()
    const worker = await kit.started([task(held.run)])
    await held.begun()
    const stopped = worker.stop({ grace: 1_000 })
    await kit.pass(10)
    await held.tx?.commit()
    held.goOn.resolve()
    let done = false
    void stopped.then(() => {
      done = true
    })
    expect(await kit.until(() => done)).toBeLessThan(900)
    expect(await state(id)).toBe('succeeded')
    expect(warnings()).toEqual([])
  })

  test('a commit that is not awaited is waited for', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(async (_, ctx) => {
        const tx = db.begin()
        const result = await ctx.complete(tx, 1)
        kit.clock.schedule(200, () => void tx.commit())
        return result
      }),
    ])
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('succeeded')
    expect(warnings()).toEqual([])
  })

  test('a call that is not awaited is waited for', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task((_, ctx) => {
        void db.run((tx) => ctx.complete(tx, 'recorded'))
        return 'recorded'
      }),
    ])
    await kit.until(() => ended(id))
    await kit.pass(50)
    expect(await state(id)).toBe('succeeded')
    expect(warnings()).toEqual([])
    expect(db.recorded).toBe(1)
  })

  test('a broker that is away when the handler returns is asked again', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(async (_, ctx) => {
        const result = await db.run((tx) => ctx.complete(tx, 1))
        kit.break('extend', () => Promise.reject(new OffstageError('BROKER_UNAVAILABLE', 'away')))
        return result
      }),
    ])
    await kit.until(() => kit.logged('is not known yet').length > 1)
    kit.heal('extend')
    await kit.pass(5_000)
    expect(await state(id)).toBe('succeeded')
  })
})

describe('a transaction that is not committed', () => {
  test('rolled back by what the handler throws: an ordinary failure', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task((_, ctx) =>
        db.run(async (tx) => {
          await ctx.complete(tx, 1)
          throw new NonRetryable('no')
        }),
      ),
    ])
    await kit.until(() => ended(id))
    expect(await kit.job(id)).toMatchObject({
      state: 'failed',
      reason: 'non-retryable',
      error: { message: 'no' },
    })
    expect(warnings()).toEqual([])
  })

  test('rolled back, and the handler returned all the same: a failed attempt with a code', async () => {
    const id = await kit.enqueue()
    let runs = 0
    await kit.started([
      task(async (_, ctx) => {
        runs += 1
        const tx = db.begin()
        const result = await ctx.complete(tx, runs)
        if (runs === 1) tx.rollback()
        else await tx.commit()
        return result
      }),
    ])
    await kit.until(() => ended(id))
    const job = await kit.job(id)
    expect([runs, job.state, job.failures, job.error?.code]).toEqual([2, 'succeeded', 1, undefined])
    expect(job.attempts[0]?.error).toMatchObject({ code: 'TX_NOT_COMMITTED' })
  })

  test('forgotten: a failed attempt, which is recorded once the transaction has ended', async () => {
    const id = await kit.enqueue()
    const open: FakeTransaction[] = []
    await kit.started([
      task(
        async (_, ctx) => {
          const tx = db.begin()
          open.push(tx)
          return await ctx.complete(tx, 1)
        },
        { retry: { attempts: 1, baseMs: 100, maxMs: 100 } },
      ),
    ])
    await kit.until(() => kit.logged('are still open').length > 0)
    expect(await state(id)).toBe('active')
    open[0]?.rollback()
    await kit.until(() => ended(id))
    expect((await kit.job(id)).error).toMatchObject({ code: 'TX_NOT_COMMITTED' })
  })

  test('a second transaction after the first was rolled back', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task(async (_, ctx) => {
        const first = db.begin()
        await ctx.complete(first, 'first')
        first.rollback()
        return db.run((tx) => ctx.complete(tx, 'second'))
      }),
    ])
    await kit.until(() => ended(id))
    const { result, state: end } = await kit.job(id)
    expect([end, result && decodeJson(result)]).toEqual(['succeeded', 'second'])
  })

  test('a cancel that was asked for meanwhile ends the job', async () => {
    const held = new Held()
    const id = await kit.enqueue()
    await kit.started([task(held.run)])
    await held.begun()
    await kit.memory.cancel({ ids: [id] })
    held.tx?.rollback()
    held.goOn.resolve()
    await kit.until(() => ended(id))
    expect(await state(id)).toBe('cancelled')
  })
})

describe('what is refused', () => {
  const failedWith = async (run: (ctx: TaskContext) => unknown): Promise<unknown> => {
    const id = await kit.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
    await kit.started([task((_, ctx) => run(ctx))])
    await kit.until(() => ended(id))
    return (await kit.job(id)).error
  }

  test('a second call in the same transaction', async () => {
    const again = (ctx: TaskContext): unknown =>
      db.run(async (tx) => {
        await ctx.complete(tx)
        await ctx.complete(tx)
      })
    expect(await failedWith(again)).toMatchObject({ code: 'TX_INVALID' })
  })

  test('a second call after the commit, which stands', async () => {
    const id = await kit.enqueue()
    let code: unknown
    await kit.started([
      task(async (_, ctx) => {
        await db.run((tx) => ctx.complete(tx))
        await db
          .run((tx) => ctx.complete(tx))
          .catch((error: OffstageError) => {
            code = error.code
          })
      }),
    ])
    await kit.until(() => ended(id))
    expect([code, await state(id)]).toEqual(['TX_INVALID', 'succeeded'])
  })

  test('what is no transaction', async () => {
    expect(await failedWith((ctx) => ctx.complete({ query: async () => ({ rows: [] }) }))).toMatchObject({
      code: 'TX_INVALID',
    })
  })

  test('a result that cannot be written ends the job as it would after a return', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task((_, ctx) => db.run((tx) => ctx.complete(tx, 1)), {
        writeOutput: () => {
          throw new OffstageError('OUTPUT_INVALID', 'not that')
        },
      }),
    ])
    await kit.until(() => ended(id))
    expect(await kit.job(id)).toMatchObject({ state: 'failed', reason: 'non-retryable' })
    expect(db.begin().successes).toEqual([])
  })

  test('a lease that was lost: the transaction fails, and nothing of it is left', async () => {
    const id = await kit.enqueue()
    const codes: unknown[] = []
    let runs = 0
    const ends: AttemptMessage[] = []
    const unsubscribe = subscribe('offstage:end', (message) => ends.push(message))
    await kit.started([
      task(async (_, ctx) => {
        runs += 1
        if (runs > 1) return 'second'
        await kit.memory.settle({ outcomes: [{ kind: 'released', id, token: ctx.job.token }] })
        return await db
          .run((tx) => ctx.complete(tx, 'first'))
          .catch((error: OffstageError) => {
            codes.push(error.code)
            throw error
          })
      }),
    ])
    await kit.until(() => ended(id))
    unsubscribe()
    expect(codes).toEqual(['LEASE_LOST'])
    const { result } = await kit.job(id)
    expect(result && decodeJson(result)).toBe('second')
    expect(ends).toHaveLength(2)
  })

  test('a call after the attempt is over', async () => {
    const id = await kit.enqueue()
    let ctx: TaskContext | undefined
    await kit.started([
      task((_, given) => {
        ctx = given
      }),
    ])
    await kit.until(() => ended(id))
    await turns()
    await expect(db.run((tx) => ctx?.complete(tx) ?? Promise.resolve(undefined))).rejects.toMatchObject({
      code: 'LEASE_LOST',
    })
  })

  test('a broker without transactions', async () => {
    const plain = await new WorkerKit().open()
    const id = await plain.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
    await plain.started([task((_, ctx) => ctx.complete(db.begin()))])
    await plain.until(async () => (await plain.job(id)).endedAt !== undefined)
    expect((await plain.job(id)).error).toMatchObject({ code: 'TX_UNSUPPORTED' })
    await plain.close()
  })
})
