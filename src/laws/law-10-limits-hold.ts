// Law 10. Limits hold: concurrency and rate, of a queue, a task, a partition, are never exceeded across processes, and
// a dead worker's slots come back with its jobs. A lane without room neither blocks the others nor is scanned.
// Partitions take turns.
import assert from 'node:assert/strict'
import type { Broker, Limit, LimitScope, ReservedJob } from '../broker/contract.ts'
import type { Rate } from '../job/rates.ts'
import type { LawContext } from './context.ts'
import {
  cancelled,
  failed,
  QUEUE,
  released,
  request,
  retry,
  SHORT_LEASE_MS,
  snoozed,
  spec,
  specs,
  succeeded,
  TASK,
} from './factories.ts'
import type { Law } from './law.ts'

const byQueue: LimitScope = { kind: 'queue', queue: QUEUE }
const byTask: LimitScope = { kind: 'task', task: TASK }
const byPartition: LimitScope = { kind: 'partition', queue: QUEUE }

export const limitsHold: Law = {
  number: 10,
  name: 'limits hold',
  cases: [
    {
      name: 'concurrency of a queue',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 3 })
        await context.enqueue(...specs(20, 'job'), ...specs(2, 'free', { queue: 'free' }))
        assert.equal((await context.claimIds({ max: 2 })).length, 2)
        assert.equal((await context.claimIds({ max: 10 })).length, 1)
        assert.deepEqual(await context.claimIds({ max: 10 }), [])
        assert.equal((await context.claimIds({ queues: [QUEUE, 'free'], max: 10 })).length, 2)
      },
    },
    {
      name: 'concurrency of a task, over its queues',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byTask, { concurrency: 2 })
        await context.enqueue(
          ...specs(5, 'a'),
          ...specs(5, 'b', { queue: 'second' }),
          ...specs(3, 'o', { task: 'other' }),
        )
        const ids = await context.claimIds({ queues: [QUEUE, 'second'], max: 20 })
        assert.equal(ids.filter((id) => !id.startsWith('o')).length, 2)
        assert.equal(ids.filter((id) => id.startsWith('o')).length, 3)
        assert.deepEqual(await context.claimIds({ queues: ['second'], max: 20 }), [])
      },
    },
    {
      name: 'concurrency of each partition',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byPartition, { concurrency: 1 })
        for (const partition of ['a', 'b', 'c']) await context.enqueue(...specs(4, partition, { partition }))
        const first = (await context.reserve({ max: 20 })).jobs
        assert.deepEqual(first.map(({ partition }) => partition).sort(), ['a', 'b', 'c'])
        const [one] = first
        assert(one !== undefined)
        await context.settled(succeeded(one))
        const [next, ...more] = (await context.reserve({ max: 20 })).jobs
        assert.deepEqual([next?.partition, more.length], [one.partition, 0])
      },
    },
    {
      name: 'the narrowest of several limits decides',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 4 })
        await limit(context, byTask, { concurrency: 3 })
        await limit(context, byPartition, { concurrency: 2 })
        await context.enqueue(...specs(9, 'a', { partition: 'a' }), ...specs(9, 'b', { partition: 'b' }))
        await context.enqueue(...specs(9, 'o', { partition: 'a', task: 'other' }))
        const { jobs } = await context.reserve({ max: 50 })
        const count = (test: (job: ReservedJob) => boolean): number => jobs.filter(test).length
        assert(jobs.length <= 4 && jobs.length >= 3, `${jobs.length} at once`)
        assert(count(({ task }) => task === TASK) <= 3)
        assert(count(({ partition }) => partition === 'a') <= 2)
        assert(count(({ partition }) => partition === 'b') <= 2)
      },
    },
    {
      name: 'many claimers at once never hold more than the limit, and all is done in the end',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 3 })
        await context.enqueue(...specs(60, 'job'))
        let held = 0
        let most = 0
        let done = 0
        const work = async (broker: Broker): Promise<void> => {
          for (let round = 0; round < 2_000 && done < 60; round += 1) {
            const { jobs } = await broker.reserve(request({ max: 2 }))
            held += jobs.length
            most = Math.max(most, held)
            await context.step()
            // From here on the slots may be taken again by others.
            held -= jobs.length
            done += jobs.length
            await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
          }
        }
        await Promise.all((await context.peers(3)).flatMap((broker) => [work(broker), work(broker)]))
        assert.equal(done, 60)
        assert(most <= 3, `${most} jobs were held at once`)
        await idle(context)
      },
    },
    {
      name: 'two processes share a limit',
      needs: ['process', 'one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 5 })
        await context.enqueue(...specs(40, 'job'))
        const other = await context.process()
        const mine = Array.from({ length: 6 }, () => context.reserve({ max: 3 }))
        const theirs = Array.from({ length: 6 }, () =>
          other.call('reserve', request({ max: 3, worker: 'other' })),
        )
        const jobs = (await Promise.all([...mine, ...theirs])).flatMap((reserved) => reserved.jobs)
        assert.equal(jobs.length, 5)
        await other.kill()
      },
    },
    {
      name: 'a slot comes back with each kind of outcome',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 1 })
        const ends = [succeeded, retry, failed, released, snoozed, cancelled]
        await context.enqueue(...specs(ends.length, 'job'))
        for (const end of ends) {
          const job = await context.claim()
          assert.deepEqual(await context.claimIds(), [])
          await context.settled(end(job))
        }
        await context.claim()
      },
    },
    {
      name: 'an outcome and a claim in one trip hand the slot on',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 1 })
        await context.enqueue(...specs(3, 'job'))
        const first = await context.claim()
        const next = request({ max: 5 })
        const settled = await context.broker.settle({ outcomes: [succeeded(first)], next })
        assert.equal(settled.next?.jobs.length, 1)
      },
    },
    {
      name: 'the slots of a dead worker come back with its jobs',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { concurrency: 2 })
        await limit(context, byTask, { concurrency: 2 })
        await limit(context, byPartition, { concurrency: 1 })
        await context.enqueue(...specs(3, 'a', { partition: 'a' }), ...specs(3, 'b', { partition: 'b' }))
        const lost = await context.claimIds({ max: 9, leaseMs: SHORT_LEASE_MS, starting: 0 })
        assert.equal(lost.length, 2)
        assert.deepEqual(await context.claimIds({ max: 9 }), [])
        await context.loseLease(SHORT_LEASE_MS)
        assert.deepEqual([...(await context.claimIds({ max: 9 }))].sort(), [...lost].sort())
        assert.deepEqual(await context.claimIds({ max: 9 }), [])
      },
    },
    {
      name: 'a limit holds from the next claim on, also for what is running and what was there',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(10, 'job', { partition: 'a' }))
        const { jobs } = await context.reserve({ max: 3 })
        for (const scope of [byQueue, byTask, byPartition]) {
          await limit(context, scope, { concurrency: 2 })
          assert.deepEqual(await context.claimIds({ max: 9 }), [], scope.kind)
          await limit(context, scope, null)
        }
        await limit(context, byTask, { concurrency: 3 })
        const [first] = jobs
        assert(first !== undefined)
        await context.settled(succeeded(first))
        assert.equal((await context.claimIds({ max: 9 })).length, 1)
        await limit(context, byTask, null)
        assert.equal((await context.claimIds({ max: 9 })).length, 6)
      },
    },
    {
      name: 'what was there before its task had a limit is claimed beside what came later',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'other', task: 'other' }), spec({ id: 'early' }))
        await limit(context, byTask, { concurrency: 9 })
        await context.enqueue(spec({ id: 'late', priority: 4 }))
        const claimed = [...(await context.claimIds({ max: 9 })), ...(await context.claimIds({ max: 9 }))]
        assert.deepEqual(claimed.sort(), ['early', 'late', 'other'])
      },
    },
    {
      name: 'what a person sets wins over what code declares, until it is cleared',
      needs: ['one-shard'],
      async run(context) {
        const { broker } = context
        await broker.limit([{ scope: byQueue, source: 'declared', limit: { concurrency: 4 } }])
        await broker.limit([{ scope: byQueue, source: 'set', limit: { concurrency: 1 } }])
        await broker.limit([{ scope: byQueue, source: 'declared', limit: { concurrency: 5 } }])
        await context.enqueue(...specs(10, 'job'))
        assert.equal((await context.claimIds({ max: 9 })).length, 1)
        const info = (await broker.queues()).find(({ queue }) => queue === QUEUE)
        assert.deepEqual(info?.limit, { concurrency: 1 })
        assert.equal((await broker.limits()).length, 2)
        await broker.limit([{ scope: byQueue, source: 'set', limit: null }])
        assert.deepEqual(await broker.limits(), [
          { scope: byQueue, source: 'declared', limit: { concurrency: 5 } },
        ])
        assert.equal((await context.claimIds({ max: 9 })).length, 4)
      },
    },
    {
      name: 'rate of a queue, in any window, over many claimers',
      needs: ['one-shard'],
      async run(context) {
        await keepsRate(context, byQueue)
      },
    },
    {
      name: 'rate of a task, in any window, over many claimers',
      needs: ['one-shard'],
      async run(context) {
        await keepsRate(context, byTask)
      },
    },
    {
      name: 'rate of a partition, in any window: each has its own',
      needs: ['one-shard'],
      async run(context) {
        await keepsRate(context, byPartition)
      },
    },
    {
      name: 'a rate without room says when to come again',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byQueue, { rate: { count: 2, perMs: 5_000 } })
        await context.enqueue(...specs(5, 'job'))
        const { jobs } = await context.reserve({ max: 5 })
        assert.equal(jobs.length, 2)
        const { jobs: none, nextDueInMs } = await context.reserve({ max: 5 })
        assert.deepEqual(none, [])
        assert(nextDueInMs !== undefined && nextDueInMs > 0 && nextDueInMs <= 6_000, `${nextDueInMs}`)
      },
    },
    {
      name: 'a lane without room does not block the others',
      needs: ['one-shard'],
      async run(context) {
        await limit(context, byTask, { concurrency: 1 })
        await limit(context, byPartition, { concurrency: 2 })
        await context.enqueue(...specs(200, 'work', { priority: 9 }), ...specs(3, 'other', { task: 'other' }))
        await context.enqueue(...specs(3, 'third', { task: 'third', partition: 'p' }))
        const ids = await context.claimIds({ max: 50 })
        assert.deepEqual(ids.filter((id) => id.startsWith('work')).length, 1)
        assert.equal(ids.filter((id) => id.startsWith('third')).length, 2)
        assert(ids.some((id) => id.startsWith('other')))
      },
    },
    {
      name: 'partitions take turns, one by one and in batches',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(100, 'a', { partition: 'a' }), ...specs(100, 'b', { partition: 'b' }))
        await context.enqueue(...specs(100, 'c'))
        const ids: string[] = []
        for (let turn = 0; turn < 9; turn += 1) ids.push(...(await context.claimIds()))
        assert.deepEqual(shares(ids), [3, 3, 3])
        const [least, , most] = shares(await context.claimIds({ max: 30 })).sort((one, other) => one - other)
        assert((least ?? 0) >= 5 && (most ?? 30) <= 20, `a batch of 30 went ${least} to ${most}`)
      },
    },
    {
      name: 'a small partition is not kept waiting by a large one',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(300, 'large', { partition: 'large' }))
        await context.enqueue(...specs(2, 'small', { partition: 'small' }))
        const ids: string[] = []
        for (let turn = 0; turn < 6; turn += 1) ids.push(...(await context.claimIds()))
        assert.equal(ids.filter((id) => id.startsWith('small')).length, 2)
      },
    },
    {
      name: 'names that run together when they are joined are told apart',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'one', queue: 'a:b', partition: 'c' }))
        await context.enqueue(spec({ id: 'two', queue: 'a', partition: 'b:c' }))
        await context.broker.limit([
          { scope: { kind: 'partition', queue: 'a' }, source: 'set', limit: { concurrency: 1 } },
          { scope: { kind: 'task', task: 'a' }, source: 'set', limit: { concurrency: 1 } },
        ])
        assert.deepEqual(await context.claimIds({ queues: ['a'], max: 5 }), ['two'])
        assert.deepEqual(await context.claimIds({ queues: ['a:b'], max: 5 }), ['one'])
      },
    },
    {
      name: 'a paused queue hands out nothing; what is active goes on',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(3, 'job'), spec({ id: 'other', queue: 'other' }))
        const job = await context.claim({}, 'job-0')
        await context.broker.pause(QUEUE, true)
        assert.deepEqual(await context.claimIds({ queues: [QUEUE, 'other'], max: 9 }), ['other'])
        await context.settled(succeeded(job))
        await context.enqueue(spec({ id: 'job-3' }))
        assert.equal((await context.broker.queues()).find(({ queue }) => queue === QUEUE)?.paused, true)
        await context.broker.pause(QUEUE, false)
        assert.deepEqual(await context.claimIds({ max: 9 }), ['job-1', 'job-2', 'job-3'])
      },
    },
  ],
}

async function limit(context: LawContext, scope: LimitScope, rule: Limit | null): Promise<void> {
  await context.broker.limit([{ scope, source: 'set', limit: rule }])
}

/** Several claimers ask for as much as they can get; no window of the recorded starts may hold more than the rate. */
async function keepsRate(context: LawContext, scope: LimitScope): Promise<void> {
  const rate: Rate = { count: 5, perMs: 200 }
  await limit(context, scope, { rate })
  const partitions = scope.kind === 'partition' ? ['a', 'b'] : ['a']
  for (const partition of partitions) await context.enqueue(...specs(17, partition, { partition }))
  const wanted = partitions.length * 17
  const starts = new Map<string, number[]>(partitions.map((partition) => [partition, []]))
  let done = 0
  const peers = await context.peers(2)
  await context.until('all have started', async () => {
    const claims = [...peers, context.broker].map((broker) => broker.reserve(request({ max: 3 })))
    for (const { jobs, now } of await Promise.all(claims)) {
      done += jobs.length
      for (const { partition } of jobs) starts.get(partition ?? '')?.push(now)
    }
    return done === wanted
  })
  for (const times of starts.values()) {
    const sorted = times.sort((one, other) => one - other)
    for (const at of sorted) {
      const inWindow = sorted.filter((time) => time >= at && time < at + rate.perMs).length
      assert(inWindow <= rate.count, `${inWindow} starts in ${rate.perMs} ms, where ${rate.count} may be`)
    }
  }
}

/** How many of the ids begin with a, b and c. */
function shares(ids: readonly string[]): number[] {
  return ['a', 'b', 'c'].map((prefix) => ids.filter((id) => id.startsWith(prefix)).length)
}

/** With nothing active, every slot is free again. */
async function idle(context: LawContext): Promise<void> {
  await context.enqueue(...specs(3, 'after'))
  assert.equal((await context.claimIds({ max: 9 })).length, 3)
}
