import { expect, test } from 'vitest'
import { task, turns, WorkerKit } from '../../test/support/worker-kit.ts'
import type { Broker } from '../broker/contract.ts'
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

test.each([0, 37, 500, 1_200])(
  'a job that kills its worker every time is a dead letter, and none of its neighbours (%i before it)',
  async (before) => {
    const kit = await new WorkerKit().open()
    const neighbours: string[] = []
    for (let i = 0; i < before; i += 1) neighbours.push(await kit.enqueue())
    const killer = await kit.enqueue({ task: 'killer' })
    for (let i = 0; i < 300; i += 1) neighbours.push(await kit.enqueue())
    let deaths = 0
    const ended = async (): Promise<boolean> =>
      (await kit.memory.get([killer, ...neighbours])).every((job) => job?.endedAt !== undefined)

    while (!(await ended())) {
      expect(deaths).toBeLessThan(20)
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
      const work = task(() => (alive ? null : new Promise(() => undefined)))
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

    expect(await kit.job(killer)).toMatchObject({ state: 'failed', reason: 'crashes-exhausted' })
    expect(deaths).toBeGreaterThanOrEqual(3)
    for (const id of neighbours) expect((await kit.job(id)).state).toBe('succeeded')
    await kit.close()
  },
)
