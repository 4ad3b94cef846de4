// Law 8. One step: an outcome and the decision on what follows are one step; spreading it beyond 100 jobs is resumed by
// `maintain`, each job once. Wide workflows are staged and made visible by one flip. What dependents need outlives its
// retention.
import assert from 'node:assert/strict'
import type { Dependency } from '../job/record.ts'
import type { LawContext } from './context.ts'
import { failed, json, retry, spec, specs, succeeded } from './factories.ts'
import type { Law } from './law.ts'

const AT_ONCE = { succeededMs: 0, failedMs: 0, cancelledMs: 0 }
const DAY_MS = 86_400_000

const after = (id: string, when: Dependency['when'] = 'succeeded'): Dependency => ({ id, when })

export const oneStep: Law = {
  number: 8,
  name: 'one step',
  cases: [
    {
      name: 'a job waits for all that it depends on, and is ready with the outcome of the last',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'a' }),
          spec({ id: 'b' }),
          spec({ id: 'c', after: [after('a'), after('b')] }),
        )
        const { state, dependenciesLeft } = await context.job('c')
        assert.deepEqual([state, dependenciesLeft], ['blocked', 2])
        const { jobs } = await context.reserve({ max: 9 })
        const [a, b] = jobs
        assert(a !== undefined && b !== undefined && jobs.length === 2)
        await context.settled(succeeded(a))
        assert.equal((await context.job('c')).dependenciesLeft, 1)
        await context.expect('blocked', 'c')
        await context.settled(succeeded(b))
        await context.expect('ready', 'c')
        await context.claim({}, 'c')
      },
    },
    {
      name: 'what follows may be claimed in the same trip as its outcome',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b', after: [after('a')] }))
        const a = await context.claim({}, 'a')
        const next = {
          queues: [a.queue],
          max: 5,
          leaseMs: 5_000,
          worker: 'w',
          starting: 5,
          suspects: 1,
        } as const
        const settled = await context.broker.settle({ outcomes: [succeeded(a)], next })
        assert.deepEqual(settled.answers, ['ok'])
        assert.deepEqual(
          settled.next?.jobs.map(({ id }) => id),
          ['b'],
        )
      },
    },
    {
      name: 'a retry ends nothing: what waits goes on waiting',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b', after: [after('a', 'ended')] }))
        await context.settled(retry(await context.claim({}, 'a')))
        await context.expect('blocked', 'b')
        await context.elapse(2)
        await context.settled(succeeded(await context.claim({}, 'a')))
        await context.expect('ready', 'b')
      },
    },
    {
      name: 'a failure ends those that needed success, and theirs, and lets those run that only waited for an end',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'a' }),
          spec({ id: 'b', after: [after('a')] }),
          spec({ id: 'c', after: [after('b')] }),
          spec({ id: 'd', after: [after('c', 'ended')] }),
          spec({ id: 'e', after: [after('a', 'ended')] }),
        )
        await context.settled(failed(await context.claim({}, 'a')))
        await context.upkeep()
        await context.expect('cancelled', ['b', 'c'], 'dependency')
        await context.expect('ready', ['d', 'e'])
      },
    },
    {
      name: 'cancel and remove of what others wait for count as its end',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'a' }),
          spec({ id: 'a-needs', after: [after('a')] }),
          spec({ id: 'a-waits', after: [after('a', 'ended')] }),
          spec({ id: 'b' }),
          spec({ id: 'b-needs', after: [after('b')] }),
          spec({ id: 'b-waits', after: [after('b', 'ended')] }),
        )
        await context.broker.cancel({ ids: ['a'] })
        await context.broker.remove({ ids: ['b'] })
        await context.upkeep()
        await context.expect('cancelled', ['a-needs', 'b-needs'], 'dependency')
        await context.expect('ready', ['a-waits', 'b-waits'])
      },
    },
    {
      name: 'an expired job ends those that needed it',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a', expiresInMs: 20 }), spec({ id: 'b', after: [after('a')] }))
        await context.elapse(21)
        await context.upkeep()
        await context.expect('cancelled', 'a', 'expired')
        await context.expect('cancelled', 'b', 'dependency')
      },
    },
    {
      name: 'what follows from a job that a claim finds expired is claimed like any other',
      needs: ['one-shard'],
      async run(context) {
        for (const priority of [5, 4]) {
          const id = `a-${priority}`
          const follows = { after: [after(id, 'ended')] }
          await context.enqueue(
            spec({ id, priority, expiresInMs: 20 }),
            spec({ id: `before-${priority}`, priority: 9, ...follows }),
            spec({ id: `behind-${priority}`, priority: 0, ...follows }),
          )
          await context.elapse(21)
          const claimed = [...(await context.claimIds({ max: 9 })), ...(await context.claimIds({ max: 9 }))]
          assert.deepEqual(claimed.sort(), [`before-${priority}`, `behind-${priority}`])
        }
        await context.enqueue(
          spec({ id: 'last', expiresInMs: 20 }),
          spec({ id: 'follows', after: [after('last', 'ended')] }),
        )
        await context.elapse(21)
        const claimed = [...(await context.claimIds({ max: 9 })), ...(await context.claimIds({ max: 9 }))]
        assert.deepEqual(claimed, ['follows'])
      },
    },
    {
      name: 'a job may wait for what has ended already',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'good' }), spec({ id: 'bad' }))
        await context.settled(succeeded(await context.claim({}, 'good')))
        await context.settled(failed(await context.claim({}, 'bad')))
        await context.broker.enqueue([
          [spec({ id: 'a', after: [after('good')] })],
          [spec({ id: 'b', after: [after('bad')] })],
          [spec({ id: 'c', after: [after('bad', 'ended'), after('good')] })],
          [spec({ id: 'd', after: [after('b', 'ended')] })],
        ])
        await context.expect('ready', ['a', 'c', 'd'])
        await context.expect('cancelled', 'b', 'dependency')
      },
    },
    {
      name: 'a group whose dependency is not there is refused whole; one on an earlier group is taken',
      needs: ['one-shard'],
      async run(context) {
        const answers = await context.broker.enqueue([
          [spec({ id: 'a' }), spec({ id: 'b', after: [after('nobody')] })],
          [spec({ id: 'c' })],
          [spec({ id: 'd', after: [after('c')] })],
        ])
        const [refused] = answers
        assert(refused !== undefined && !refused.ok)
        assert.deepEqual([refused.code, refused.id], ['DEPENDENCY_MISSING', 'b'])
        assert.deepEqual(
          answers.map(({ ok }) => ok),
          [false, true, true],
        )
        await context.gone('a')
        await context.gone('b')
        await context.expect('blocked', 'd')
      },
    },
    {
      name: 'what is released by its dependency still waits for its time',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b', after: [after('a')], delayMs: 3_600_000 }))
        await context.settled(succeeded(await context.claim({}, 'a')))
        await context.expect('scheduled', 'b')
        assert.deepEqual(await context.claimIds(), [])
      },
    },
    {
      name: '350 dependents: each is told once, by steps that many may take at once',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b' }))
        await context.enqueue(...specs(350, 'd', { after: [after('a'), after('b')] }))
        const ids = specs(350, 'd').map(({ id }) => id)
        const { jobs } = await context.reserve({ max: 2 })
        const [a, b] = jobs
        assert(a !== undefined && b !== undefined)
        await context.settled(succeeded(a))
        const told = (await context.broker.get(ids)).filter((job) => job?.dependenciesLeft === 1).length
        assert(told <= 100, `one settle told ${told} dependents`)
        await maintainTogether(context)
        const left = (await context.broker.get(ids)).map((job) => job?.dependenciesLeft)
        assert.deepEqual(left, Array(350).fill(1))
        assert.equal(await context.settle(succeeded(a)), 'ok')
        await maintainTogether(context)
        await context.expect('blocked', ids)
        await context.settled(succeeded(b))
        await maintainTogether(context)
        const ran = await context.drain()
        assert.deepEqual([ran.length, new Set(ran).size], [350, 350])
      },
    },
    {
      name: '350 dependents of a failure are all cancelled, and theirs',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }))
        await context.enqueue(...specs(350, 'd', { after: [after('a')] }))
        await context.enqueue(...specs(30, 'e', { after: [after('d-349')] }))
        await context.settled(failed(await context.claim({}, 'a')))
        await maintainTogether(context)
        const ids = [...specs(350, 'd'), ...specs(30, 'e')].map(({ id }) => id)
        await context.expect('cancelled', ids, 'dependency')
      },
    },
    {
      name: 'a long chain falls to its end',
      needs: ['one-shard'],
      async run(context) {
        const chain = specs(250, 'c').map((job, at) =>
          at === 0 ? job : { ...job, after: [after(`c-${at - 1}`)] },
        )
        await context.enqueue(...chain)
        await context.settled(failed(await context.claim({}, 'c-0')))
        await context.upkeep()
        await context.expect(
          'cancelled',
          chain.slice(1).map(({ id }) => id),
          'dependency',
        )
      },
    },
    {
      name: 'spreading goes on after the death of the process that settled',
      needs: ['process', 'one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }))
        await context.enqueue(...specs(350, 'd', { after: [after('a')] }))
        const a = await context.claim({}, 'a')
        const worker = await context.process()
        await worker.call('settle', { outcomes: [succeeded(a)] })
        const upkeep = worker.call('maintain').catch(() => undefined)
        await worker.kill()
        await upkeep
        await context.upkeep()
        assert.equal((await context.drain()).length, 350)
      },
    },
    {
      name: 'a staged workflow is invisible until it is published, and then all of it runs',
      needs: ['one-shard'],
      async run(context) {
        const staged = { workflow: 'w', staged: true }
        await context.enqueue(...specs(340, 'leaf', staged))
        await context.enqueue(
          spec({ id: 'end', ...staged, after: specs(340, 'leaf').map(({ id }) => after(id)) }),
        )
        await context.upkeep()
        assert.deepEqual(await context.claimIds({ max: 10 }), [])
        await context.expect('blocked', ['leaf-0', 'leaf-339', 'end'])
        assert.equal(await context.broker.publish('w'), true)
        assert.equal(await context.broker.publish('w'), false)
        await maintainTogether(context)
        const ran = await context.drain()
        await context.upkeep()
        ran.push(...(await context.drain()))
        assert.deepEqual([ran.length, ran.at(-1)], [341, 'end'])
      },
    },
    {
      name: 'publish answers false for a workflow that is not staged',
      needs: ['one-shard'],
      async run(context) {
        assert.equal(await context.broker.publish('nobody'), false)
        await context.enqueue(spec({ id: 'job', workflow: 'plain' }))
        assert.equal(await context.broker.publish('plain'), false)
        await context.claim({}, 'job')
      },
    },
    {
      name: 'a published job still waits for its time and its dependencies',
      needs: ['one-shard'],
      async run(context) {
        const staged = { workflow: 'w', staged: true }
        await context.enqueue(
          spec({ id: 'root', ...staged }),
          spec({ id: 'later', ...staged, delayMs: 3_600_000 }),
          spec({ id: 'next', ...staged, after: [after('root')] }),
        )
        await context.enqueue(spec({ id: 'apart', workflow: 'other', staged: true }))
        await context.broker.publish('w')
        await context.upkeep()
        const states = (await context.broker.get(['root', 'later', 'next', 'apart'])).map((job) => job?.state)
        assert.deepEqual(states, ['ready', 'scheduled', 'blocked', 'blocked'])
        await context.settled(succeeded(await context.claim({}, 'root')))
        await context.claim({}, 'next')
      },
    },
    {
      name: 'a staged workflow that is never published goes after a day',
      needs: ['one-shard', 'advance'],
      async run(context) {
        await context.enqueue(...specs(3, 'job', { workflow: 'w', staged: true }))
        await context.elapse(DAY_MS - 60_000)
        await context.upkeep()
        await context.expect('blocked', 'job-0')
        await context.elapse(120_000)
        await context.upkeep()
        for (const { id } of specs(3, 'job')) await context.gone(id)
        assert.equal(await context.broker.publish('w'), false)
      },
    },
    {
      name: 'what dependents need outlives its retention, and goes when they have ended',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'a', retention: AT_ONCE }),
          spec({ id: 'b', retention: AT_ONCE }),
          spec({ id: 'c', after: [after('a'), after('b')] }),
        )
        await context.settled(succeeded(await context.claim({}, 'a'), { from: 'a' }))
        await context.elapse(5)
        await context.upkeep()
        assert.deepEqual((await context.job('a')).result, json({ from: 'a' }))
        await context.settled(succeeded(await context.claim({}, 'b')))
        await context.elapse(5)
        await context.upkeep()
        const c = await context.claim({}, 'c')
        assert.deepEqual((await context.job('a')).result, json({ from: 'a' }))
        await context.settled(succeeded(c))
        await context.elapse(5)
        await context.upkeep()
        await context.gone('a')
        await context.gone('b')
        await context.expect('succeeded', 'c')
      },
    },
  ],
}

/** Upkeep by several at once, as the workers of a fleet do it. */
async function maintainTogether(context: LawContext): Promise<void> {
  const peers = await context.peers(2)
  await Promise.all([...peers, context.broker].map((broker) => context.upkeep(broker)))
  await context.upkeep()
}
