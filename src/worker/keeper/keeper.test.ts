import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { deferred, task, turns, WorkerKit } from '../../../test/support/worker-kit.ts'
import type { HeldLease, SettleRequest } from '../../broker/message.ts'
import { codeOf } from '../../errors/error.ts'
import { subscribe } from '../../runtime/channels.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

describe('leases', () => {
  test('a job of ten leases runs once', async () => {
    const id = await kit.enqueue()
    let ran = 0
    await kit.started(
      [
        task((_, { clock }) => {
          ran += 1
          return new Promise((resolve) => clock.schedule(10_000, () => resolve(1)))
        }),
      ],
      { lease: '1s' },
    )
    await kit.until(async () => (await kit.job(id)).state === 'succeeded')
    expect(ran).toBe(1)
    expect(await kit.job(id)).toMatchObject({ failures: 0, crashes: 0 })
  })

  test('renewal goes on after errors, within the lease', async () => {
    const id = await kit.enqueue()
    let failures = 0
    kit.break('extend', () => (failures++ % 3 < 2 ? Promise.reject(new Error('cut')) : undefined))
    let ran = 0
    await kit.started(
      [
        task((_, { clock }) => {
          ran += 1
          return new Promise((resolve) => clock.schedule(30_000, () => resolve(1)))
        }),
      ],
      { lease: '3s' },
    )
    await kit.until(async () => (await kit.job(id)).state === 'succeeded')
    expect(ran).toBe(1)
    expect(failures).toBeGreaterThan(10)
  })

  test('renewal goes on where the shard of a job was away for a while', async () => {
    const id = await kit.enqueue()
    let calls = 0
    kit.break('extend', (args) =>
      calls++ % 2 === 0 ? Promise.resolve((args[0] as HeldLease[]).map(() => 'away')) : undefined,
    )
    await kit.started(
      [task((_, { clock }) => new Promise((resolve) => clock.schedule(20_000, () => resolve(1))))],
      { lease: '3s' },
    )
    await kit.until(async () => (await kit.job(id)).state === 'succeeded')
    expect(await kit.job(id)).toMatchObject({ failures: 0, crashes: 0 })
    expect(calls).toBeGreaterThan(10)
  })

  test.each([
    [
      'its shard is away',
      (args: readonly unknown[]) => Promise.resolve((args[0] as HeldLease[]).map(() => 'away')),
    ],
    ['the broker fails', () => Promise.reject(new Error('cut'))],
  ])(
    'a cancel that a hint told of is heard within a second once %s no more, whatever the lease',
    async (_, fail) => {
      const id = await kit.enqueue()
      let cancelled = false
      const run = task((__, { signal }) => {
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            cancelled = true
            resolve(null)
          })
        })
      })
      await kit.started([run], { lease: '60s' })
      await kit.until(async () => (await kit.job(id)).state === 'active')
      await turns()
      kit.break('extend', fail)
      // The longest back-off that there may be.
      const random = vi.spyOn(Math, 'random').mockReturnValue(0.99)
      onTestFinished(() => random.mockRestore())
      await kit.memory.cancel({ ids: [id] })
      await kit.pass(15_000)
      expect(cancelled).toBe(false)
      kit.break('extend', () => undefined)
      await kit.pass(1_300)
      expect(cancelled).toBe(true)
    },
  )

  test('the loss of a lease is said once, however long its handler goes on', async () => {
    const id = await kit.enqueue()
    let told = 0
    const stop = subscribe('offstage:lease-lost', () => {
      told += 1
    })
    const gate = deferred()
    await kit.started([task(() => gate.promise)], { lease: '1s', abandonAfter: '20s', maintain: false })
    await kit.until(async () => (await kit.job(id)).state === 'active')
    kit.break('extend', (args) => Promise.resolve((args[0] as HeldLease[]).map(() => 'lost')))
    await kit.pass(10_000)
    stop()
    expect(told).toBe(1)
    expect(kit.logged('the lease of a running job was lost')).toHaveLength(1)
    gate.resolve()
  })

  test('a lost lease aborts the handler; its late outcome is refused and the job runs elsewhere', async () => {
    const id = await kit.enqueue()
    const reasons: unknown[] = []
    const lost: string[] = []
    const stop = subscribe('offstage:lease-lost', (message) => void lost.push(message.id))
    const tokens: number[] = []
    await kit.started(
      [
        task((_, { signal, job }) => {
          tokens.push(job.token)
          if (tokens.length > 1) return 'second'
          return new Promise((__, reject) =>
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason)
              reject(signal.reason)
            }),
          )
        }),
      ],
      { lease: '1s' },
    )
    await kit.until(() => tokens.length === 1)
    // Frozen: time leaps, and another worker's upkeep comes first.
    kit.clock.advance(1_100)
    await kit.memory.maintain()
    await kit.until(async () => (await kit.job(id)).state === 'succeeded')
    stop()
    expect(reasons.map(codeOf)).toEqual(['LEASE_LOST'])
    expect(lost).toEqual([id])
    expect(tokens[1]).toBeGreaterThan(tokens[0] as number)
  })

  test('a cancel is heard at once also where the hint of work came while the claim was under way that took all slots', async () => {
    const first = await kit.enqueue()
    const gate = deferred()
    kit.break('reserve', async (_, through) => {
      const reserved = await through()
      await gate.promise
      return reserved
    })
    const signals: AbortSignal[] = []
    const endless = task((_, { signal }) => {
      signals.push(signal)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await kit.started([endless], { concurrency: 1, lease: '60s' })
    await kit.until(async () => (await kit.job(first)).state === 'active')
    await kit.enqueue()
    await turns()
    gate.resolve()
    await kit.until(() => signals.length === 1)
    await kit.memory.cancel({ ids: [first] })
    expect(await kit.until(() => signals[0]?.aborted === true)).toBeLessThan(1_000)
  })

  test('prefetched jobs that were lost are dropped unrun, cancelled ones are settled unrun', async () => {
    const gate = deferred()
    const ran: string[] = []
    const run = (_: unknown, { job }: { job: { id: string } }): null => {
      ran.push(job.id)
      return null
    }
    await kit.started([task(run), task(() => gate.promise, { name: 'hold' })], {
      concurrency: 1,
      lease: '200ms',
    })
    for (let i = 0; i < 5; i += 1) await kit.enqueue()
    await kit.until(() => ran.length === 5)
    // At once, so that they are claimed together: nothing is claimed beyond a slot that is held by a long attempt.
    const [hold, lost, cancelled] = await Promise.all([
      kit.enqueue({ task: 'hold' }),
      kit.enqueue(),
      kit.enqueue(),
    ])
    await kit.until(async () => (await kit.job(cancelled)).state === 'active')
    kit.break('extend', async (args, through) => {
      const answers = (await through()) as string[]
      return (args[0] as HeldLease[]).map(({ id }, i) => (id === lost ? 'lost' : answers[i]))
    })
    await kit.memory.cancel({ ids: [cancelled] })
    await kit.until(async () => (await kit.job(cancelled)).state === 'cancelled', 90)
    gate.resolve()
    await kit.until(async () => (await kit.job(hold)).state === 'succeeded')
    await kit.pass(100)
    expect(ran).not.toContain(cancelled)
    expect(ran).not.toContain(lost)
    // Nobody renews what was dropped, so it comes back when its lease is over.
    kit.heal('extend')
    await kit.until(() => ran.includes(lost), 2_000)
  })
})

describe('suspects', () => {
  /** Leaves jobs behind that had started when their worker died. */
  async function crash(count: number): Promise<string[]> {
    const ids: string[] = []
    for (let i = 0; i < count; i += 1) ids.push(await kit.enqueue())
    const { memory, clock } = kit
    await memory.reserve({
      queues: ['default'],
      max: count,
      leaseMs: 1_000,
      worker: 'dead',
      starting: count,
      suspects: 1,
    })
    clock.advance(1_001)
    await memory.maintain()
    for (const id of ids) expect(await kit.job(id)).toMatchObject({ state: 'ready', suspect: true })
    return ids
  }

  test('run one at a time, each with its start recorded first', async () => {
    const ids = await crash(4)
    let running = 0
    let most = 0
    let unrecorded = 0
    await kit.started([
      task(async (_, { job, clock }) => {
        const record = await kit.job(job.id)
        if (record.lease?.started !== true) unrecorded += 1
        running += 1
        most = Math.max(most, running)
        await new Promise<void>((resolve) => clock.schedule(50, resolve))
        running -= 1
        return null
      }),
    ])
    await kit.until(async () =>
      (await Promise.all(ids.map((id) => kit.job(id)))).every(({ state }) => state === 'succeeded'),
    )
    expect(most).toBe(1)
    expect(unrecorded).toBe(0)
  })

  test('while one is held, prefetched jobs are recorded before they start', async () => {
    const [suspect] = await crash(1)
    const gate = deferred()
    const others: string[] = []
    for (let i = 0; i < 200; i += 1) others.push(await kit.enqueue({ task: 'quick' }))
    let unrecorded = 0
    await kit.started(
      [
        task(() => gate.promise),
        task(
          async (_, { job }) => {
            const record = await kit.job(job.id)
            if (record.lease?.started !== true) unrecorded += 1
          },
          { name: 'quick' },
        ),
      ],
      { concurrency: 5 },
    )
    await kit.until(async () => (await kit.job(others.at(-1) as string)).state === 'succeeded')
    expect(unrecorded).toBe(0)
    gate.resolve()
    await kit.until(async () => (await kit.job(suspect as string)).state === 'succeeded')
  })

  test.each([
    ['is answered lost', () => Promise.resolve(['lost'])],
    ['fails', () => Promise.reject(new Error('cut'))],
  ])('a suspect whose record of start %s does not run and goes back', async (_, answer) => {
    const [id] = await crash(1)
    let ran = 0
    kit.break('extend', (args) => {
      if ((args[0] as HeldLease[])[0]?.id !== id) return undefined
      kit.heal('extend')
      return answer()
    })
    const released: string[] = []
    const stop = subscribe('offstage:settle', ({ outcome }) => {
      if (outcome === 'released') released.push(`released after ${ran}`)
    })
    await kit.started([task(() => ++ran)])
    await kit.until(async () => (await kit.job(id as string)).state === 'succeeded')
    stop()
    expect(released).toEqual(['released after 0'])
    expect(ran).toBe(1)
    expect(await kit.job(id as string)).toMatchObject({ failures: 0, crashes: 0 })
  })

  test('one that was cancelled meanwhile does not run', async () => {
    const [id] = await crash(1)
    let ran = 0
    kit.break('extend', (args, through) => {
      if ((args[0] as HeldLease[])[0]?.id !== id) return undefined
      return kit.memory.cancel({ ids: [id as string] }).then(through)
    })
    await kit.started([task(() => ++ran)])
    await kit.until(async () => (await kit.job(id as string)).state === 'cancelled')
    expect(ran).toBe(0)
  })

  test('no second suspect is asked for before the first is settled', async () => {
    await crash(2)
    const gate = deferred()
    let ran = 0
    await kit.started([
      task(() => {
        ran += 1
        return ran === 1 ? gate.promise : null
      }),
    ])
    await kit.until(() => ran === 1)
    await kit.pass(3_000, 50)
    expect(ran).toBe(1)
    kit.calls.length = 0
    gate.resolve()
    await turns()
    const settle = kit.calls.find(({ name }) => name === 'settle')?.args[0] as SettleRequest
    expect(settle.next?.suspects).toBe(1)
    await kit.until(() => ran === 2)
  })
})

test('upkeep brings back what a dead worker held within lease and a second', async () => {
  const id = await kit.enqueue()
  await kit.memory.reserve({
    queues: ['default'],
    max: 1,
    leaseMs: 2_000,
    worker: 'dead',
    starting: 1,
    suspects: 1,
  })
  const swept: number[] = []
  const stop = subscribe('offstage:maintain', ({ reclaimed }) => void swept.push(reclaimed))
  await kit.started([task(() => null)])
  const tookMs = await kit.until(async () => (await kit.job(id)).state === 'succeeded')
  stop()
  expect(tookMs).toBeGreaterThanOrEqual(2_000)
  expect(tookMs).toBeLessThanOrEqual(3_000)
  expect(swept).toEqual([1])
})

test('upkeep goes on at once while there is more, and after errors', async () => {
  let calls = 0
  kit.break('maintain', (_, through) => {
    calls += 1
    if (calls === 1) return Promise.reject(new Error('bad'))
    if (calls < 6) return through().then((report) => ({ ...(report as object), more: true }))
    return undefined
  })
  await kit.started([task(() => null)])
  await kit.until(() => calls >= 6, 1_100)
  await kit.pass(5_000)
  expect(calls).toBeLessThan(30)
  expect(kit.logged('upkeep works again')).toHaveLength(1)
})
