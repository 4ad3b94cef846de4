// Law 6. In order: claims inside a lane and a priority are first in, first out. A retry stands at the end; what a dead
// or stopping worker gave back keeps its place. A transaction that commits late is late, never skipped.
import assert from 'node:assert/strict'
import { released, retry, spec, specs, succeeded } from './factories.ts'
import type { Law } from './law.ts'

const names = (count: number, prefix: string): string[] => specs(count, prefix).map(({ id }) => id)

export const inOrder: Law = {
  number: 6,
  name: 'in order',
  cases: [
    {
      name: 'first in, first out: inside a group, over groups, and over calls',
      needs: ['one-shard'],
      async run(context) {
        await context.broker.enqueue([specs(5, 'a'), specs(5, 'b')])
        await context.broker.enqueue([specs(5, 'c')])
        const ids: string[] = []
        for (const max of [1, 2, 5, 7]) ids.push(...(await context.claimIds({ max })))
        assert.deepEqual(ids, [...names(5, 'a'), ...names(5, 'b'), ...names(5, 'c')])
      },
    },
    {
      name: 'a long line is drained in its order, batch by batch',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(500, 'job'))
        assert.deepEqual(await context.drain({ max: 70 }), names(500, 'job'))
      },
    },
    {
      name: 'jobs of many producers are claimed in the order of their sequence numbers',
      needs: ['one-shard'],
      async run(context) {
        const peers = await context.peers(3)
        await Promise.all(
          Array.from({ length: 60 }, (_, call) => peers[call % 3]?.enqueue([specs(3, `call-${call}`)])),
        )
        const ids = await context.claimIds({ max: 200 })
        assert.equal(ids.length, 180)
        const seqs = (await context.broker.get(ids)).map((record) => record?.seq ?? 0)
        assert.deepEqual(
          seqs,
          [...seqs].sort((one, other) => one - other),
        )
      },
    },
    {
      name: 'higher priority first, whenever it came; first in, first out inside each',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          ...[5, 0, 9, 5, 9, 0].map((priority, at) => spec({ id: `${priority}-${at}`, priority })),
        )
        assert.deepEqual(await context.claimIds({ max: 2 }), ['9-2', '9-4'])
        await context.enqueue(spec({ id: '7', priority: 7 }))
        assert.deepEqual(await context.claimIds({ max: 9 }), ['7', '5-0', '5-3', '0-1', '0-5'])
      },
    },
    {
      name: 'queues are tried in the order of the request',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          ...specs(2, 'low', { queue: 'low', priority: 9 }),
          ...specs(2, 'high', { queue: 'high' }),
        )
        const queues = ['high', 'none', 'low']
        assert.deepEqual(await context.claimIds({ queues, max: 3 }), ['high-0', 'high-1', 'low-0'])
        await context.enqueue(spec({ id: 'high-2', queue: 'high' }))
        assert.deepEqual(await context.claimIds({ queues, max: 3 }), ['high-2', 'low-1'])
      },
    },
    {
      name: 'what a worker gives back keeps its place',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(5, 'job'))
        const { jobs } = await context.reserve({ max: 4 })
        const [a, b, c, d] = jobs
        assert(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
        await context.broker.settle({ outcomes: [released(d), succeeded(a), released(b)] })
        await context.enqueue(spec({ id: 'job-5' }))
        assert.deepEqual(await context.claimIds({ max: 2 }), ['job-1', 'job-3'])
        await context.settled(released(c))
        assert.deepEqual(await context.claimIds({ max: 9 }), ['job-2', 'job-4', 'job-5'])
      },
    },
    {
      name: 'what is given back counts nothing, however often',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'job' }), spec({ id: 'next' }))
        for (let round = 0; round < 15; round += 1)
          await context.settled(released(await context.claim({}, 'job')))
        const { failures, crashes, suspect, attempts, state } = await context.job('job')
        assert.deepEqual([failures, crashes, suspect, state], [0, 0, false, 'ready'])
        assert(attempts.length <= 10, `${attempts.length} attempts are kept`)
      },
    },
    {
      name: 'a retry stands at the end of its lane',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(3, 'job'))
        await context.settled(retry(await context.claim({}, 'job-0')))
        await context.enqueue(spec({ id: 'job-3' }))
        await context.elapse(2)
        const order = await context.claimIds({ max: 9 })
        assert.deepEqual(order.slice(0, 2), ['job-1', 'job-2'])
        assert.deepEqual([...order.slice(2)].sort(), ['job-0', 'job-3'])
      },
    },
    {
      name: 'a retry that fell due stands behind all that was in line by then',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(3, 'job'))
        await context.settled(retry(await context.claim({}, 'job-0'), 60))
        await context.enqueue(spec({ id: 'job-3' }))
        await context.elapse(70)
        await context.upkeep()
        await context.enqueue(spec({ id: 'job-4' }))
        assert.deepEqual(await context.claimIds({ max: 9 }), ['job-1', 'job-2', 'job-3', 'job-0', 'job-4'])
      },
    },
    {
      name: 'a retry keeps its priority',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'high', priority: 9 }), ...specs(2, 'job'))
        await context.settled(retry(await context.claim({}, 'high')))
        await context.elapse(2)
        assert.deepEqual(await context.claimIds({ max: 9 }), ['high', 'job-0', 'job-1'])
      },
    },
    {
      name: 'what falls due is claimed in the order of its times',
      needs: ['one-shard'],
      async run(context) {
        const delays = [90, 30, 60]
        await context.enqueue(...delays.map((delayMs) => spec({ id: `in-${delayMs}`, delayMs })))
        await context.elapse(100)
        assert.deepEqual(await context.claimIds({ max: 9 }), ['in-30', 'in-60', 'in-90'])
      },
    },
    {
      name: 'a retry that comes back and is given back keeps its new place',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(2, 'job'))
        await context.settled(retry(await context.claim({}, 'job-0')))
        await context.elapse(2)
        await context.upkeep()
        await context.enqueue(spec({ id: 'job-2' }))
        const { jobs } = await context.reserve({ max: 2 })
        assert.deepEqual(
          jobs.map(({ id }) => id),
          ['job-1', 'job-0'],
        )
        await context.broker.settle({ outcomes: jobs.map((job) => released(job)) })
        assert.deepEqual(await context.claimIds({ max: 9 }), ['job-1', 'job-0', 'job-2'])
      },
    },
  ],
}
