// Faults of workers and producers: killed, stopped, told to stop.
import { expect } from 'vitest'
import { mulberry } from '../support/random.ts'
import type { Process } from './fleet.ts'
import type { Event } from './history.ts'
import { ended, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { LIMITS } from './tasks.ts'

/** A look of the upkeep, a poll and a spawn of a process on a machine that is busy with other tests. */
const MARGIN_MS = 1_500

export const processCases: readonly FaultCase[] = [
  {
    title: 'F1, F4, F7: workers and producers killed and stopped under load lose nothing',
    star: true,
    timeoutMs: 120_000,
    run: underLoad,
  },
  {
    title: 'F2: the eight jobs of a killed worker start elsewhere within the lease and a second',
    star: true,
    async run({ fleet, watch, verdict }) {
      const holder = await fleet.worker({ concurrency: 8, lease: LEASE_MS }, { extraMs: 600_000 })
      await fleet.producer({ seed: 2, prefix: 'job', count: 8 })
      await fleet.until('eight run', (history) => only(history, 'run').length === 8)
      await fleet.worker({ concurrency: 8, lease: LEASE_MS })
      fleet.fault('kill', holder)
      await fleet.until('the eight are done elsewhere', (history) => ended(history) === 8)
      await fleet.drained()
      await fleet.stop()
      const { figures } = await verdict()
      expect(figures).toMatchObject({ runs: 16, duplicates: 8 })
      watch.check('the last of the eight', figures.largestPickupMs ?? 0, LEASE_MS + 1_000, MARGIN_MS)
    },
  },
  {
    title: 'F4: a worker stopped beyond its lease is refused when it goes on',
    star: true,
    async run({ fleet, answered, verdict }) {
      const options = { concurrency: 1, lease: 1_000 }
      const frozen = await fleet.worker(options, { extraMs: 600_000 })
      await fleet.producer({ seed: 4, prefix: 'job', count: 1 })
      await fleet.until('it runs', (history) => only(history, 'run').length === 1)
      await fleet.freeze(frozen)
      await fleet.worker(options)
      await fleet.until('it has ended elsewhere', (history) => ended(history) === 1)
      fleet.fault('go-on', frozen)
      await answered(frozen)
      await fleet.drained()
      await fleet.stop()
      const { history } = fleet
      const [first, second] = only(history, 'run')
      expect(second?.token).toBeGreaterThan(first?.token ?? Number.POSITIVE_INFINITY)
      expect(only(history, 'lease-lost')).toMatchObject([{ pid: frozen.pid, token: first?.token }])
      expect(only(history, 'aborted')).toMatchObject([{ pid: frozen.pid, code: 'LEASE_LOST' }])
      const answers = only(history, 'settled').map(({ token, answer }) => [token, answer])
      expect(answers).toEqual([
        [second?.token, 'ok'],
        [first?.token, 'lost'],
      ])
      await verdict()
    },
  },
  {
    title: 'F7: producers killed around enqueue: what was accepted is there, the rest once or not at all',
    async run({ fleet, verdict }) {
      for (let round = 0; round < 4; round += 1) {
        const plan = { seed: round, prefix: `r${round}`, count: 100_000, inFlight: 32 }
        const producer = await fleet.producer(plan)
        await fleet.until('some are accepted', (history) => {
          const mine = only(history, 'accepted').filter(({ pid }) => pid === producer.pid)
          return mine.length >= 20 + 37 * round
        })
        fleet.fault('kill', producer)
        await producer.ended
      }
      await fleet.worker({ concurrency: 32, lease: LEASE_MS })
      await fleet.drained()
      await fleet.stop()
      const { figures } = await verdict()
      expect(figures.duplicates).toBe(0)
      expect(figures.ended).toBeGreaterThanOrEqual(figures.accepted)
      expect(figures.asked).toBeGreaterThan(figures.accepted)
    },
  },
  {
    title: 'F39: a worker told to stop claims nothing more, finishes what runs, gives back the rest at once',
    star: true,
    async run({ fleet, verdict }) {
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS, grace: '10s' })
      await fleet.producer({ seed: 5, prefix: 'job', count: 60, workMs: 1_500, inFlight: 60 })
      await fleet.until('four run', (history) => only(history, 'run').length >= 4)
      fleet.fault('term', worker)
      const told = only(fleet.history, 'fault')[0] as Event
      expect(await worker.ended).toBe(0)
      const runs = only(fleet.history, 'run')
      expect(runs.filter(({ at }) => at > told.at + 100)).toEqual([])
      expect(only(fleet.history, 'ran')).toHaveLength(runs.length)
      expect(only(fleet.history, 'aborted')).toEqual([])
      await fleet.worker({ concurrency: 60, lease: LEASE_MS })
      await fleet.drained()
      await fleet.stop()
      expect((await verdict()).figures.duplicates).toBe(0)
    },
  },
  {
    title: 'F39: told a second time, it gives back what runs and ends at once',
    star: true,
    async run({ fleet, watch, verdict }) {
      const options = { concurrency: 2, lease: '15s', grace: '60s' } as const
      const worker = await fleet.worker(options, { extraMs: 600_000, deaf: true })
      await fleet.producer({ seed: 6, prefix: 'job', count: 2 })
      await fleet.until('two run', (history) => only(history, 'run').length === 2)
      fleet.fault('term', worker)
      await fleet.until('it has heard of it', (history) => only(history, 'told').length === 1)
      fleet.fault('term', worker)
      expect(await worker.ended).toBe(0)
      const told = only(fleet.history, 'fault').at(-1) as Event
      const released = only(fleet.history, 'settled')
      expect(released.map(({ outcome, answer }) => [outcome, answer])).toEqual([
        ['released', 'ok'],
        ['released', 'ok'],
      ])
      for (const { at } of released) watch.check('giving back', at - told.at, 1_000, MARGIN_MS)
      // Had they to wait for their leases, it would be fifteen seconds.
      await fleet.worker({ concurrency: 2, lease: LEASE_MS })
      await fleet.until('they are done elsewhere', (history) => ended(history) === 2, 10_000)
      await fleet.drained()
      await fleet.stop()
      expect(only(fleet.history, 'run').map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1])
      await verdict()
    },
  },
]

async function underLoad({ fleet, say, answered, verdict }: Arena): Promise<void> {
  const seed = Number(process.env.OFFSTAGE_SEED ?? Math.floor(Math.random() * 2 ** 31))
  say(`seed ${seed} (OFFSTAGE_SEED repeats it)`)
  const random = mulberry(seed)
  const shares = { failing: 0.05, delayed: 0.1, limited: 0.05, parted: 0.05 }
  const load = { ...shares, count: 900, workMs: 100, maxBytes: 8_192, inFlight: 4, perSecond: 250 }
  const worker = (): Promise<Process> => fleet.worker({ concurrency: 8, lease: LEASE_MS })
  const workers = await Promise.all([worker(), worker(), worker()])
  const producers = await Promise.all(
    ['p', 'q'].map((prefix, i) => fleet.producer({ ...load, seed: seed + i, prefix })),
  )
  const take = (): Process => workers.splice(Math.floor(random() * workers.length), 1)[0] as Process
  const progress = (count: number): Promise<true> =>
    fleet.until(`${count} jobs have ended`, (history) => ended(history) >= count || undefined)

  await progress(100)
  const [victim] = producers as [Process, Process]
  fleet.fault('kill', victim)
  // Whoever follows asks for all of its jobs again: those that were accepted are duplicates.
  const successor = await fleet.producer({ ...load, seed, prefix: 'p' })
  let stopped: Process | undefined
  for (let round = 1; round <= 5; round += 1) {
    await progress(100 + round * 250)
    if (round === 2) {
      stopped = take()
      await fleet.freeze(stopped)
    } else fleet.fault('kill', take())
    workers.push(await worker())
  }
  await fleet.until('all is asked for', (history) => {
    const done = new Set(only(history, 'done').map(({ pid }) => pid))
    return done.has(successor.pid) && done.has(producers[1]?.pid ?? 0)
  })
  if (stopped === undefined) throw new Error('no worker was stopped')
  await fleet.drained()
  fleet.fault('go-on', stopped)
  await answered(stopped)
  expect(await fleet.stop()).toEqual(workers.map(() => 0).concat(0))
  const { figures } = await verdict({ limits: LIMITS })
  expect(figures.asked).toBe(1_800)
  expect(figures.accepted).toBe(1_800)
}
