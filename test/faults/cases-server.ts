// Faults of the broker's server: down, killed, stopped, not there yet.
import { expect } from 'vitest'
import { endAll, goesOn, steady } from './cases-network.ts'
import { ended, firstAfter, only } from './reading.ts'
import { type Arena, type Durability, type FaultCase, LEASE_MS } from './suite.ts'
import { LIMITS } from './tasks.ts'
import { lasting } from './time.ts'

const DOWN_MS = 10_000
const STOPPED_MS = 5_000
const AWAY = 'BROKER_UNAVAILABLE'

export const serverCases: readonly FaultCase[] = [
  {
    title: 'F13: the broker is down for ten seconds: enqueue waits or rejects, and nothing accepted is lost',
    needs: 'server',
    durability: 'durable',
    timeoutMs: 90_000,
    async run({ fleet, server, watch, say, verdict }) {
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('job'))
      await fleet.until('it is busy', (history) => ended(history) > 20)
      fleet.outage('the broker is down', { long: true })
      await server.kill()
      await lasting(DOWN_MS)
      await server.restart()
      const at = fleet.outage('the broker is back', { long: true })
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      const refused = only(fleet.history, 'refused')
      say(`${refused.length} enqueues were refused`)
      expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(refused.length > 0 ? [AWAY] : []))
      await verdict({ mayRefuse: true })
    },
  },
  {
    title: 'F14: the broker is killed and restarted under load: no accepted job is lost',
    star: true,
    needs: 'server',
    durability: 'durable',
    async run(arena) {
      await killed(arena)
      await arena.verdict({ limits: LIMITS })
    },
  },
  ...(['weaker', 'none'] as const).map(
    (durability): FaultCase => ({
      title: `F14, measured: what is lost where the server stores with the setting '${durability}'`,
      needs: 'server',
      durability,
      run: (arena) => lossOf(arena, durability),
    }),
  ),
  {
    title: 'F15: the broker is stopped for five seconds: no crash is counted, nothing expires in masses',
    needs: 'server',
    async run({ fleet, server, watch, say, verdict }) {
      const worker = await fleet.worker({ concurrency: 8, lease: LEASE_MS })
      const other = await fleet.worker({ concurrency: 8, lease: LEASE_MS })
      const producer = await fleet.producer({ ...steady('job'), workMs: 600, perSecond: 30 })
      await fleet.until('it is busy', (history) => ended(history) > 30)
      fleet.outage('the broker is stopped', { long: true })
      server.pause()
      await lasting(STOPPED_MS)
      server.resume()
      const at = fleet.outage('the broker goes on', { long: true })
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, producer })
      await endAll(fleet, producer)
      const lost = only(fleet.history, 'lease-lost').filter(({ pid }) =>
        [worker.pid, other.pid].includes(pid),
      )
      say(`${lost.length} leases were lost`)
      const { jobs } = await fleet.final()
      expect(jobs.filter(({ crashes = 0 }) => crashes > 0)).toEqual([])
      const { figures } = await verdict({ mayRefuse: true })
      expect(figures.duplicates).toBeLessThanOrEqual(16)
    },
  },
  {
    title: 'F16: started without a broker: a clear error, tries with back-off, work when it appears',
    needs: 'server',
    async run({ fleet, server, watch, verdict }) {
      await server.kill()
      await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      await fleet.producer({ seed: 16, prefix: 'job', count: 3, inFlight: 1 })
      const refused = await fleet.until('an enqueue is refused', (h) => only(h, 'refused')[0], 20_000)
      expect(refused.code).toBe(AWAY)
      // Who did not answer: the server, or the shard where there are several.
      expect(refused.error).toMatch(/127\.0\.0\.1:\d+|shard \d/)
      const tries = await fleet.until('the worker has tried', (h) => {
        const found = only(h, 'not-started')
        return found.length > 2 ? found : undefined
      })
      expect(new Set(tries.map(({ code }) => code))).toEqual(new Set([AWAY]))
      await server.restart()
      const at = Date.now()
      const run = await fleet.until('a job runs', (history) => firstAfter(history, 'run', at))
      watch.check('until a job ran it', run.at - at, 3_000)
      await fleet.until('all is asked for', (history) => only(history, 'done').length === 1)
      await fleet.drained()
      const codes = await fleet.stop()
      expect(codes).toEqual(codes.map(() => 0))
      await verdict({ mayRefuse: true })
    },
  },
]

/** Two producers and two workers, while the server is killed and started again three times. */
async function killed({ fleet, server, watch }: Arena): Promise<void> {
  const mixed = { failing: 0.05, delayed: 0.1, limited: 0.05, parted: 0.05, maxBytes: 8_192 }
  const plan = { ...steady('p'), ...mixed, perSecond: 150 }
  await Promise.all([1, 2].map(() => fleet.worker({ concurrency: 8, lease: LEASE_MS })))
  const producers = await Promise.all([
    fleet.producer(plan),
    fleet.producer({ ...plan, seed: 2, prefix: 'q' }),
  ])
  for (let round = 1; round <= 3; round += 1) {
    const sofar = ended(fleet.history)
    await fleet.until('it is busy', (history) => ended(history) > sofar + 150)
    fleet.outage('the broker is killed')
    await server.kill()
    await server.restart()
    const at = fleet.outage('the broker is back')
    await goesOn({ fleet, watch }, { at, boundMs: 2_000 })
  }
  await endAll(fleet, ...producers)
}

async function lossOf(arena: Arena, durability: Durability): Promise<void> {
  const { fleet, say } = arena
  await killed(arena)
  const there = new Set((await fleet.final()).jobs.map(({ id }) => id))
  const accepted = only(fleet.history, 'accepted')
  const lost = accepted.filter(({ id, as = id }) => !there.has(as)).length
  say(`with '${durability}', three kills lost ${lost} of ${accepted.length} accepted jobs`)
}
