import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deferred, task, WorkerKit } from '../../test/support/worker-kit.ts'
import type { Note } from '../broker/records.ts'
import { OffstageError } from '../errors/error.ts'
import { decodeJson } from '../job/codec.ts'
import type { TaskContext } from '../task/context.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

const progressOf = async (id: string): Promise<unknown> => {
  const { progress } = await kit.job(id)
  return progress && decodeJson(progress)
}
const ended = async (id: string): Promise<boolean> => (await kit.job(id)).endedAt !== undefined

describe('progress and logs', () => {
  test('what a handler said last is kept, even if it ends at once', async () => {
    const id = await kit.enqueue()
    await kit.started([
      task((_, { progress, log }) => {
        for (let done = 1; done <= 100; done += 1) progress({ done })
        log.info('first')
        log.error('second')
        return null
      }),
    ])
    await kit.until(() => ended(id))
    expect(await progressOf(id)).toEqual({ done: 100 })
    expect(await kit.memory.logs(id)).toMatchObject([
      { level: 'info', text: 'first' },
      { level: 'error', text: 'second' },
    ])
    expect(kit.logged('first')[0]).toMatchObject({
      level: 'info',
      fields: { job: id, task: 'work', attempt: 1 },
    })
    const notes = kit.calls.filter(({ name }) => name === 'write').flatMap(({ args }) => args[0] as Note[])
    expect(notes).toHaveLength(3)
  })

  test('it shows while the attempt runs, in few trips', async () => {
    const id = await kit.enqueue()
    const gate = deferred()
    let ctx: TaskContext | undefined
    await kit.started([
      task((_, context) => {
        ctx = context
        return gate.promise
      }),
    ])
    await kit.until(() => ctx !== undefined)
    for (let i = 0; i < 200; i += 1) {
      ctx?.progress(i)
      await kit.pass(5)
    }
    expect(await progressOf(id)).toBeGreaterThan(150)
    expect(kit.count('write')).toBeLessThan(30)
    gate.resolve()
    await kit.until(() => ended(id))
    expect(await progressOf(id)).toBe(199)
  })

  test('the next attempt finds what the last one wrote', async () => {
    const id = await kit.enqueue()
    const found: unknown[] = []
    await kit.started([
      task((_, { job, progress }) => {
        found.push(job.progress)
        progress({ page: job.attempt })
        if (job.attempt < 3) throw new Error('again')
        return null
      }),
    ])
    await kit.until(() => ended(id))
    expect(found).toEqual([undefined, { page: 1 }, { page: 2 }])
  })

  test('damaged progress is as good as none', async () => {
    const id = await kit.enqueue()
    const found: unknown[] = []
    kit.break('write', (args, through) => {
      for (const note of args[0] as { value: unknown }[])
        note.value = { codec: 0, bytes: new Uint8Array([0xff]) }
      return through()
    })
    await kit.started([
      task((_, { job, progress }) => {
        found.push(job.progress)
        progress(1)
        if (job.attempt === 1) throw new Error('again')
        return null
      }),
    ])
    await kit.until(() => ended(id))
    expect(found).toEqual([undefined, undefined])
    expect(kit.logged('progress of a job cannot be read')).toHaveLength(1)
  })

  test.each([10n, () => 1, Number.NaN, Symbol('s')])(
    'a progress that JSON cannot carry throws: %s',
    async (value) => {
      const id = await kit.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
      await kit.started([task((_, { progress }) => progress(value))])
      await kit.until(() => ended(id))
      expect((await kit.job(id)).error?.code).toBe('NOT_JSON')
    },
  )

  test('a progress beyond the limit throws, a long line is cut', async () => {
    const id = await kit.enqueue({ retry: { attempts: 1, baseMs: 1, maxMs: 1 } })
    await kit.started([
      task((_, { progress, log }) => {
        log.info('x'.repeat(10_000))
        log.info('a\u0000b')
        ;(log.info as (message: unknown) => void)({ no: 'string' })
        progress('x'.repeat(2_000_000))
      }),
    ])
    await kit.until(() => ended(id))
    expect((await kit.job(id)).error?.code).toBe('PAYLOAD_TOO_LARGE')
    const texts = (await kit.memory.logs(id)).map(({ text }) => text)
    expect(texts[0]).toHaveLength(4_096)
    expect(texts.slice(1)).toEqual(['a\ufffdb', "{ no: 'string' }"])
  })
})

describe('a broker that does not take them', () => {
  const noting = task((_, { progress, log }) => {
    progress(1)
    log.info('x')
    return null
  })

  test('a failure is repeated', async () => {
    const id = await kit.enqueue()
    let tries = 0
    kit.break('write', () => (tries++ < 2 ? Promise.reject(new Error('cut')) : undefined))
    await kit.started([noting])
    await kit.until(() => ended(id))
    expect(await progressOf(id)).toBe(1)
  })

  test('lasting failure costs the notes, never the outcome', async () => {
    const id = await kit.enqueue()
    kit.break('write', () => Promise.reject(new Error('cut')))
    await kit.started([noting])
    await kit.until(() => ended(id), 3_000)
    expect((await kit.job(id)).state).toBe('succeeded')
    expect(kit.logged('progress and log lines were lost')[0]?.level).toBe('warn')
  })

  test.each(['refused', 'hanging'])(
    'when the worker has stopped, %s notes are not tried again',
    async (how) => {
      const gate = deferred()
      await kit.enqueue()
      kit.break('write', () =>
        how === 'refused' ? Promise.reject(new Error('cut')) : new Promise(() => undefined),
      )
      const worker = await kit.started([
        task(async (_, { progress, log }) => {
          progress(1)
          await gate.promise
          log.info('more')
          return null
        }),
      ])
      await kit.until(() => kit.count('write') > 0)
      gate.resolve()
      let stopped = false
      void worker.stop({ grace: 0 }).then(() => {
        stopped = true
      })
      await kit.until(() => stopped)
      kit.calls.length = 0
      await kit.pass(60_000, 100)
      expect(kit.count('write')).toBe(0)
      expect(kit.clock.waiting).toBe(0)
    },
  )

  test('one without a record half is asked once', async () => {
    const ids = [await kit.enqueue(), await kit.enqueue()]
    const unsupported = (): Promise<never> =>
      Promise.reject(new OffstageError('BROKER_UNSUPPORTED', 'no records'))
    kit.break('write', unsupported)
    kit.break('beat', unsupported)
    await kit.started([noting], { concurrency: 1 })
    await kit.until(async () => (await Promise.all(ids.map(ended))).every(Boolean))
    await kit.pass(60_000, 500)
    expect(kit.count('write')).toBe(1)
    expect(kit.count('beat')).toBe(1)
    expect(kit.logged('keeps no progress and no logs')).toHaveLength(1)
  })

  test('a handler that logs without end fills no memory', async () => {
    await kit.enqueue()
    kit.break('write', () => new Promise(() => undefined))
    const gate = deferred()
    await kit.started([
      task((_, { log }) => {
        for (let i = 0; i < 20_000; i += 1) log.debug(`line ${i}`)
        return gate.promise
      }),
    ])
    await kit.until(() => kit.logged('the oldest lines were dropped').length > 0)
    expect(kit.logged('the oldest lines were dropped').length).toBeGreaterThanOrEqual(14)
    gate.resolve()
  })
})
