// The consumer that is silent after a reconnect: idle and busy, after many short outages and after one that outlasts
// every client that counts its tries. Workers ask by themselves only once a minute here, so that what picks a job up is
// the connection that came back and the broker's call, and nothing else.
import { expect } from 'vitest'
import { endAll, goesOn, steady } from './cases-network.ts'
import type { Process } from './fleet.ts'
import type { NetProxy } from './proxy.ts'
import { ended, only } from './reading.ts'
import type { Arena, FaultCase } from './suite.ts'
import { lasting, until } from './time.ts'

const BACK_MS = 2_000
/** Longer than any case: whatever happens within one is not the poll. */
const POLL = '10m'
/**
 * Longer than the outages, so that what runs then is not taken away. Where the net went with the answer to a claim, its jobs
 * wait so long.
 */
const LEASE = '1m'
const IDLE = 'idle'
const SHORT_MS = [0, 0, 0, 100, 400, 0, 1_500, 0, 700, 0, 2_500, 0]
/** Of two processes with two connections each, which wait for a second at most between their tries. */
const TRIES = 120
const RESTARTS = 3

export const reconnectCases: readonly FaultCase[] = [
  {
    title:
      'F11: a worker that only listens comes back from a dozen outages: a job starts within two seconds of each',
    needs: 'network',
    timeoutMs: 120_000,
    async run(arena) {
      const { fleet, verdict } = arena
      const { proxy, url } = await arena.net()
      await idler(arena, url)
      for (const [round, downMs] of SHORT_MS.entries()) {
        fleet.outage('the net is down', { long: true })
        await down(proxy, downMs)
        const at = fleet.outage('the net is back', { long: true })
        await picksUp(arena, round, at, `after ${downMs} ms without a net`)
      }
      await fleet.drained()
      expect(await fleet.stop()).toEqual([0])
      await verdict()
    },
  },
  {
    title:
      'F13: a net that is away for more than twenty tries: an idle and a busy worker come back, and nothing runs twice',
    needs: 'network',
    timeoutMs: 180_000,
    async run(arena) {
      const { fleet, watch, say, verdict } = arena
      const { proxy, url } = await arena.net()
      await idler(arena, url)
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE, pollInterval: POLL }, { broker: url })
      const producer = await fleet.producer({ ...steady('busy'), workMs: 300, perSecond: 20 })
      await fleet.until('it is busy', (history) => ended(history) > 20)
      const before = proxy.accepted
      const from = fleet.outage('the net is down')
      proxy.slam()
      await until('it was tried often', () => proxy.accepted - before >= TRIES, { limitMs: 90_000 })
      await proxy.restore()
      const at = fleet.outage('the net is back')
      say(`${proxy.accepted - before} tries in ${at - from} ms`)
      await Promise.all([
        picksUp(arena, 1, at, 'after an outage of many tries'),
        goesOn({ fleet, watch }, { at, boundMs: BACK_MS, worker, producer }),
      ])
      await endAll(fleet, producer)
      // What ran when the net went was recorded when it came back.
      expect((await verdict()).figures.duplicates).toBe(0)
    },
  },
  {
    title: 'F13: a broker that is restarted again and again finds its idle worker listening each time',
    needs: 'server',
    durability: 'durable',
    timeoutMs: 120_000,
    async run(arena) {
      const { fleet, server, verdict } = arena
      await idler(arena, fleet.broker)
      for (let round = 1; round <= RESTARTS; round += 1) {
        fleet.outage('the broker is killed', { long: true })
        await server.kill()
        await lasting(round * 1_000)
        await server.restart()
        const at = fleet.outage('the broker is back', { long: true })
        await picksUp(arena, round, at, `after restart ${round} of the broker`)
      }
      await fleet.drained()
      expect(await fleet.stop()).toEqual([0])
      await verdict()
    },
  },
]

/** A worker that has nothing to do, and has been called once. */
export async function idler({ fleet }: Arena, url: string): Promise<Process> {
  const options = { concurrency: 4, lease: LEASE, queues: [IDLE], pollInterval: POLL } as const
  const worker = await fleet.worker(options, { broker: url })
  await fleet.enqueue({ seed: 1, prefix: 'first', count: 1, options: { queue: IDLE } })
  await fleet.until('the idle worker works', (history) => ended(history) === 1)
  return worker
}

/** Somebody else enqueues a job for it, once at once and once more when all is quiet again. */
export async function picksUp(arena: Arena, round: number, at: number, when: string): Promise<void> {
  const { fleet, watch } = arena
  for (const [turn, boundMs] of [BACK_MS, 1_000].entries()) {
    const from = turn === 0 ? at : Date.now()
    const id = await accepted(arena, `round-${round}-${turn}`)
    const run = await fleet.until(
      `a job is picked up ${when}`,
      (history) => only(history, 'run').find((event) => event.id === id),
      boundMs + 20_000,
    )
    watch.check(`${turn === 0 ? 'a' : 'another'} job ${when}`, run.at - from, boundMs)
    await fleet.until('it has ended', (history) => only(history, 'settled').some((event) => event.id === id))
  }
}

/** Whoever enqueues may itself be on its way back to the broker. */
async function accepted({ fleet }: Arena, name: string): Promise<string> {
  for (let tries = 1; tries <= 20; tries += 1) {
    const prefix = `${name}-${tries}`
    await fleet.enqueue({ seed: 11, prefix, count: 1, options: { queue: IDLE } })
    const found = only(fleet.history, 'accepted').find(({ id }) => id.startsWith(prefix))
    if (found !== undefined) return found.id
    await lasting(50)
  }
  throw new Error('nothing can be enqueued')
}

/** A cut where it lasts no time. */
async function down(proxy: NetProxy, ms: number): Promise<void> {
  if (ms === 0) {
    proxy.cut()
    return
  }
  await proxy.refuse()
  await lasting(ms)
  await proxy.restore()
}
