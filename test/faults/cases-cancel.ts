// A cancel that somebody else asks for reaches a running handler by the broker's call, and not only when its lease is
// renewed, which here would be after twenty seconds.
import { expect } from 'vitest'
import type { App } from '../../src/index.ts'
import { only } from './reading.ts'
import type { Arena, FaultCase } from './suite.ts'
import { lasting } from './time.ts'

const LEASE = '60s'
const HEARD_MS = 1_000
/** The connection has to come back first. */
const BACK_MS = 2_000
const HOLE_MS = 8_000
const ENDLESS_MS = 600_000

export const cancelCases: readonly FaultCase[] = [
  {
    title: 'a cancel by another process reaches a running handler within a second, whatever its lease',
    star: true,
    async run(arena) {
      const { fleet } = arena
      const app = await fleet.app()
      arena.atEnd(() => app.close())
      // One with all its slots taken, and one that waits for more.
      await fleet.worker({ concurrency: 2, lease: LEASE }, { extraMs: ENDLESS_MS })
      await fleet.enqueue({ seed: 1, prefix: 'job', count: 12, inFlight: 1 })
      await running(arena, 2)
      for (let count = 0; count < 4; count += 1)
        await cancelled(arena, app, await someRunning(arena), HEARD_MS)
      await fleet.worker({ concurrency: 20, lease: LEASE }, { extraMs: ENDLESS_MS })
      await running(arena, 12)
      const last = only(fleet.history, 'run').slice(-3)
      await Promise.all(last.map(({ id }) => cancelled(arena, app, id, HEARD_MS)))
      await allCancelled(arena, app)
    },
  },
  {
    title:
      'a cancel reaches a running handler after its connection was cut, and when the net is back after an outage',
    needs: 'network',
    async run(arena) {
      const { fleet } = arena
      const app = await fleet.app()
      arena.atEnd(() => app.close())
      const { proxy, url } = await arena.net()
      await fleet.worker({ concurrency: 4, lease: LEASE }, { extraMs: ENDLESS_MS, broker: url })
      await fleet.enqueue({ seed: 1, prefix: 'job', count: 4, inFlight: 1 })
      await running(arena, 4)
      proxy.cut()
      await cancelled(arena, app, 'job-0', BACK_MS)
      proxy.blackHole()
      const [handle] = [app.job('job-1')]
      await handle.cancel()
      await lasting(HOLE_MS)
      await proxy.restore()
      await heard(arena, 'job-1', Date.now(), BACK_MS)
      // Of several shards its own may have been taken for away until a second after the other was back.
      await cancelled(arena, app, 'job-2', BACK_MS)
      await allCancelled(arena, app)
    },
  },
]

async function running({ fleet }: Arena, count: number): Promise<void> {
  await fleet.until(`${count} have run`, (history) => only(history, 'run').length >= count)
}

/** One that has not been told to stop. */
function someRunning({ fleet }: Arena): Promise<string> {
  return fleet.until('a job runs', (history) => {
    const over = new Set(only(history, 'aborted').map(({ id }) => id))
    return only(history, 'run').find(({ id }) => !over.has(id))?.id
  })
}

async function cancelled(arena: Arena, app: App, id: string, boundMs: number): Promise<void> {
  await arena.fleet.until(`${id} runs`, (history) => only(history, 'run').some((run) => run.id === id))
  const from = Date.now()
  await app.job(id).cancel()
  await heard(arena, id, from, boundMs)
}

async function heard({ fleet, watch }: Arena, id: string, from: number, boundMs: number): Promise<void> {
  const aborted = await fleet.until(`${id} hears of it`, (history) =>
    only(history, 'aborted').find((event) => event.id === id),
  )
  expect(aborted.code).toBe('JOB_CANCELLED')
  watch.check(`the cancel of ${id}`, aborted.at - from, boundMs)
  await fleet.until('it is recorded', (history) => only(history, 'settled').some((event) => event.id === id))
}

/** Whatever has not ended is cancelled, where it runs and where it waits. */
async function allCancelled({ fleet, verdict }: Arena, app: App): Promise<void> {
  const broker = await app.broker()
  const answer = await broker.cancel({ query: { queue: 'default' } })
  expect(answer.more).toBe(false)
  await fleet.drained()
  const codes = await fleet.stop()
  expect(codes).toEqual(codes.map(() => 0))
  const { jobs } = await fleet.final()
  expect(jobs.map(({ state, reason }) => [state, reason])).toEqual(
    jobs.map(() => ['cancelled', 'by-request']),
  )
  const { figures } = await verdict()
  expect(figures.duplicates).toBe(0)
}
