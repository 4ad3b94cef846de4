// Calls that the broker never answers: one of them may cost time, and must not silence the worker.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deferred, task, WorkerKit } from '../../test/support/worker-kit.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

type Call = Parameters<WorkerKit['break']>[0]

const succeeded = async (id: string): Promise<boolean> => (await kit.job(id)).state === 'succeeded'

/** The next call of that name takes place, and its answer is kept back until it is let go. */
function holdNext(name: Call): { readonly held: () => boolean; readonly letGo: () => void } {
  const gate = deferred()
  let held = false
  kit.break(name, (_, through) => {
    if (held) return undefined
    held = true
    return through().then(async (answer) => {
      await gate.promise
      return answer
    })
  })
  return { held: () => held, letGo: () => gate.resolve() }
}

/** The next call of that name never comes back, and does nothing. */
function swallowNext(name: Call): () => boolean {
  let swallowed = false
  kit.break(name, () => {
    if (swallowed) return undefined
    swallowed = true
    return new Promise(() => {})
  })
  return () => swallowed
}

describe('a call that is never answered', () => {
  test.each(['reserve', 'settle', 'maintain', 'beat', 'wake'] as const)(
    '%s: jobs run on after a while',
    async (name) => {
      const swallowed = swallowNext(name)
      await kit.started([task(() => null)], { lease: '3s' })
      const first = await kit.enqueue()
      await kit.until(() => swallowed())
      await kit.until(() => succeeded(first), 40_000)
      const second = await kit.enqueue()
      await kit.until(() => succeeded(second), 40_000)
    },
  )

  test('maintain: what is due is promoted and lost jobs come back after a while', async () => {
    const swallowed = swallowNext('maintain')
    await kit.started([task(() => null)])
    await kit.until(() => swallowed())
    kit.calls.length = 0
    await kit.until(() => kit.count('maintain') > 2, 40_000)
  })

  test('extend: the lease is renewed by the next one before it ends', async () => {
    const id = await kit.enqueue()
    const swallowed = swallowNext('extend')
    let ran = 0
    await kit.started(
      [
        task((_, { clock }) => {
          ran += 1
          return new Promise((resolve) => clock.schedule(30_000, () => resolve(1)))
        }),
      ],
      { lease: '15s' },
    )
    await kit.until(() => succeeded(id), 120_000)
    expect(swallowed()).toBe(true)
    expect(ran).toBe(1)
    expect(kit.logged('lease').filter(({ level }) => level === 'warn')).toEqual([])
  })

  test('write: the outcome waits for the notes of its job only so long', async () => {
    const id = await kit.enqueue()
    const swallowed = swallowNext('write')
    await kit.started([task((_, { log }) => log.info('hello'))])
    await kit.until(() => succeeded(id), 40_000)
    expect(swallowed()).toBe(true)
  })

  test('limit: start rejects, and may be repeated', async () => {
    swallowNext('limit')
    const worker = kit.worker([task(() => null)])
    let error: unknown
    void worker.start().catch((reason: unknown) => {
      error = reason
    })
    await kit.until(() => error !== undefined, 40_000)
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    await worker.start()
    const id = await kit.enqueue()
    await kit.until(() => succeeded(id))
  })
})

describe('an answer that comes late', () => {
  test.each([
    ['while the lease lives: its jobs are run', '60s', 1],
    ['after the lease: its jobs are left to whoever has them', '3s', 1],
  ])('reserve, %s', async (_, lease, runs) => {
    const id = await kit.enqueue()
    const { held, letGo } = holdNext('reserve')
    let ran = 0
    await kit.started([task(() => ++ran)], { lease })
    await kit.until(held)
    await kit.pass(32_000, 50)
    letGo()
    await kit.until(() => succeeded(id), 5_000)
    await kit.pass(20_000, 50)
    expect(ran).toBe(runs)
  })

  test('settle, with claims: the outcome stands and the jobs are run', async () => {
    const first = await kit.enqueue()
    const second = await kit.enqueue()
    const { held, letGo } = holdNext('settle')
    const ran: string[] = []
    await kit.started([task((_, { job }) => void ran.push(job.id))], { concurrency: 1, lease: '60s' })
    await kit.until(held)
    await kit.pass(32_000, 50)
    letGo()
    await kit.until(() => succeeded(second), 5_000)
    expect(await succeeded(first)).toBe(true)
    expect(ran).toEqual([first, second])
    expect(kit.logged('was lost')).toEqual([])
  })

  test('an answer that was there when a blocked loop turned again is no late one', async () => {
    const id = await kit.enqueue()
    let answered = false
    kit.break('settle', async (_, through) => {
      const answer = await through()
      if (answered) return answer
      answered = true
      await new Promise<void>((resolve) => {
        setImmediate(() => {
          // The loop was blocked for a minute: the timer and the answer are due in the same turn.
          kit.clock.advance(60_000)
          resolve()
        })
      })
      return answer
    })
    await kit.started([task(() => null)], { lease: '10m' })
    await kit.until(() => succeeded(id))
    await kit.pass(5_000)
    expect(kit.logged('could not be recorded')).toEqual([])
  })
})
