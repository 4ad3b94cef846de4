// Faults of the network between a process and the broker's server: lost replies and requests, cuts, black holes.
import { expect } from 'vitest'
import type { Process } from './fleet.ts'
import type { NetProxy } from './proxy.ts'
import { ended, firstAfter, only, succeeded } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { lasting } from './time.ts'

const CUTS = 5
const CUTS_MS = 3_000
const HOLE_MS = 10_000

export const networkCases: readonly FaultCase[] = [
  {
    title: 'F8: the reply to an enqueue is lost: the client repeats it, and there is one job',
    needs: 'network',
    async run({ fleet, net, marks, verdict }) {
      const { proxy, url } = await net()
      for (const [round, lose] of ['reply', 'request'].entries()) {
        const eaten =
          lose === 'reply' ? proxy.dropNextReply(...marks.enqueue) : proxy.dropNextRequest(...marks.enqueue)
        await fleet.producer({ seed: 8, prefix: lose, count: 20, inFlight: 4 }, url)
        await eaten
        await fleet.until(
          'all are accepted',
          (history) => only(history, 'accepted').length === (round + 1) * 20,
        )
      }
      await fleet.worker({ concurrency: 8, lease: LEASE_MS })
      await fleet.drained()
      await fleet.stop()
      expect((await verdict()).figures).toMatchObject({ asked: 40, ended: 40, runs: 40 })
    },
  },
  {
    title: 'F9: the reply to a settle is lost: nothing runs twice while the lease lives, and it ends once',
    star: true,
    needs: 'network',
    async run({ fleet, net, marks, verdict }) {
      const { proxy, url } = await net()
      await fleet.worker({ concurrency: 4, lease: LEASE_MS }, { broker: url })
      for (const [round, lose] of ['reply', 'request'].entries()) {
        const eaten =
          lose === 'reply' ? proxy.dropNextReply(...marks.settle) : proxy.dropNextRequest(...marks.settle)
        await fleet.enqueue({ seed: 9, prefix: lose, count: 4, inFlight: 4 })
        await eaten
        fleet.outage(`the ${lose} was lost`)
        await fleet.until('all have ended', (history) => ended(history) === (round + 1) * 4)
      }
      await fleet.drained()
      await fleet.stop()
      expect(only(fleet.history, 'settled').map(({ answer }) => answer)).toEqual(Array(8).fill('ok'))
      expect((await verdict()).figures).toMatchObject({ ended: 8, runs: 8, duplicates: 0 })
    },
  },
  {
    title: 'F10: the reply to a reserve is lost: its jobs run within the lease and a second',
    needs: 'network',
    async run({ fleet, net, marks, watch, verdict }) {
      const { proxy, url } = await net()
      await fleet.enqueue({ seed: 10, prefix: 'job', count: 4, inFlight: 4 })
      const eaten = proxy.dropNextReply(...marks.reserve)
      await fleet.worker({ concurrency: 4, lease: LEASE_MS }, { broker: url })
      await eaten
      const at = fleet.outage('the reply was lost')
      await fleet.until('all have ended', (history) => ended(history) === 4)
      const runs = only(fleet.history, 'run')
      watch.check('the first of the lost jobs', Math.min(...runs.map((run) => run.at)) - at, LEASE_MS + 1_000)
      // The others follow one by one, since each may be what broke its holder.
      watch.check(
        'the last of the lost jobs',
        Math.max(...runs.map((run) => run.at)) - at,
        LEASE_MS + 1_000,
        500,
      )
      await fleet.drained()
      await fleet.stop()
      expect((await verdict()).figures).toMatchObject({ ended: 4, runs: 4, duplicates: 0 })
    },
  },
  {
    title: 'F11: the net is cut five times in three seconds, from an idle worker and from a busy one',
    star: true,
    needs: 'network',
    async run({ fleet, net, watch, verdict }) {
      const { proxy, url } = await net()
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS }, { broker: url })
      await works(fleet)
      const idleAt = await cuts(fleet, proxy)
      await fleet.enqueue({ seed: 11, prefix: 'idle', count: 1 })
      const run = await fleet.until('the job runs', (history) => firstAfter(history, 'run', idleAt))
      watch.check('work of the idle worker', run.at - idleAt, 2_000)

      const producer = await fleet.producer(steady('busy'), url)
      await fleet.until('it is busy', (history) => ended(history) > 20)
      const busyAt = await cuts(fleet, proxy)
      await goesOn({ fleet, watch }, { at: busyAt, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      await verdict()
    },
  },
  {
    title:
      'F12: a black hole of ten seconds is noticed within five, and work goes on within three of its end',
    needs: 'network',
    timeoutMs: 120_000,
    async run({ fleet, net, watch, verdict }) {
      const { proxy, url } = await net()
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS }, { broker: url })
      await works(fleet)
      const idleAt = await hole({ fleet, watch }, proxy, 'the idle worker')
      await fleet.enqueue({ seed: 12, prefix: 'idle', count: 1 })
      const run = await fleet.until('the job runs', (history) => firstAfter(history, 'run', idleAt))
      watch.check('work of the idle worker', run.at - idleAt, 3_000)

      const producer = await fleet.producer(steady('busy'), url)
      await fleet.until('it is busy', (history) => ended(history) > 20)
      const busyAt = await hole({ fleet, watch }, proxy, 'the busy worker')
      await goesOn({ fleet, watch }, { at: busyAt, boundMs: 3_000, worker, producer })
      await endAll(fleet, producer)
      await verdict({ mayRefuse: true })
    },
  },
]

/** A producer that never stops asking. */
export function steady(prefix: string): Parameters<Arena['fleet']['producer']>[0] {
  return { seed: 1, prefix, count: 1_000_000, inFlight: 8, perSecond: 100, workMs: 30 }
}

/** Waits until jobs are accepted and done again after an outage, and holds that against the bound. */
export async function goesOn(
  { fleet, watch }: Pick<Arena, 'fleet' | 'watch'>,
  {
    at,
    boundMs,
    worker,
    producer,
  }: {
    readonly at: number
    readonly boundMs: number
    readonly worker?: Process
    readonly producer?: Process
  },
): Promise<void> {
  const limitMs = boundMs + 20_000
  const accepted = await fleet.until(
    'a job is accepted',
    (h) => firstAfter(h, 'accepted', at, producer?.pid),
    limitMs,
  )
  const done = await fleet.until(
    'a job is done',
    (history) =>
      only(history, 'settled').find((e) => e.at >= at && succeeded(e) && (worker?.pid ?? e.pid) === e.pid),
    limitMs,
  )
  watch.check('until a job was accepted it', accepted.at - at, boundMs)
  watch.check('until a job was done it', done.at - at, boundMs)
}

/** Lets the producers end, the workers do the rest, and all processes end well. */
export async function endAll(fleet: Arena['fleet'], ...producers: readonly Process[]): Promise<void> {
  for (const producer of producers) fleet.fault('term', producer)
  expect(await Promise.all(producers.map((producer) => producer.ended))).toEqual(producers.map(() => 0))
  await fleet.drained()
  const codes = await fleet.stop()
  expect(codes).toEqual(codes.map(() => 0))
}

/** A worker that has just been started may still be on its way to the broker. */
async function works(fleet: Arena['fleet']): Promise<void> {
  await fleet.enqueue({ seed: 1, prefix: 'first', count: 1 })
  await fleet.until('the worker works', (history) => ended(history) === 1)
}

async function cuts(fleet: Arena['fleet'], proxy: NetProxy): Promise<number> {
  for (let count = 0; count < CUTS; count += 1) {
    if (count > 0) await lasting(CUTS_MS / (CUTS - 1))
    fleet.outage('cut')
    proxy.cut()
  }
  return fleet.outage('the net is back')
}

/** Answers when it ended. It is noticed when a connection is given up. */
async function hole(
  { fleet, watch }: Pick<Arena, 'fleet' | 'watch'>,
  proxy: NetProxy,
  whose: string,
): Promise<number> {
  const at = fleet.outage('black hole', { long: true })
  proxy.blackHole()
  await fleet.until(`${whose} notices`, () => proxy.givenUp > 0, HOLE_MS)
  watch.check(`until ${whose} noticed it`, Date.now() - at, 5_000)
  await lasting(Math.max(0, HOLE_MS - (Date.now() - at)))
  await proxy.restore()
  return fleet.outage('the net is back', { long: true })
}
