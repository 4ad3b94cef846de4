// Faults that only Redis has: scripts that are gone, no memory left, a policy that throws jobs away, a primary that became
// a replica.
import { expect } from 'vitest'
import type { RedisSentinel, RedisServer } from '../support/redis-server.ts'
import { endAll, goesOn, steady } from './cases-network.ts'
import { idler, picksUp } from './cases-reconnect.ts'
import { ended, firstAfter, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { every, lasting, until } from './time.ts'

const DEMOTED_MS = 3_000
const REFUSED_MS = 5_000

/** The suite knows servers as something that can be harmed; here they are what the tests of Redis start. */
const redisOf = ({ server }: Arena): RedisServer => server as RedisServer

export const redisCases: readonly FaultCase[] = [
  {
    title: 'F17: SCRIPT FLUSH under load reaches no user',
    needs: 'server',
    async run(arena) {
      const { fleet, say, verdict, atEnd } = arena
      await fleet.worker({ concurrency: 8, lease: LEASE_MS })
      const producer = await fleet.producer({ ...steady('job'), perSecond: 300 })
      let flushed = 0
      const stop = every(50, () => {
        flushed += 1
        void redisOf(arena).cli('SCRIPT', 'FLUSH')
      })
      atEnd(stop)
      await fleet.until('a thousand have ended', (history) => ended(history) > 1_000)
      stop()
      await endAll(fleet, producer)
      say(`${flushed} times flushed`)
      expect(only(fleet.history, 'noticed')).toEqual([])
      expect((await verdict()).figures.duplicates).toBe(0)
    },
  },
  {
    title: 'F18: no memory left: enqueue says so, what runs is recorded, and it recovers',
    needs: 'server',
    run: full,
  },
  {
    title: 'F19: a policy that throws jobs away is refused, or said where INFO is forbidden',
    needs: 'server',
    async run(arena) {
      const redis = redisOf(arena)
      await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
      await expect(arena.fleet.open()).rejects.toMatchObject({ code: 'BROKER_EVICTS' })
      await redis.cli('ACL', 'SETUSER', 'shy', 'on', '>secret-word', '~*', '&*', '+@all', '-info')
      const said: string[] = []
      const keep = (...line: readonly unknown[]): void => void said.push(JSON.stringify(line))
      const app = await arena.fleet.app({
        broker: arena.fleet.broker.replace('://', '://shy:secret-word@'),
        logger: { debug: keep, info: keep, warn: keep, error: keep },
      })
      arena.atEnd(() => app.close())
      await app.broker()
      expect(said.join('\n')).toContain('INFO')
      expect(said.join('\n')).not.toContain('secret-word')
    },
  },
  {
    title: 'F20: a demoted primary: no false success, and back within three seconds',
    needs: 'server',
    async run(arena) {
      const { fleet, watch, say, verdict } = arena
      const redis = redisOf(arena)
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('job'))
      await fleet.until('it is busy', (history) => ended(history) > 20)
      fleet.outage('demoted', { long: true })
      // Nobody answers there: what it holds stays what it is.
      await redis.cli('REPLICAOF', '127.0.0.1', '1')
      await lasting(DEMOTED_MS)
      await redis.cli('REPLICAOF', 'NO', 'ONE')
      const at = fleet.outage('the primary is back', { long: true })
      await goesOn({ fleet, watch }, { at, boundMs: 3_000, worker, producer })
      await endAll(fleet, producer)
      say(`${only(fleet.history, 'refused').length} enqueues were refused`)
      await verdict({ mayRefuse: true })
    },
  },
  {
    title: 'F13: a server that refuses the login for a while: an idle and a busy worker come back',
    needs: 'server',
    async run(arena) {
      const { fleet, watch, verdict } = arena
      const redis = redisOf(arena)
      await idler(arena, fleet.broker)
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('busy'))
      await fleet.until('it is busy', (history) => ended(history) > 50)
      fleet.outage('logins are refused', { long: true })
      await redis.cli('CONFIG', 'SET', 'requirepass', 'changed')
      await redis.cli('-a', 'changed', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await redis.cli('-a', 'changed', 'CLIENT', 'KILL', 'TYPE', 'pubsub')
      await lasting(REFUSED_MS)
      await redis.cli('-a', 'changed', 'CONFIG', 'SET', 'requirepass', '')
      const at = fleet.outage('logins are taken', { long: true })
      await picksUp(arena, 1, at, 'after refused logins')
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      await verdict({ mayRefuse: true })
    },
  },
]

async function full(arena: Arena): Promise<void> {
  const { fleet, say, verdict } = arena
  const redis = redisOf(arena)
  await fleet.worker({ concurrency: 4, lease: LEASE_MS }, { extraMs: 1_500 })
  await fleet.enqueue({ seed: 18, prefix: 'before', count: 8, inFlight: 8 })
  await fleet.until('four run', (history) => only(history, 'run').length === 4)
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  await fleet.enqueue({ seed: 19, prefix: 'full', count: 3, inFlight: 3 })
  const refused = only(fleet.history, 'refused')
  expect(refused.map(({ code }) => code)).toEqual(Array(3).fill('STORE_FULL'))
  await fleet.until('what ran is recorded', (history) => ended(history) >= 4)
  say(`${only(fleet.history, 'run').length} ran and ${ended(fleet.history)} ended while there was no memory`)
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  await fleet.enqueue({ seed: 20, prefix: 'after', count: 3, inFlight: 3 })
  await fleet.until('all have ended', (history) => ended(history) === 11)
  await fleet.drained()
  expect(await fleet.stop()).toEqual([0])
  const { figures } = await verdict({ mayRefuse: true })
  expect(figures).toMatchObject({ ended: 11, runs: 11, refused: 3 })
}

/** Whoever is told of by the sentinels as the primary. */
async function primaryPort({ sentinels, name }: RedisSentinel): Promise<number> {
  const answer = await sentinels[0]?.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)
  return Number(answer?.split('\n')[1])
}

/** With `wait=1`: what was accepted is on the replica too. */
export function sentinelCase(groupOf: (arena: Arena) => RedisSentinel): FaultCase {
  return {
    title: 'F20: the primary dies, and its replica takes over: nothing accepted is lost',
    needs: 'server',
    timeoutMs: 90_000,
    async run(arena) {
      const { fleet, watch, say, verdict } = arena
      const group = groupOf(arena)
      const { primary, replica } = group
      // A backlog for the worker: without a replica nothing more is accepted, however soon it is back.
      await fleet.enqueue({ seed: 20, prefix: 'before', count: 200, inFlight: 8 })
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS }, { extraMs: 50 })
      const producer = await fleet.producer(steady('job'))
      await fleet.until('it is busy', (history) => ended(history) > 20)
      const killedAt = fleet.outage('the primary is killed', { long: true })
      await primary.kill()
      await until('the replica is the primary', async () => (await primaryPort(group)) === replica.port)
      await until('it takes writes', async () => (await replica.cli('ROLE')).startsWith('master'))
      const at = fleet.outage('there is a primary again, and the broker is back', { long: true })
      say(`the sentinels took ${at - killedAt} ms`)
      const run = await fleet.until('a job runs', (h) => firstAfter(h, 'run', at, worker.pid))
      watch.check('until a job ran it', run.at - at, 3_000)
      // Whoever asks for a replica's word waits until there is one.
      await primary.restart()
      await until('the old primary follows', async () =>
        (await replica.cli('INFO', 'replication')).includes('state=online'),
      )
      const wholeAt = fleet.outage('all servers are back', { long: true })
      await goesOn({ fleet, watch }, { at: wholeAt, boundMs: 3_000, worker, producer })
      await endAll(fleet, producer)
      say(`${only(fleet.history, 'refused').length} enqueues were refused`)
      await verdict({ mayRefuse: true })
    },
  }
}
