// Properties of limits and turns under random work: never exceeded, never a slot lost, counts exact.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Limit, LimitRule, ReservedJob } from '../../broker/contract.ts'
import type { JobRecord } from '../../job/record.ts'
import { jobStates } from '../../job/states.ts'
import { failed, released, request, retry, snoozed, spec, succeeded } from '../../laws/factories.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { MemoryBroker } from './memory.ts'

const QUEUES = ['q1', 'q2']
const TASKS = ['t1', 't2', 't3']
const LEASE_MS = 1_000

const queue = fc.constantFrom(...QUEUES)
const limit: fc.Arbitrary<Limit | null> = fc.oneof(
  fc.constant(null),
  fc.record({ concurrency: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ rate: fc.record({ count: fc.integer({ min: 1, max: 3 }), perMs: fc.constant(400) }) }),
  fc.record({
    concurrency: fc.integer({ min: 1, max: 3 }),
    rate: fc.record({ count: fc.integer({ min: 1, max: 3 }), perMs: fc.constant(400) }),
  }),
)
const rule: fc.Arbitrary<LimitRule> = fc.record({
  scope: fc.oneof(
    fc.record({ kind: fc.constant('queue' as const), queue }),
    fc.record({ kind: fc.constant('task' as const), task: fc.constantFrom(...TASKS) }),
    fc.record({ kind: fc.constant('partition' as const), queue }),
  ),
  source: fc.constantFrom('declared' as const, 'set' as const),
  limit,
})
const act = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('enqueue' as const),
      queue,
      task: fc.constantFrom(...TASKS),
      partition: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
      priority: fc.integer({ min: 4, max: 6 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      queues: fc.subarray(QUEUES, { minLength: 1 }),
      max: fc.integer({ min: 1, max: 4 }),
      suspects: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('look' as const),
      suspects: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(), how: fc.nat(4) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('limit' as const), rule }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), queue, paused: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 700 }) }),
  },
)

class World {
  readonly clock = new ManualClock()
  readonly broker = new MemoryBroker({ clock: this.clock })
  readonly held: ReservedJob[] = []
  readonly starts: { at: number; job: ReservedJob }[] = []
  readonly ids: string[] = []
  /** Since when each rule has been as it is. */
  readonly ruledSince = new Map<string, number>()

  async records(): Promise<JobRecord[]> {
    return (await this.broker.get(this.ids)).filter((job) => job !== undefined)
  }

  async rules(): Promise<LimitRule[]> {
    const all = await this.broker.limits()
    const set = all.filter(({ source }) => source === 'set')
    const overridden = new Set(set.map(({ scope }) => JSON.stringify(scope)))
    return [
      ...set,
      ...all.filter((one) => one.source === 'declared' && !overridden.has(JSON.stringify(one.scope))),
    ]
  }

  async reserve(fields: { queues: readonly string[]; max: number; suspects: 0 | 1 }): Promise<number> {
    const { jobs, now } = await this.broker.reserve(request({ ...fields, leaseMs: LEASE_MS }))
    this.held.push(...jobs)
    for (const job of jobs) this.starts.push({ at: now, job })
    expect(jobs.filter(({ suspect }) => suspect).length).toBeLessThanOrEqual(fields.suspects)
    return jobs.length
  }

  async settle(which: number, how: number): Promise<void> {
    const [job] = this.held.splice(which % Math.max(1, this.held.length), 1)
    if (job === undefined) return
    const outcomes = [succeeded(job), failed(job), released(job), retry(job, 50), snoozed(job, 0)]
    await this.broker.settle({ outcomes: [outcomes[how] ?? succeeded(job)] })
  }
}

/** The jobs that a rule bounds, each group of them under a limit of its own. */
function groups<T extends { queue: string; task: string; partition?: string | undefined }>(
  jobs: readonly T[],
  { scope }: LimitRule,
): T[][] {
  if (scope.kind === 'queue') return [jobs.filter((job) => job.queue === scope.queue)]
  if (scope.kind === 'task') return [jobs.filter((job) => job.task === scope.task)]
  return ['a', 'b', 'c'].map((partition) =>
    jobs.filter((job) => job.queue === scope.queue && job.partition === partition),
  )
}

async function run(world: World, one: typeof act extends fc.Arbitrary<infer A> ? A : never): Promise<void> {
  const { broker } = world
  switch (one.do) {
    case 'enqueue': {
      const { do: _, count, ...fields } = one
      const jobs = Array.from({ length: count }, (_, i) =>
        spec({ ...fields, id: `job-${world.ids.length + i}` }),
      )
      world.ids.push(...jobs.map(({ id }) => id))
      await broker.enqueue([jobs])
      return
    }
    case 'reserve':
      await world.reserve(one)
      return checkLimits(world)
    case 'look':
      return checkNothingForgotten(world, one.suspects)
    case 'settle':
      return world.settle(one.which, one.how)
    case 'cancel':
      await broker.cancel({ ids: world.ids.slice(one.which % Math.max(1, world.ids.length)).slice(0, 1) })
      return
    case 'limit':
      world.ruledSince.set(JSON.stringify(one.rule.scope), world.clock.now())
      await broker.limit([one.rule])
      return
    case 'pause':
      await broker.pause(one.queue, one.paused)
      return
    case 'advance':
      world.clock.advance(one.ms)
      await broker.maintain()
      return
  }
}

/** A limit may be below what ran when it came, so only what has started since is held against it. */
async function checkLimits(world: World): Promise<void> {
  const active = (await world.records()).filter(({ state }) => state === 'active')
  for (const one of await world.rules()) {
    const since = world.ruledSince.get(JSON.stringify(one.scope)) ?? 0
    const { concurrency, rate } = one.limit ?? {}
    for (const group of groups(active, one)) {
      const older = group.filter((job) =>
        world.starts.some((s) => s.job.token === job.lease?.token && s.at <= since),
      )
      if (concurrency !== undefined)
        expect(group.length).toBeLessThanOrEqual(Math.max(concurrency, older.length))
    }
    if (rate === undefined) continue
    const starts = world.starts.filter(({ at }) => at > since)
    for (const group of groups(
      starts.map(({ at, job }) => ({ ...job, at })),
      one,
    )) {
      for (const { at } of group) {
        const inWindow = group.filter((other) => other.at >= at && other.at < at + rate.perMs)
        expect(inWindow.length).toBeLessThanOrEqual(rate.count)
      }
    }
  }
}

/** Nothing that could run is left standing after a reserve that asked for more than there is. */
async function checkNothingForgotten(world: World, suspects: 0 | 1): Promise<void> {
  while ((await world.reserve({ queues: QUEUES, max: 1_000, suspects })) > 0);
  await checkLimits(world)
  const records = await world.records()
  const paused = new Map((await world.broker.queues()).map((info) => [info.queue, info.paused]))
  const rules = await world.rules()
  const concurrencyOnly = rules.every(({ limit: bound }) => bound?.rate === undefined)
  if (!concurrencyOnly) return
  const active = records.filter(({ state }) => state === 'active')
  for (const job of records.filter(
    ({ state, suspect }) => state === 'ready' && (!suspect || suspects === 1),
  )) {
    const full = rules.some((one) =>
      groups([job, ...active], one).some(
        (group) => group.includes(job) && group.length > (one.limit?.concurrency ?? Number.POSITIVE_INFINITY),
      ),
    )
    expect({ job: job.id, kept: full || paused.get(job.queue) === true }).toEqual({ job: job.id, kept: true })
  }
}

async function checkCounts(world: World): Promise<void> {
  const records = await world.records()
  for (const { queue: name, counts } of await world.broker.queues()) {
    const wanted = jobStates.map((state) => [
      state,
      records.filter((job) => job.queue === name && job.state === state).length,
    ])
    expect(Object.entries(counts).sort()).toEqual(wanted.sort())
  }
}

/** Everything runs to its end once nobody pauses, by settling and waiting alone: no slot and no lane was lost. */
async function drainAll(world: World): Promise<void> {
  for (const name of QUEUES) await world.broker.pause(name, false)
  for (let round = 0; round < 2_000; round += 1) {
    await world.reserve({ queues: QUEUES, max: 1_000, suspects: 1 })
    while (world.held.length > 0) await world.settle(0, 0)
    const left = (await world.records()).filter(({ endedAt }) => endedAt === undefined)
    if (left.length === 0) return
    world.clock.advance(100)
    await world.broker.maintain()
  }
  expect.fail('the jobs could not be drained')
}

test('limits hold, nobody is forgotten, and counts are exact under any work', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(rule, { maxLength: 4 }),
      fc.array(act, { minLength: 20, maxLength: 100, size: 'max' }),
      async (rules, acts) => {
        const world = new World()
        await world.broker.open()
        for (const one of rules) await run(world, { do: 'limit', rule: one })
        for (const one of acts) await run(world, one)
        await checkNothingForgotten(world, 1)
        await checkCounts(world)
        await drainAll(world)
        await checkCounts(world)
        await world.broker.close()
      },
    ),
    { numRuns: 300 },
  )
}, 120_000)
