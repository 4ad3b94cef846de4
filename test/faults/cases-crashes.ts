// Jobs that harm the process they run in: they kill it, exhaust it, block it, or never end. Whoever runs beside them
// suffers nothing but a delay.
import { expect } from 'vitest'
import type { Deed } from './deeds.ts'
import type { Process } from './fleet.ts'
import { ended, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { until } from './time.ts'

const SHORT_LEASE_MS = 1_000
const NEIGHBOURS = 300
/** Of quick jobs, after which a worker claims hundreds at a time. */
const WARM_UP = 200
const HEAP_MB = 96
/** Beside others, collecting what cannot be collected takes its time. */
const OUT_OF_MEMORY_MS = 90_000
/** As in `cases-processes.ts`, and a process that has to be started. */
const MARGIN_MS = 2_500
const HEALTHY_LEASES = 10
const BLOCKED_LEASES = 3
const BEFORE_BLOCK_MS = 500

const BREAKS: readonly { readonly deed: Deed; readonly what: string }[] = [
  { deed: 'memory', what: 'a handler that runs out of memory' },
  { deed: 'exit', what: 'process.exit in a handler' },
  { deed: 'throw', what: 'an exception that nobody catches' },
  { deed: 'reject', what: 'a rejection that nobody handles' },
]

export const crashCases: readonly FaultCase[] = [
  {
    title: 'F3: a job that kills its worker every time, among hundreds of prefetched neighbours, ends alone',
    timeoutMs: 120_000,
    run: poison,
  },
  {
    title: 'F5: a loop blocked for three leases: its job runs once, those that had not started run elsewhere',
    run: blocked,
  },
  {
    title: 'F6: a healthy job of ten leases runs exactly once',
    async run({ fleet, verdict }) {
      const lease = 500
      await fleet.worker({ concurrency: 2, lease }, { extraMs: HEALTHY_LEASES * lease })
      await fleet.enqueue({ seed: 6, prefix: 'long', count: 1 })
      await fleet.until('it runs', (history) => only(history, 'run').length === 1)
      // Somebody with free slots, who would take it if it could be had.
      await fleet.worker({ concurrency: 2, lease })
      await fleet.until('it has ended', (history) => ended(history) === 1)
      await fleet.drained()
      await fleet.stop()
      expect(only(fleet.history, 'lease-lost')).toEqual([])
      expect((await verdict()).figures).toMatchObject({ ended: 1, runs: 1, duplicates: 0 })
    },
  },
  ...BREAKS.map(
    ({ deed, what }): FaultCase => ({
      title: `F38: ${what}: the others run again within the lease and a second, and it is counted as a crash`,
      timeoutMs: OUT_OF_MEMORY_MS + 60_000,
      run: (arena) => breaks(arena, deed),
    }),
  ),
  {
    title: 'F38: a promise that never settles is ended by the time limit, and the others are unharmed',
    async run({ fleet, verdict }) {
      await fleet.worker({ concurrency: 4, lease: LEASE_MS, abandonAfter: 100 })
      const options = { timeout: 300, retry: { attempts: 2, base: 1, max: 1 } }
      await fleet.enqueue({ seed: 38, prefix: 'never', count: 2, deed: 'never', options })
      await fleet.enqueue({ seed: 39, prefix: 'job', count: 20, workMs: 100 })
      await fleet.drained()
      expect(await fleet.stop()).toEqual([0])
      const { jobs } = await fleet.final()
      const never = jobs.filter(({ id }) => id.startsWith('never'))
      expect(never.map(({ state, reason, failures, crashes }) => [state, reason, failures, crashes])).toEqual(
        Array(2).fill(['failed', 'attempts-exhausted', 2, 0]),
      )
      const aborted = only(fleet.history, 'aborted').map(({ code }) => code)
      expect(aborted).toEqual(Array(4).fill('ATTEMPT_TIMEOUT'))
      expect((await verdict()).figures).toMatchObject({ ended: 22, runs: 24, duplicates: 0 })
    },
  },
]

/**
 * Starts another worker for each one that dies, as whoever supervises them does, until `done` has resolved. Answers who
 * died.
 */
async function supervised(
  { fleet }: Arena,
  count: number,
  start: () => Promise<Process>,
  done: (deaths: () => number) => Promise<unknown>,
): Promise<readonly Process[]> {
  const deaths: Process[] = []
  let over = false
  const starting = new Set<Promise<void>>()
  const keep = (): void => {
    const one = start().then((worker) => {
      void worker.ended.then(() => {
        if (over) return
        deaths.push(worker)
        fleet.died(worker)
        keep()
      })
    })
    starting.add(one)
    one.finally(() => starting.delete(one)).catch(() => undefined)
  }
  for (let n = 0; n < count; n += 1) keep()
  await Promise.all(starting)
  await done(() => deaths.length)
  over = true
  await Promise.all(starting)
  return deaths
}

async function poison(arena: Arena): Promise<void> {
  const { fleet, say, verdict } = arena
  const enqueue = (prefix: string, count: number, deed?: Deed): Promise<void> =>
    fleet.enqueue({ seed: 3, prefix, count, inFlight: 1, deed })
  await enqueue('before', WARM_UP + NEIGHBOURS / 2)
  await enqueue('poison', 1, 'kill')
  await enqueue('after', NEIGHBOURS / 2)
  const start = (): Promise<Process> => fleet.worker({ concurrency: 10, lease: SHORT_LEASE_MS })
  const deaths = await supervised(arena, 2, start, () => fleet.drained(90_000))
  expect(await fleet.stop()).toEqual([0, 0])
  const { jobs } = await fleet.final()
  const bad = jobs.filter(({ state }) => state !== 'succeeded')
  expect(bad).toMatchObject([{ id: 'poison-0', state: 'failed', reason: 'crashes-exhausted', crashes: 3 }])
  // A killer that is no suspect yet may be the death of one that is. Whoever was counted runs apart from then on.
  const counted = jobs.filter(({ id, crashes = 0 }) => id !== 'poison-0' && crashes > 0)
  expect(counted.filter(({ crashes }) => crashes !== 1)).toEqual([])
  expect(counted.length).toBeLessThan(deaths.length)
  say(
    `the job killed ${deaths.length} workers; ${counted.length} of ${jobs.length - 1} others were counted for one`,
  )
  const app = await fleet.app()
  arena.atEnd(() => app.close())
  const [record] = await (await app.broker()).get(['poison-0'])
  const input = JSON.parse(new TextDecoder().decode(record?.input.bytes)) as unknown
  expect(input).toMatchObject({ n: 0, deed: 'kill' })
  await verdict()
}

async function breaks(arena: Arena, deed: Deed): Promise<void> {
  const { fleet, watch, verdict } = arena
  const way = { node: [`--max-old-space-size=${HEAP_MB}`], captured: true }
  const options = { concurrency: 4, lease: SHORT_LEASE_MS }
  const holder = await fleet.worker(options, { fragile: true, extraMs: 600_000, way })
  await fleet.enqueue({ seed: 38, prefix: 'job', count: 3, inFlight: 3 })
  await fleet.until('three run', (history) => only(history, 'run').length === 3)
  // Dies once as a bystander might have, and once with nobody else to blame.
  await fleet.enqueue({ seed: 38, prefix: 'bad', count: 1, deed, options: { maxCrashes: 1 } })
  const code = await holder.ended
  expect(code).not.toBe(0)
  fleet.died(holder)
  const start = (): Promise<Process> => fleet.worker(options, { fragile: true, way })
  const deaths = await supervised(arena, 2, start, async (sofar) => {
    await fleet.drained()
    // Memory may be long in running out.
    await until('it has done its harm', () => sofar() > 0, { limitMs: OUT_OF_MEMORY_MS })
  })
  expect(await fleet.stop()).toEqual([0, 0])
  const said = deaths.map(({ pid, printed }) => `${pid}: ${printed().slice(-2_000)}`).join('\n')
  expect(deaths, said).toHaveLength(1)
  const { jobs } = await fleet.final()
  const found = jobs.map(({ id, state, reason, crashes }) => [id, state, reason, crashes]).sort()
  expect(found).toEqual([
    ['bad-0', 'failed', 'crashes-exhausted', 1],
    ...[0, 1, 2].map((n) => [`job-${n}`, 'succeeded', undefined, 0]),
  ])
  const died = only(fleet.history, 'fault').find(({ kind, pid }) => kind === 'kill' && pid === holder.pid)
  const again = only(fleet.history, 'run').filter(({ id, pid }) => id !== 'bad-0' && pid !== holder.pid)
  expect(again).toHaveLength(3)
  // Those that run them are started when the first has died, which a busy machine takes its time for.
  const there = only(fleet.history, 'up').find(({ at, role }) => role === 'worker' && at > (died?.at ?? 0))
  const lastMs = Math.max(...again.map(({ at }) => at)) - (there?.at ?? died?.at ?? 0)
  watch.check('the last of the others', lastMs, SHORT_LEASE_MS + 1_000, MARGIN_MS)
  await verdict()
}

async function blocked({ fleet, watch, verdict }: Arena): Promise<void> {
  const blockMs = BLOCKED_LEASES * SHORT_LEASE_MS
  const way = { captured: true }
  const options = { concurrency: 10, lease: SHORT_LEASE_MS }
  const worker = await fleet.worker(options, { way })
  await fleet.enqueue({ seed: 5, prefix: 'quick', count: WARM_UP })
  await fleet.until('it claims ahead', (history) => ended(history) === WARM_UP)
  const other = await fleet.worker(options, { way })
  const block = { seed: 5, prefix: 'block', count: 1, deed: 'block', workMs: blockMs } as const
  // Some come before it, some are claimed with it, and some when the loop does not turn any more.
  const behind = { seed: 6, prefix: 'behind', count: NEIGHBOURS, inFlight: NEIGHBOURS / 2 }
  await Promise.all([fleet.enqueue(block), fleet.enqueue(behind)])
  await fleet.drained()
  await fleet.stop()
  const runs = only(fleet.history, 'run')
  const blocks = runs.filter(({ id }) => id === 'block-0')
  expect(blocks).toHaveLength(1)
  const [{ at, pid } = { at: 0, pid: 0 }] = blocks
  const blocker = pid === worker.pid ? worker : other
  const late = runs.filter((run) => run.id.startsWith('behind') && run.at > at)
  // A moment passes between the start that is written down and the block; none waits for the loop to turn again.
  expect(late.filter((run) => run.pid === pid && run.at > at + BEFORE_BLOCK_MS)).toEqual([])
  const last = Math.max(at, ...late.map((run) => run.at))
  watch.check('the last of those that had not started', last - at, 1_000, MARGIN_MS)
  expect(blocker.printed()).toContain('block-0')
  const told = blocker
    .printed()
    .split('\n')
    .filter((line) => line.includes('block'))
  // The loop that computes, or the clock that it looks at.
  expect(told.join('\n')).toMatch(/faults\/deeds\.ts:\d+|at now \(\S+faults\/time\.ts:\d+/)
  expect((await verdict()).figures.duplicates).toBe(0)
}
