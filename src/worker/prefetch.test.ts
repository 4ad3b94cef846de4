// Long and short jobs in one queue, and the trap of prefetch by a count: a worker whose slots are all held by long jobs
// keeps short ones that it has claimed ahead, while another worker has nothing to do. The table in docs/guide/workers.md
// is made here.
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { task, WorkerKit } from '../../test/support/worker-kit.ts'
import type { Reserved, Settled, SettleRequest } from '../broker/message.ts'
import type { JobRecord } from '../job/record.ts'
import type { RunnableTask } from '../task/runnable.ts'
import { HORIZON_MS } from './pace.ts'
import type { Worker } from './worker.ts'

const SHORT_MS = 10
const LONG_MS = 600_000
const QUIET_MS = 20_000
/** What the guide says. */
const LAST_SHORT_MS = 2_000
const HOSTAGE_MS = 300

const guide = readFileSync('docs/guide/workers.md', 'utf8')

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

/** What a queue holds: each `true` is a long job. */
type Line = readonly boolean[]

/** Short jobs, then long ones with a short one after each, then a few short ones for which there is time elsewhere. */
function mixed(long: number): Line {
  const pairs = Array.from({ length: 2 * long }, (_, i) => i % 2 === 0)
  return [...new Array<boolean>(200).fill(false), ...pairs, ...new Array<boolean>(10).fill(false)]
}

class Watch {
  /** When a worker got each job that is held and has not started, and from when on another could have run it. */
  readonly #held = new Map<string, number>()
  readonly started = new Set<string>()
  readonly startedAt = new Map<string, number>()
  /** The longest time that a short job was held by one worker, not started, while another one had a free slot. */
  hostageMs = 0

  task(name: string, takesMs: number): RunnableTask {
    return task(
      (_, { job, clock }) => {
        this.started.add(job.id)
        this.startedAt.set(job.id, clock.monotonic())
        return new Promise((resolve) => clock.schedule(takesMs, () => resolve(null)))
      },
      { name },
    )
  }

  async look(short: readonly string[], workers: readonly Worker[], slots: number): Promise<void> {
    const now = kit.clock.monotonic()
    for (const { id, state, lease } of await jobs(short.filter((id) => !this.started.has(id)))) {
      const hostage =
        state === 'active' && workers.some((other) => other.id !== lease?.worker && other.active < slots)
      if (!hostage) this.#held.delete(id)
      else {
        const since = this.#held.get(id) ?? now
        this.#held.set(id, since)
        this.hostageMs = Math.max(this.hostageMs, now - since)
      }
    }
  }
}

async function jobs(ids: readonly string[]): Promise<readonly JobRecord[]> {
  return (await kit.memory.get(ids)).filter((job): job is JobRecord => job !== undefined)
}

async function enqueueAll(line: Line): Promise<{ readonly short: string[]; readonly long: string[] }> {
  const ids = await Promise.all(line.map((long) => kit.enqueue({ task: long ? 'long' : 'short' })))
  return { short: ids.filter((_, i) => line[i] !== true), long: ids.filter((_, i) => line[i] === true) }
}

/** Runs the line on so many workers until every short job has started, or for a while. */
async function run(line: Line, workers: number, slots: number) {
  const watch = new Watch()
  const tasks = [watch.task('short', SHORT_MS), watch.task('long', LONG_MS)]
  const { short, long } = await enqueueAll(line)
  const started: Worker[] = []
  for (let i = 0; i < workers; i += 1) started.push(await kit.started(tasks, { concurrency: slots }))
  const begin = kit.clock.monotonic()
  while (kit.clock.monotonic() - begin < QUIET_MS && !short.every((id) => watch.started.has(id))) {
    await kit.pass(5)
    await watch.look(short, started, slots)
  }
  const waits = short.map((id) => (watch.startedAt.get(id) ?? Number.POSITIVE_INFINITY) - begin)
  return { watch, short, long, lastShortMs: Math.max(...waits) }
}

/**
 * The same line where each worker holds so many jobs for every slot, in the order in which they came, and keeps them:
 * when the last short job starts.
 */
function byCount(line: Line, workers: number, slots: number, perSlot: number): number {
  let next = 0
  let lastShortAt = 0
  const all = Array.from({ length: workers }, () => ({
    held: [] as boolean[],
    freeAt: new Array<number>(slots).fill(0),
  }))
  for (;;) {
    // Whoever has the slot that is free first takes its next job; all fill up to their count, in turn.
    const claimed = (one: (typeof all)[number], now: number): number =>
      one.held.length + one.freeAt.filter((at) => at > now).length
    const now = Math.min(
      ...all.filter(({ held }) => held.length > 0 || next < line.length).flatMap(({ freeAt }) => freeAt),
    )
    if (now === Number.POSITIVE_INFINITY) return lastShortAt
    let took = true
    while (took && next < line.length) {
      took = false
      for (const one of all) {
        if (next >= line.length || claimed(one, now) >= slots * perSlot) continue
        one.held.push(line[next] === true)
        next += 1
        took = true
      }
    }
    for (const one of all) {
      for (const [i, at] of one.freeAt.entries()) {
        if (at > now) continue
        const long = one.held.shift()
        if (long === undefined) {
          // Nothing to do and nothing to come.
          if (next >= line.length) one.freeAt[i] = Number.POSITIVE_INFINITY
          continue
        }
        if (!long) lastShortAt = now
        one.freeAt[i] = now + (long ? LONG_MS : SHORT_MS)
      }
    }
  }
}

/** Workers, slots of each, long jobs. */
const CASES = [
  [2, 1, 1],
  [2, 4, 7],
  [4, 4, 15],
  [4, 10, 39],
] as const

describe('long and short jobs in one queue', () => {
  test.each(CASES)(
    '%i workers of %i slots, %i long jobs: no short one waits behind a long one while a slot is free',
    async (workers, slots, count) => {
      const { watch, short, long, lastShortMs } = await run(mixed(count), workers, slots)
      expect(watch.hostageMs).toBeLessThanOrEqual(HOSTAGE_MS)
      expect(lastShortMs).toBeLessThan(LAST_SHORT_MS)
      // Each long job holds a slot to the end, and none was given back after it had begun.
      for (const { state, failures, crashes } of await jobs(long)) {
        expect({ state, failures, crashes }).toEqual({ state: 'active', failures: 0, crashes: 0 })
      }
      const counted = byCount(mixed(count), workers, slots, 4)
      expect(counted).toBeGreaterThanOrEqual(LONG_MS)
      // The row of the table in the guide.
      expect(guide).toContain(
        `| ${workers} × ${slots} | ${count} | ${minutes(counted)} | less than ${LAST_SHORT_MS / 1_000} s |`,
      )
      await kit.until(async () => (await jobs(short)).every(({ state }) => state === 'succeeded'), 1_000)
    },
  )

  test('nor do long ones wait for the short to run out', async () => {
    const { watch, long } = await run(mixed(7), 2, 4)
    const at = long.map((id) => watch.startedAt.get(id) ?? Number.NaN)
    // They stand among the short ones in the order of the line, but for what it takes to give back what cannot start.
    for (const [i, start] of at.entries())
      expect(start - Math.min(...at.slice(i))).toBeLessThanOrEqual(HORIZON_MS)
    expect(Math.min(...at)).toBeLessThan(1_000)
  })

  test('only long jobs: what is claimed are the slots, and nothing goes back', async () => {
    const watch = new Watch()
    for (let i = 0; i < 40; i += 1) await kit.enqueue({ task: 'long' })
    const tasks = [watch.task('long', 150)]
    await kit.started(tasks, { concurrency: 4 })
    await kit.started(tasks, { concurrency: 4 })
    let most = 0
    await kit.until(async () => {
      const [queue] = await kit.memory.queues()
      most = Math.max(most, queue?.counts.active ?? 0)
      return queue?.counts.succeeded === 40
    })
    expect(most).toBe(8)
    expect(released()).toBe(0)
  })

  test('only short jobs: they travel in batches, and nothing goes back', async () => {
    const watch = new Watch()
    const total = 2_000
    for (let i = 0; i < total; i += 1) await kit.enqueue({ task: 'short' })
    await kit.started([watch.task('short', SHORT_MS)], { concurrency: 10 })
    await kit.until(() => watch.started.size === total)
    expect(released()).toBe(0)
    // Ten slots start ten jobs in ten milliseconds: more than a slot's worth comes with each trip.
    expect(kit.count('settle') + kit.count('reserve')).toBeLessThan(total / 5)
  })

  test('handlers that compute share one thread, so that free slots are no measure', async () => {
    let claimed = 0
    const count = async (_: unknown, through: () => Promise<unknown>): Promise<unknown> => {
      const answer = (await through()) as Partial<Reserved & Settled>
      claimed += (answer.jobs ?? answer.next?.jobs ?? []).length
      return answer
    }
    kit.break('reserve', count)
    kit.break('settle', count)
    for (let i = 0; i < 200; i += 1) await kit.enqueue()
    const held: number[] = []
    const compute = task(() => {
      held.push(claimed - held.length)
      // Thirty milliseconds in which nothing else can run.
      kit.clock.advance(30)
      return null
    })
    await kit.started([compute], { concurrency: 10 })
    await kit.until(() => held.length === 200)
    // What three or four starts in a tenth of a second allow, and what came with the last trip, for ten free slots.
    expect(Math.max(...held.slice(20))).toBeLessThanOrEqual(20)
  })
})

function minutes(ms: number): string {
  return `${Math.round(ms / 60_000)} min`
}

function released(): number {
  return kit.calls
    .filter(({ name }) => name === 'settle')
    .flatMap(({ args }) => (args[0] as SettleRequest).outcomes)
    .filter(({ kind }) => kind === 'released').length
}
