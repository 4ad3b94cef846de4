import { describe, expect, test, vi } from 'vitest'
import { deferred, task, turns, WorkerKit } from '../../test/support/worker-kit.ts'
import type { Broker, SettleRequest } from '../broker/contract.ts'
import type { RunnableTask } from '../task/runnable.ts'
import { APART_MS } from './quarantine.ts'
import { Worker } from './worker.ts'

/** A broker whose process can die: from then on nothing goes out and nothing comes back. */
function mortal(kit: WorkerKit): { broker: Broker; kill: () => void } {
  let dead = false
  const broker = new Proxy(kit.memory, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]): Promise<unknown> => {
        if (dead) return new Promise(() => undefined)
        const answer: unknown = await Reflect.apply(member, target, args)
        return dead ? new Promise(() => undefined) : answer
      }
    },
  })
  return {
    broker,
    kill() {
      dead = true
    },
  }
}

/** A worker dies with all of them; from then on they are suspects. */
async function lostTogether(kit: WorkerKit, ids: readonly string[]): Promise<void> {
  const max = ids.length
  const claim = {
    queues: ['default'],
    max,
    leaseMs: 100,
    worker: 'dead',
    starting: max,
    suspects: 0,
  } as const
  await kit.memory.reserve(claim)
  kit.clock.advance(200)
  await kit.memory.maintain()
  for (const id of ids) expect(await kit.job(id)).toMatchObject({ state: 'ready', suspect: true })
}

/**
 * Starts one worker after another until the jobs have ended: each dies by the first job of the task 'killer' that it runs.
 * Answers how many died.
 */
async function killedAgainAndAgain(kit: WorkerKit, ids: readonly string[], most: number): Promise<number> {
  let deaths = 0
  const ended = async (): Promise<boolean> =>
    (await kit.memory.get(ids)).every((job) => job?.endedAt !== undefined)

  while (!(await ended())) {
    expect(deaths).toBeLessThan(most)
    const { broker, kill } = mortal(kit)
    let alive = true
    const die = task(
      () => {
        alive = false
        kill()
        return new Promise(() => undefined)
      },
      { name: 'killer' },
    )
    // Once the process is dead, its other handlers are too.
    const work = task(async () => {
      await turns()
      return alive ? null : new Promise(() => undefined)
    })
    const { clock, logger } = kit
    const options = { lease: '1s', concurrency: 10 }
    const worker = new Worker({ broker, clock, logger, tasks: [work, die], middleware: [], options })
    await worker.start()
    await kit.until(async () => !alive || (await ended()))
    if (!alive) deaths += 1
    await turns()
    kit.clock.advance(1_100)
    await kit.memory.maintain()
    // What is left of it stops by itself: nothing it does gets out.
    let stopped = false
    void worker.stop({ grace: 0 }).then(() => {
      stopped = true
    })
    await kit.until(() => stopped)
  }
  return deaths
}

test.each([0, 37, 500, 1_200])(
  'a job that kills its worker every time is a dead letter, and none of its neighbours (%i before it)',
  async (before) => {
    const kit = await new WorkerKit().open()
    const neighbours: string[] = []
    for (let i = 0; i < before; i += 1) neighbours.push(await kit.enqueue())
    const killer = await kit.enqueue({ task: 'killer' })
    for (let i = 0; i < 300; i += 1) neighbours.push(await kit.enqueue())
    const deaths = await killedAgainAndAgain(kit, [killer, ...neighbours], 20)

    expect(await kit.job(killer)).toMatchObject({ state: 'failed', reason: 'crashes-exhausted' })
    expect(deaths).toBeGreaterThanOrEqual(3)
    for (const id of neighbours) expect((await kit.job(id)).state).toBe('succeeded')
    await kit.close()
  },
)

test('many jobs that kill their worker are dead letters, and none of their neighbours, however often it dies', async () => {
  const kit = await new WorkerKit().open()
  const killers: string[] = []
  const neighbours: string[] = []
  for (let i = 0; i < 240; i += 1) {
    if (i % 4 === 0) killers.push(await kit.enqueue({ task: 'killer' }))
    else neighbours.push(await kit.enqueue())
  }
  await killedAgainAndAgain(kit, [...killers, ...neighbours], 1_000)
  for (const id of killers) {
    expect(await kit.job(id)).toMatchObject({ state: 'failed', reason: 'crashes-exhausted', crashes: 3 })
  }
  for (const id of neighbours) {
    expect(await kit.job(id)).toMatchObject({ state: 'succeeded', crashes: 0 })
  }
  await kit.close()
})

describe('a job that was counted for a crash', () => {
  /** A job that was lost twice with its worker, the second time as a suspect. */
  async function counted(kit: WorkerKit): Promise<string> {
    const id = await kit.enqueue({ task: 'suspect' })
    const request = {
      queues: ['default'],
      max: 1,
      leaseMs: 100,
      worker: 'dead',
      starting: 1,
      suspects: 1,
    } as const
    for (let death = 0; death < 2; death += 1) {
      const { jobs } = await kit.memory.reserve(request)
      await kit.memory.extend(
        jobs.map((job) => ({ id: job.id, token: job.token, started: true })),
        100,
      )
      kit.clock.advance(200)
      await kit.memory.maintain()
    }
    expect(await kit.job(id)).toMatchObject({ suspect: true, crashes: 1 })
    return id
  }

  /** Two tasks whose handlers wait to be let go; what begins is noted. */
  function gated(): { tasks: RunnableTask[]; begun: string[]; letGo: (name: string) => void } {
    const begun: string[] = []
    const gates = { work: deferred(), suspect: deferred() }
    const tasks = (['work', 'suspect'] as const).map((name) =>
      task(
        async () => {
          begun.push(name)
          await gates[name].promise
          return null
        },
        { name },
      ),
    )
    return { tasks, begun, letGo: (name) => gates[name as keyof typeof gates].resolve() }
  }

  test('begins when what began lately has ended, and nothing begins beside it until its outcome is recorded', async () => {
    const kit = await new WorkerKit().open()
    await kit.enqueue()
    const { tasks, begun, letGo } = gated()
    await kit.started(tasks, { lease: '60s', concurrency: 10 })
    await kit.until(() => begun.length === 1)
    await counted(kit)
    await turns(50)
    expect(begun).toEqual(['work'])
    letGo('work')
    await kit.until(() => begun.length === 2)
    for (let i = 0; i < 5; i += 1) await kit.enqueue()
    await turns(50)
    expect(begun).toEqual(['work', 'suspect'])
    letGo('suspect')
    await kit.until(() => begun.length === 7)
    await kit.close()
  })

  test('waits for no longer than a second, and nobody waits longer for it', async () => {
    const kit = await new WorkerKit().open()
    await kit.enqueue()
    const { tasks, begun } = gated()
    await kit.started(tasks, { lease: '60s', concurrency: 10 })
    await kit.until(() => begun.length === 1)
    await counted(kit)
    await turns(50)
    const spy = vi.spyOn(globalThis, 'setImmediate')
    await turns(50)
    expect(spy.mock.calls.length, 'it waits for a timer, and keeps no loop turning').toBeLessThan(60)
    spy.mockRestore()
    kit.clock.advance(APART_MS)
    await kit.until(() => begun.length === 2)
    await kit.enqueue()
    kit.clock.advance(APART_MS / 2)
    await turns(50)
    expect(begun).toEqual(['work', 'suspect'])
    kit.clock.advance(APART_MS / 2)
    await kit.until(() => begun.length === 3)
    await kit.close()
  })

  test('runs in a batch of its own', async () => {
    const kit = await new WorkerKit().open()
    await counted(kit)
    await kit.enqueue({ task: 'suspect' })
    const sizes: number[] = []
    const batch = {
      size: 10,
      withinMs: 5_000,
      run: (items: readonly unknown[]) => items.map(() => sizes.push(items.length)),
    }
    await kit.started([task(() => null, { name: 'suspect', run: undefined, batch })], { concurrency: 10 })
    await kit.until(() => sizes.length === 1)
    expect(sizes).toEqual([1])
    await kit.close()
  })
})

test('the next suspect is asked for as soon as the one before is done, also where a claim for none was under way', async () => {
  const kit = await new WorkerKit().open()
  const ids = [await kit.enqueue(), await kit.enqueue()]
  await lostTogether(kit, ids)
  const gate = deferred()
  let begun = 0
  const work = task(async () => {
    begun += 1
    if (begun === 1) await gate.promise
    return null
  })
  kit.hints()
  const replies = kit.holdReplies('reserve')
  await kit.started([work], { concurrency: 4, pollInterval: '10s' })
  await kit.until(() => replies.length === 1)
  replies[0]?.resolve()
  // The last look after the answer that brought the first one: for no suspect.
  await kit.until(() => begun === 1 && replies.length === 2, 500)
  const settles = kit.holdReplies('settle')
  gate.resolve()
  await kit.until(() => settles.length === 1, 500)
  replies[1]?.resolve()
  await turns()
  kit.heal('reserve')
  kit.heal('settle')
  settles[0]?.resolve()
  await kit.until(
    async () => (await Promise.all(ids.map((id) => kit.job(id)))).every(({ state }) => state === 'succeeded'),
    500,
  )
  await kit.close()
})

describe('a start that cannot be told at once, since somebody else holds the job for a moment,', () => {
  async function started(away: number): Promise<{ readonly kit: WorkerKit; readonly id: string }> {
    const kit = await new WorkerKit().open()
    const id = await kit.enqueue()
    await lostTogether(kit, [id])
    let left = away
    kit.break('extend', async (_, through) => {
      left -= 1
      return left < 0 ? through() : ['away']
    })
    await kit.started([task(() => null)], { pollInterval: '10m' })
    return { kit, id }
  }

  test('is told again', async () => {
    const { kit, id } = await started(3)
    await kit.until(async () => (await kit.job(id)).state === 'succeeded', 1_000)
    expect(kit.logged('given back')).toEqual([])
    await kit.close()
  })

  test('and given back where that lasts', async () => {
    const { kit } = await started(Number.POSITIVE_INFINITY)
    await kit.until(() => kit.logged('given back').length === 1, 2_000)
    kit.heal('extend')
    await kit.close()
  })
})

test('a suspect that comes with a late answer is given back while another runs', async () => {
  const kit = await new WorkerKit().open()
  const ids = [await kit.enqueue(), await kit.enqueue()]
  await lostTogether(kit, ids)
  const late = deferred()
  let claims = 0
  kit.break('reserve', (_, through) => {
    claims += 1
    // It takes effect; when its answer comes, the worker has long given it up.
    return claims === 1 ? through().then((answer) => late.promise.then(() => answer)) : undefined
  })
  const gate = deferred()
  const tokens: number[] = []
  const work = task(async (_, { job }) => {
    tokens.push(job.token)
    await gate.promise
    return null
  })
  await kit.started([work], { lease: '60s', concurrency: 2 })
  await kit.until(() => tokens.length === 1)
  // The dead had 1 and 2, the late answer brings 3.
  expect(tokens).toEqual([4])
  late.resolve()
  const settled = (): readonly unknown[] =>
    kit.calls
      .filter(({ name }) => name === 'settle')
      .flatMap(({ args }) => (args[0] as SettleRequest).outcomes.map(({ kind, token }) => ({ kind, token })))
  await kit.until(() => settled().length > 0, 1_000)
  expect(settled()).toEqual([{ kind: 'released', token: 3 }])
  gate.resolve()
  await kit.until(async () => (await kit.memory.get(ids)).every((job) => job?.state === 'succeeded'))
  expect(tokens).not.toContain(3)
  await kit.close()
})
