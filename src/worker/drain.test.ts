import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Deferred, deferred, task, turns, WorkerKit } from '../../test/support/worker-kit.ts'
import { type MemoryBroker, memory } from '../brokers/memory/memory.ts'
import { codeOf } from '../errors/error.ts'
import { encodeJson } from '../job/codec.ts'
import { defaultRetention } from '../job/defaults.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { silentLogger } from '../runtime/logger.ts'
import { Worker, type WorkerOptions } from './worker.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

const states = async (ids: readonly string[]): Promise<string[]> =>
  (await kit.memory.get(ids)).map((job) => job?.state ?? 'none')

/** Stops a worker while the clock goes on; answers how long it took. */
async function stop(worker: Worker, grace?: number | string): Promise<number> {
  let done = false
  const stopping = worker.stop(grace === undefined ? {} : { grace }).then(() => {
    done = true
  })
  const tookMs = await kit.until(() => done)
  await stopping
  return tookMs
}

describe('a graceful stop', () => {
  test('lets what runs finish, gives back the rest at once in its place, claims nothing more', async () => {
    const gates: Deferred[] = []
    const hold = task(() => {
      gates.push(deferred())
      return gates.at(-1)?.promise
    })
    const worker = await kit.started([hold, task(() => null, { name: 'quick' })], { concurrency: 2 })
    const quick: string[] = []
    for (let i = 0; i < 30; i += 1) quick.push(await kit.enqueue({ task: 'quick' }))
    await kit.until(async () => (await states(quick)).every((state) => state === 'succeeded'))
    // At once, so that they are claimed together: nothing is claimed beyond slots that are held by long attempts.
    const ids = await Promise.all(Array.from({ length: 22 }, () => kit.enqueue()))
    const running = ids.slice(0, 2)
    const waiting = ids.slice(2)
    await kit.until(async () => gates.length === 2 && (await states(waiting)).includes('active'))
    const stopping = stop(worker)
    await turns()
    kit.calls.length = 0
    await kit.until(async () => (await states(waiting)).every((state) => state === 'ready'), 100)
    for (const id of waiting)
      expect(await kit.job(id)).toMatchObject({ failures: 0, crashes: 0, suspect: false })
    expect(await states(running)).toEqual(['active', 'active'])
    for (const gate of gates) gate.resolve()
    const tookMs = await stopping
    expect(tookMs).toBeLessThan(200)
    expect(await states(running)).toEqual(['succeeded', 'succeeded'])
    expect(kit.count('reserve')).toBe(0)
    expect(await kit.memory.workers()).toEqual([])
    const next = await kit.memory.reserve({
      queues: ['default'],
      max: 1,
      leaseMs: 1_000,
      worker: 'other',
      starting: 1,
      suspects: 1,
    })
    expect(next.jobs[0]?.id).toBe(waiting[0])
  })

  test('renews leases to the end: a job of several leases runs once', async () => {
    const id = await kit.enqueue()
    let ran = 0
    const worker = await kit.started(
      [
        task((_, { clock }) => {
          ran += 1
          return new Promise((resolve) => clock.schedule(10_000, () => resolve(1)))
        }),
      ],
      { lease: '1s' },
    )
    await kit.started([task(() => ++ran)], { lease: '1s' })
    await kit.until(() => ran === 1)
    await stop(worker)
    expect(await states([id])).toEqual(['succeeded'])
    expect(ran).toBe(1)
  })

  test('shows as stopping meanwhile', async () => {
    await kit.enqueue()
    const gate = deferred()
    const worker = await kit.started([task(() => gate.promise)])
    await kit.until(() => worker.active === 1)
    expect(await kit.memory.workers()).toMatchObject([{ id: worker.id, state: 'running', concurrency: 10 }])
    const stopping = stop(worker)
    await kit.until(async () => (await kit.memory.workers())[0]?.state === 'stopping')
    gate.resolve()
    await stopping
  })

  test('after the grace aborts what runs and gives it back; one that heeds it may still settle', async () => {
    const reasons: unknown[] = []
    const deaf = await kit.enqueue({ task: 'deaf' })
    const heeds = await kit.enqueue()
    const saves = await kit.enqueue({ task: 'saves' })
    const aborted = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
    const worker = await kit.started([
      task(async (_, { signal }) => {
        await aborted(signal)
        reasons.push(signal.reason)
        throw signal.reason
      }),
      task(() => new Promise(() => undefined), { name: 'deaf' }),
      task(
        async (_, { signal }) => {
          await aborted(signal)
          return 'saved'
        },
        { name: 'saves' },
      ),
    ])
    await kit.until(() => worker.active === 3)
    const tookMs = await stop(worker, '2s')
    expect(tookMs).toBeGreaterThanOrEqual(2_000)
    expect(tookMs).toBeLessThanOrEqual(3_000)
    expect(reasons.map(codeOf)).toEqual(['WORKER_STOPPED'])
    expect(await states([deaf, heeds, saves])).toEqual(['ready', 'ready', 'succeeded'])
    for (const id of [deaf, heeds])
      expect(await kit.job(id)).toMatchObject({ failures: 0, crashes: 0, suspect: false })
    expect(worker.active).toBe(0)
  })

  test('a second stop shortens the grace, a longer one does not lengthen it', async () => {
    await kit.enqueue()
    const worker = await kit.started([task(() => new Promise(() => undefined))])
    await kit.until(() => worker.active === 1)
    const first = stop(worker, '1h')
    await kit.pass(1_000)
    void worker.stop({ grace: '2h' })
    const tookMs = await stop(worker, 0)
    expect(tookMs).toBeLessThan(1_000)
    await first
  })

  test('jobs of a claim that was under way are given back', async () => {
    const reply = deferred()
    kit.break('reserve', async (_, through) => {
      const reserved = await through()
      await reply.promise
      return reserved
    })
    const ids = [await kit.enqueue(), await kit.enqueue()]
    let ran = 0
    const worker = await kit.started([task(() => ++ran)])
    await kit.until(async () => (await states(ids)).every((state) => state === 'active'))
    const stopping = stop(worker)
    await turns()
    reply.resolve()
    await stopping
    expect(await states(ids)).toEqual(['ready', 'ready'])
    expect(ran).toBe(0)
  })

  test('so are those of a claim ahead, which leaves while all others have ended', async () => {
    const call = kit.hints()
    let ran = 0
    const worker = await kit.started([task(() => ++ran)], { concurrency: 2, pollInterval: '10s' })
    await kit.until(() => kit.count('reserve') === 1)
    const replies = kit.holdReplies('reserve')
    const first = await kit.enqueue()
    call()
    await kit.until(() => replies.length === 1)
    const second = await kit.enqueue()
    // The next claim leaves with the answer to this one.
    call()
    await turns()
    replies[0]?.resolve()
    await kit.until(async () => (await states([first, second])).join() === 'succeeded,active')
    const stopping = stop(worker)
    await turns()
    replies[1]?.resolve()
    await stopping
    expect(await states([second])).toEqual(['ready'])
    expect(ran).toBe(1)
  })

  test('waits for notes and outcomes that the broker does not take at first', async () => {
    const id = await kit.enqueue()
    let failures = 0
    const worker = await kit.started([
      task((_, { progress }) => {
        progress(7)
        return null
      }),
    ])
    kit.break('settle', () => (failures++ < 5 ? Promise.reject(new Error('cut')) : undefined))
    await kit.until(() => failures > 0)
    await stop(worker)
    expect(await kit.job(id)).toMatchObject({ state: 'succeeded' })
    expect((await kit.job(id)).progress).toBeDefined()
  })

  test('with a broker that is gone it ends within a second of the grace, and names what was not recorded', async () => {
    const id = await kit.enqueue()
    let ran = 0
    const worker = await kit.started([task(() => ++ran)])
    const fail = (): Promise<never> => Promise.reject(new Error('gone'))
    for (const call of ['settle', 'extend', 'maintain', 'leave', 'beat'] as const) kit.break(call, fail)
    await kit.until(() => ran === 1)
    kit.break('reserve', fail)
    const tookMs = await stop(worker, '3s')
    expect(tookMs).toBeLessThanOrEqual(4_000)
    expect(kit.logged('an outcome was not recorded')[0]).toMatchObject({
      level: 'error',
      fields: { job: id },
    })
    expect(kit.logged('did not stop cleanly')).toHaveLength(1)
  })

  test('calls that never come back do not hold it', async () => {
    const worker = await kit.started([task(() => null)])
    await kit.pass(500)
    for (const call of ['reserve', 'extend', 'maintain', 'leave', 'beat', 'wake'] as const) {
      kit.break(call, () => new Promise(() => undefined))
    }
    await kit.pass(3_000)
    expect(await stop(worker, '1s')).toBeLessThanOrEqual(2_000)
  })

  test('nor do they with a handler that does not heed its signal', async () => {
    await kit.enqueue()
    let began = false
    const deaf = task(() => {
      began = true
      return new Promise(() => undefined)
    })
    const worker = await kit.started([deaf])
    await kit.until(() => began)
    for (const call of ['settle', 'extend', 'maintain', 'leave', 'beat'] as const) {
      kit.break(call, () => new Promise(() => undefined))
    }
    expect(await stop(worker, '1s')).toBeLessThanOrEqual(2_000)
  })
})

test('what waited for a call that hung does not leave after the stop', async () => {
  const suspect = await kit.enqueue()
  const dead = {
    queues: ['default'],
    max: 1,
    leaseMs: 100,
    worker: 'dead',
    starting: 1,
    suspects: 0,
  } as const
  await kit.memory.reserve(dead)
  await kit.memory.pause('default', true)
  const gate = deferred()
  const tasks = [
    task(() => null),
    task(() => gate.promise, { name: 'held' }),
    task(() => null, { name: 'quick', queue: 'quick' }),
  ]
  const worker = await kit.started(tasks, { lease: '60s', concurrency: 2 })
  const quick = [await kit.enqueue({ task: 'quick', queue: 'quick' })]
  await kit.until(async () => (await states([...quick, suspect])).join() === 'succeeded,ready')
  expect((await kit.job(suspect)).suspect).toBe(true)
  const held = await kit.enqueue({ task: 'held' })
  const ahead = await kit.enqueue()
  kit.break('extend', () => new Promise(() => undefined))
  await kit.memory.pause('default', false)
  await kit.until(
    async () => kit.count('extend') > 0 && (await states([held, ahead])).join() === 'active,active',
  )
  // The start of the suspect is being recorded, and now that of a job claimed ahead waits for its turn.
  gate.resolve()
  await kit.until(async () => (await kit.job(held)).state === 'succeeded')
  await stop(worker, 0)
  kit.calls.length = 0
  await kit.pass(60_000, 100)
  expect(kit.calls).toEqual([])
})

describe('states of a worker', () => {
  test('start twice, start after stop, stop before start', async () => {
    const worker = await kit.started([task(() => null)])
    await expect(worker.start()).rejects.toMatchObject({ code: 'WORKER_STATE' })
    await stop(worker)
    await stop(worker)
    await expect(worker.start()).rejects.toMatchObject({ code: 'WORKER_STATE' })
    const never = kit.worker([task(() => null)])
    await never.stop()
    await expect(never.start()).rejects.toMatchObject({ code: 'WORKER_STATE' })
  })

  test('a start that the broker refuses may be repeated', async () => {
    kit.break('limit', () => Promise.reject(new Error('down')))
    const worker = kit.worker([task(() => null, { limit: { concurrency: 3 } })])
    await expect(worker.start()).rejects.toThrow('down')
    kit.heal('limit')
    await worker.start()
    expect(await kit.memory.limits()).toEqual([
      { scope: { kind: 'task', task: 'work' }, source: 'declared', limit: { concurrency: 3 } },
    ])
  })

  test('stopped while it starts, it does not begin', async () => {
    const gate = deferred()
    kit.break('limit', () => gate.promise)
    const worker = kit.worker([task(() => null)])
    const starting = worker.start()
    await worker.stop()
    gate.resolve()
    await starting
    await kit.pass(2_000)
    expect(kit.count('reserve')).toBe(0)
  })
})

test('nothing is left after a stop: no timer, no listener, no call', async () => {
  const worker = await kit.started([task(() => null, { timeoutMs: 60_000 })])
  for (let i = 0; i < 100; i += 1) await kit.enqueue()
  await kit.pass(2_000)
  await stop(worker)
  expect(kit.clock.waiting).toBe(0)
  kit.calls.length = 0
  await kit.enqueue()
  await kit.pass(5_000)
  expect(kit.calls).toEqual([])
})

describe('on the real clock', () => {
  let broker: MemoryBroker
  let timers = 0
  const clock: Clock = {
    ...systemClock,
    schedule(ms, run, options) {
      timers += 1
      let live = true
      const over = (): void => {
        if (live) timers -= 1
        live = false
      }
      const timer = systemClock.schedule(
        ms,
        () => {
          over()
          run()
        },
        options,
      )
      return {
        cancel() {
          over()
          timer.cancel()
        },
      }
    },
  }

  beforeEach(async () => {
    broker = memory()
    await broker.open()
  })
  afterEach(() => broker.close())

  async function drained(count: number, handler: () => void, options: WorkerOptions): Promise<void> {
    let ran = 0
    const all = deferred()
    const work = task(() => {
      handler()
      ran += 1
      if (ran === count) all.resolve()
      return null
    })
    const worker = new Worker({ broker, clock, logger: silentLogger, tasks: [work], middleware: [], options })
    await broker.enqueue([
      Array.from({ length: count }, (_, i) => ({
        id: `job-${i}`,
        task: 'work',
        queue: 'default',
        priority: 5,
        maxCrashes: 3,
        retention: defaultRetention,
        input: encodeJson(i),
      })),
    ])
    await worker.start()
    await all.promise
    await worker.stop()
  }

  test('works, stops, and leaves no timer and no resource behind', async () => {
    const resources = (): number =>
      process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate/.test(name)).length
    const before = resources()
    await drained(500, () => undefined, {})
    const [queue] = await broker.queues()
    expect(queue?.counts).toMatchObject({ succeeded: 500, active: 0 })
    expect(timers).toBe(0)
    await expect.poll(resources).toBeLessThanOrEqual(before)
  })

  test('handlers that hold the loop give it a turn between them', async () => {
    let turn = 0
    let counting = true
    const count = (): void => {
      turn += 1
      if (counting) setImmediate(count)
    }
    count()
    const seen = new Set<number>()
    await drained(
      60,
      () => {
        const until = performance.now() + 2
        while (performance.now() < until);
        seen.add(turn)
      },
      { concurrency: 1 },
    )
    counting = false
    expect(seen.size).toBeGreaterThanOrEqual(15)
  })
})
