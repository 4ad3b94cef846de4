// Load that is a fault by itself: everything due at once, everything failing at once, and restarts, kills and limits
// while there is much to do.
import { rmSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Broker } from '../../src/index.ts'
import { retryDelayMs } from '../../src/job/retry.ts'
import { mulberry } from '../support/random.ts'
import { endAll, steady } from './cases-network.ts'
import { unfinished } from './final.ts'
import type { Process } from './fleet.ts'
import type { TallyFigures } from './history.ts'
import type { Places } from './plan.ts'
import { ended, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { LIMITS, QUIET_RETRY, type QuietInput, quietTask, RATE } from './tasks.ts'
import { inTime, lasting, now, until } from './time.ts'

const AT_ONCE = 10_000
const DELAYED = 100_000
/** Over which the delayed ones fall due. */
const SPREAD_MS = 6_000
/** For how long nobody else may be held up. */
const HELD_MS = 100
const PING_MS = 20

const FAILING = 10_000
const DOWN_MS = 20_000
const SECOND_MS = 1_000
const BUCKET_MS = 100
/** Of what full jitter predicts. */
const PEAK = 1.2
const SIMULATIONS = 5
const PROBES = 30

const RESTARTS = 5

const PLACES: readonly Places[] = [1, 2, 3, 4, 5]
const KILLS = 5
const KILL_EVERY_MS = 2_500
/** From a claim to the begin of its handlers. */
const LATE_MS = 500

export const loadCases: readonly FaultCase[] = [
  {
    title:
      'F34: 10,000 jobs due in one millisecond and 100,000 delayed ones all run, and the broker is held by none',
    timeoutMs: 240_000,
    alone: true,
    run: avalanche,
  },
  {
    title:
      'F40: all workers are restarted in turn, five times, under load: nothing is lost, nothing runs twice',
    timeoutMs: 120_000,
    run: restarts,
  },
  {
    title:
      'F41: 10,000 jobs fail while what they need is down: retries as spread as jitter makes them, no dead letter',
    timeoutMs: 180_000,
    alone: true,
    run: dependencyDown,
  },
  {
    title:
      'F43: limits of one to five and a rate while workers die: never exceeded, and the places come back',
    timeoutMs: 120_000,
    run: limits,
  },
]

async function avalanche(arena: Arena): Promise<void> {
  const { fleet, watch, say, atEnd } = arena
  const enqueue = await quietly(arena)
  // Late enough for all of them to be there before.
  const dueAt = Date.now() + 12_000
  await enqueue(DELAYED, (i) => dueAt + 1 + Math.floor((i * SPREAD_MS) / DELAYED))
  await enqueue(AT_ONCE, () => dueAt)
  const beforeMs = dueAt - Date.now()
  say(`all were enqueued ${beforeMs} ms before the first was due`)
  const broker = await fleet.open()
  atEnd(() => broker.close())
  const workers = await Promise.all(
    [1, 2].map(() => fleet.worker({ concurrency: 50, lease: '15s' }, { only: ['quiet'] })),
  )
  const calls = heldFor(broker)
  await until('all have run', async () => (await unfinished(broker)) === 0, {
    limitMs: 150_000,
    everyMs: 200,
  })
  const longest = await calls()
  expect(await fleet.stop()).toEqual([0, 0])
  const tallies = tallyOf(arena, workers)
  expect(tallies.reduce((sum, { runs }) => sum + runs, 0)).toBe(AT_ONCE + DELAYED)
  const { jobs } = await countsOf(broker)
  expect(jobs).toEqual({ succeeded: AT_ONCE + DELAYED })
  for (const { p50, p99, max } of tallies)
    say(`began late by ${p50} ms (median), ${p99} ms (p99), ${max} ms at most`)
  // Those of this process, beside which two workers, their broker and everything else share the machine.
  watch.check('the longest of the small calls beside it', longest, HELD_MS, 4 * HELD_MS)
}

async function restarts({ fleet, verdict }: Arena): Promise<void> {
  const start = (): Promise<Process> => fleet.worker({ concurrency: 8, lease: LEASE_MS })
  let workers: Process[] = await Promise.all([start(), start(), start()])
  const mixed = { failing: 0.05, delayed: 0.1, limited: 0.03, parted: 0.05, unique: 0.05 }
  const producer = await fleet.producer({ ...steady('p'), ...mixed, perSecond: 150 })
  for (let round = 1; round <= RESTARTS; round += 1) {
    const next: Process[] = []
    for (const old of workers) {
      const sofar = ended(fleet.history)
      await fleet.until('work goes on', (history) => ended(history) > sofar + 20)
      next.push(await start())
      fleet.fault('term', old)
      expect(await old.ended).toBe(0)
    }
    workers = next
  }
  await endAll(fleet, producer)
  const { figures } = await verdict({ limits: LIMITS })
  expect(figures.duplicates).toBe(0)
}

async function dependencyDown(arena: Arena): Promise<void> {
  const { fleet, watch, say, atEnd } = arena
  const needs = fleet.file('up')
  writeFileSync(needs, '')
  const broker = await fleet.open()
  atEnd(() => broker.close())
  // Limits, which make claims dearer, are no matter of this case.
  const lease = '15s'
  await fleet.worker({ concurrency: 4, lease, queues: ['other'] }, { only: ['work'] })
  const failing = await fleet.worker({ concurrency: 50, lease }, { only: ['quiet'] })
  const quietMs = await latency(arena, 'before')
  const enqueue = await quietly(arena)
  rmSync(needs)
  await enqueue(FAILING, undefined, needs)
  const downMs = now()
  const stormMs = await latency(arena, 'during')
  await lasting(DOWN_MS - (now() - downMs))
  writeFileSync(needs, '')
  await until('all have succeeded', async () => (await unfinished(broker)) === 0, { limitMs: 90_000 })
  expect(await fleet.stop()).toEqual([0, 0])
  expect((await countsOf(broker)).quiet).toEqual({ succeeded: FAILING })
  const [{ retries, firstsMs }] = tallyOf(arena, [failing]) as [TallyFigures]
  // While first attempts are in line, retries that are due wait behind them, and are then worked off as fast as the
  // machine can. That is over long before the predicted peak, at the first delay's base.
  const peak = peakOf(retries.slice(Math.ceil((2 * firstsMs) / BUCKET_MS)))
  const predicted = predictedPeak(retries)
  say(`${peak} retries in the busiest second, where full jitter predicts ${Math.round(predicted)}`)
  expect(peak).toBeLessThan(predicted * PEAK)
  // A machine of two cores has one worker that fails as fast as it can beside the broker and the other worker.
  watch.check('the median of jobs in another queue', stormMs, 2 * quietMs, 50)
}

async function limits(arena: Arena): Promise<void> {
  const { fleet, watch, say, verdict } = arena
  const limited = ['rated', ...PLACES.map((places) => `places-${places}`)]
  const start = (): Promise<Process> => fleet.worker({ concurrency: 16, lease: 1_000 }, { only: limited })
  const workers: Process[] = await Promise.all([start(), start(), start()])
  for (const places of PLACES)
    await fleet.enqueue({
      seed: places,
      prefix: `l${places}`,
      task: `places-${places}`,
      count: 30 * places,
      workMs: 200,
    })
  await fleet.enqueue({ seed: 9, prefix: 'r', task: 'rated', count: 10 * RATE })
  const random = mulberry(43)
  const backMs: number[] = []
  for (let kill = 0; kill < KILLS; kill += 1) {
    await fleet.until('there is work', (history) => only(history, 'run').length > 10 * kill)
    const victim = workers.splice(Math.floor(random() * workers.length), 1)[0] as Process
    const held = open(arena, victim)
    fleet.fault('kill', victim)
    const at = Date.now()
    workers.push(await start())
    await lasting(KILL_EVERY_MS - (Date.now() - at))
    for (const task of new Set(held)) {
      // Whoever ran nothing else in the meantime waited for the places of the dead.
      const next = only(fleet.history, 'run').find((run) => run.task === task && run.at > at)
      if (next !== undefined) backMs.push(next.at - at)
    }
  }
  await fleet.drained()
  expect(await fleet.stop()).toEqual([0, 0, 0])
  watch.check('the longest wait for a place', Math.max(0, ...backMs), 1_000 + 1_000, 1_500)
  say(`${busiestSecond(arena)} starts in the busiest second of a rate of ${RATE}`)
  await verdict({ limits: LIMITS })
}

/** The tasks with a limit that a process runs now. */
function open({ fleet }: Arena, { pid }: Process): string[] {
  const running = new Map<string, string>()
  for (const event of fleet.history) {
    if (event.pid !== pid) continue
    if (event.e === 'run' && event.task.startsWith('places'))
      running.set(`${event.id} ${event.token}`, event.task)
    if (event.e === 'ran') running.delete(`${event.id} ${event.token}`)
  }
  return [...running.values()]
}

/**
 * By when each handler began, which is a little after the claim that the rate counts: in no time do more begin than may
 * be claimed in it and that little more. Answers the most in any second.
 */
function busiestSecond({ fleet }: Arena): number {
  const starts = only(fleet.history, 'run').flatMap(({ task, at }) => (task === 'rated' ? [at] : []))
  starts.sort((a, b) => a - b)
  let most = 0
  for (const [i, from] of starts.entries()) {
    for (const [more, to] of starts.slice(i).entries()) {
      const seconds = Math.floor((to - from + LATE_MS) / SECOND_MS) + 1
      if (more + 1 > RATE * seconds) throw new Error(`${more + 1} starts in ${to - from} ms`)
      if (to - from < SECOND_MS) most = Math.max(most, more + 1)
    }
  }
  return most
}

/** Enqueues quiet jobs from this process, in thousands. */
async function quietly({
  fleet,
  atEnd,
}: Arena): Promise<(count: number, dueAt?: (i: number) => number, needs?: string) => Promise<void>> {
  const app = await fleet.app()
  atEnd(() => app.close())
  const task = quietTask(app, () => undefined)
  return async (count, dueAt, needs) => {
    const inputs = Array.from(
      { length: count },
      (_, i): QuietInput => ({
        ...(dueAt === undefined ? {} : { dueAt: dueAt(i) }),
        ...(needs === undefined ? {} : { needs }),
      }),
    )
    await task.enqueueMany(inputs, ({ dueAt: runAt }) => (runAt === undefined ? undefined : { runAt }))
  }
}

/** Makes small calls one after another; the answer ends it, and says how long the longest took. */
function heldFor(broker: Broker): () => Promise<number> {
  let over = false
  let longest = 0
  const entry = { id: 'probe', host: 'test', pid: 1, queues: [], tasks: [], concurrency: 1, active: 0 }
  const calls = (async () => {
    while (!over) {
      const from = now()
      await broker.beat({ ...entry, startedAt: 0, state: 'running' }, 60_000)
      longest = Math.max(longest, now() - from)
      await lasting(PING_MS)
    }
  })()
  return async () => {
    over = true
    await calls
    return longest
  }
}

function tallyOf({ fleet }: Arena, workers: readonly Process[]): TallyFigures[] {
  const pids = new Set(workers.map(({ pid }) => pid))
  return only(fleet.history, 'tally').filter(({ pid }) => pids.has(pid))
}

/** Jobs by state, of all queues together and of the quiet one. */
async function countsOf(broker: Broker): Promise<{ readonly [which in 'jobs' | 'quiet']: object }> {
  const add = (queues: Awaited<ReturnType<Broker['queues']>>): object => {
    const sums: Record<string, number> = {}
    for (const { counts } of queues)
      for (const [state, count] of Object.entries(counts))
        if (count > 0) sums[state] = (sums[state] ?? 0) + count
    return sums
  }
  const queues = await broker.queues()
  return { jobs: add(queues), quiet: add(queues.filter(({ queue }) => queue === 'quiet')) }
}

/** The median time from the answer to an enqueue to the begin of its handler, one job after another. */
async function latency({ fleet }: Arena, prefix: string): Promise<number> {
  const took: number[] = []
  for (let probe = 0; probe < PROBES; probe += 1) {
    const name = `${prefix}-${probe}`
    const from = Date.now()
    await fleet.enqueue({ seed: 41, prefix: name, count: 1, options: { queue: 'other' } })
    const run = await fleet.until('it runs', (history) =>
      only(history, 'run').find(({ id }) => id.startsWith(`${name}-`)),
    )
    took.push(run.at - from)
    await inTime(PING_MS, new Promise<never>(() => undefined))
  }
  return took.sort((a, b) => a - b)[Math.floor(PROBES / 2)] ?? 0
}

/** In any second. */
function peakOf(buckets: readonly number[]): number {
  const width = SECOND_MS / BUCKET_MS
  let most = 0
  for (let from = 0; from < buckets.length; from += 1) {
    const sum = buckets.slice(from, from + width).reduce((all, count) => all + count, 0)
    most = Math.max(most, sum)
  }
  return most
}

/** The same jobs, all failing first at once, with the delays that the library draws. The mean of some trials. */
function predictedPeak(measured: readonly number[]): number {
  const policy = { attempts: QUIET_RETRY.attempts, baseMs: QUIET_RETRY.base, maxMs: QUIET_RETRY.max }
  let sum = 0
  for (let trial = 0; trial < SIMULATIONS; trial += 1) {
    const buckets: number[] = Array.from({ length: measured.length }, () => 0)
    for (let job = 0; job < FAILING; job += 1) {
      let at = 0
      for (let failures = 1; at < DOWN_MS; failures += 1) {
        at += retryDelayMs(policy, failures)
        const bucket = Math.floor(at / BUCKET_MS)
        if (bucket < buckets.length) buckets[bucket] = (buckets[bucket] ?? 0) + 1
      }
    }
    sum += peakOf(buckets)
  }
  return sum / SIMULATIONS
}
