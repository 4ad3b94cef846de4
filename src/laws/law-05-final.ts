// Law 5. Final: a finished job changes only by a person's retry. What a person asks for (cancel, retry, remove,
// promote) leads to one documented state, whenever it comes.
import assert from 'node:assert/strict'
import type { JobRecord } from '../job/record.ts'
import type { LawContext } from './context.ts'
import {
  cancelled,
  everyOutcome,
  failed,
  LONG_LEASE_MS,
  QUEUE,
  retry,
  spec,
  specs,
  succeeded,
  unique,
} from './factories.ts'
import type { Law } from './law.ts'

export const final: Law = {
  number: 5,
  name: 'final',
  cases: [
    {
      name: 'nothing but a retry changes a job that has ended',
      needs: ['one-shard'],
      async run(context) {
        const tokens = await oneOfEachEnd(context)
        const ids = [...tokens.keys()]
        const before = await context.broker.get(ids)
        for (const [id, token] of tokens) {
          const recorded = before.find((job) => job?.id === id)?.state
          for (const outcome of everyOutcome({ id, token }))
            if (outcome.kind !== recorded) assert.equal(await context.settle(outcome), 'lost', outcome.kind)
          await context.broker.extend([{ id, token, started: true }], LONG_LEASE_MS)
          await context.broker.settle({ outcomes: [], started: [{ id, token }] })
        }
        const untouched = { done: [], more: false }
        for (const answer of [await context.broker.cancel({ ids }), await context.broker.promote({ ids })]) {
          assert.deepEqual({ done: answer.done, more: answer.more }, untouched)
          assert.deepEqual(answer.skipped.map(({ id, state }) => [id, state]).sort(), states(before))
        }
        await context.broker.enqueue([ids.map((id) => spec({ id, priority: 9 }))])
        await context.upkeep()
        assert.deepEqual(await context.claimIds({ max: 10 }), [])
        assert.deepEqual(await context.broker.get(ids), before)
      },
    },
    {
      name: 'a retry by a person runs dead letters and cancelled jobs again, and leaves the others alone',
      needs: ['one-shard'],
      async run(context) {
        const tokens = await oneOfEachEnd(context)
        await context.enqueue(spec({ id: 'waits' }))
        const answer = await context.broker.retry({ ids: [...tokens.keys(), 'waits', 'nobody'] })
        assert.deepEqual([...answer.done].sort(), ['failed', 'off'])
        assert.deepEqual(answer.skipped.map(({ id, state }) => [id, state]).sort(), [
          ['succeeded', 'succeeded'],
          ['waits', 'ready'],
        ])
        await context.expect('ready', ['failed', 'off'])
        assert.equal((await context.job('failed')).failures, 0)
        const { jobs } = await context.reserve({ max: 10 })
        assert.deepEqual(jobs.map(({ id }) => id).sort(), ['failed', 'off', 'waits'])
        for (const job of jobs) {
          assert.deepEqual([job.failures, job.crashes], [0, 0])
          assert(job.token > (tokens.get(job.id) ?? 0))
          await context.settled(succeeded(job))
        }
        await context.expect('succeeded', ['failed', 'off', 'waits', 'succeeded'])
      },
    },
    {
      name: 'a retried job stands at the end of its lane',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'dead' }))
        await context.settled(failed(await context.claim()))
        await context.enqueue(...specs(3, 'job'))
        await context.broker.retry({ ids: ['dead'] })
        assert.deepEqual(await context.claimIds({ max: 10 }), ['job-0', 'job-1', 'job-2', 'dead'])
      },
    },
    {
      name: 'after a retry, the holder of before says nothing that counts',
      async run(context) {
        await context.enqueue(spec({ id: 'dead' }))
        const old = await context.claim()
        await context.settled(failed(old))
        await context.broker.retry({ ids: ['dead'] })
        const live = await context.claim({}, 'dead')
        const before = await context.job('dead')
        for (const outcome of everyOutcome(old)) await context.settle(outcome)
        assert.deepEqual(await context.broker.extend([{ ...old, started: true }], 1), ['lost'])
        assert.deepEqual(await context.job('dead'), before)
        await context.settled(succeeded(live))
      },
    },
    {
      name: 'dead letters are retried by query, in bounded steps that say when there is more',
      async run(context) {
        await context.enqueue(...specs(7, 'job'), ...specs(2, 'other', { task: 'other' }))
        for (const job of (await context.reserve({ max: 9 })).jobs) await context.settled(failed(job))
        const query = { states: ['failed'], task: 'work' } as const
        const first = await context.broker.retry({ query, limit: 4 })
        assert.deepEqual([first.done.length, first.more], [4, true])
        const second = await context.broker.retry({ query, limit: 4 })
        assert.deepEqual([second.done.length, second.more], [3, false])
        assert.equal(new Set([...first.done, ...second.done]).size, 7)
        await context.expect('failed', ['other-0', 'other-1'])
      },
    },
    {
      name: 'a cancel ends what waits at once, in whatever state it waits',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'ready' }),
          spec({ id: 'later', delayMs: 60_000 }),
          spec({ id: 'blocked', after: [{ id: 'later', when: 'ended' }] }),
          spec({ id: 'tried' }),
        )
        await context.settled(retry(await context.claim({}, 'ready'), 60_000))
        const ids = ['ready', 'blocked', 'later', 'tried']
        const answer = await context.broker.cancel({ ids: [...ids, 'nobody'] })
        assert.deepEqual([...answer.done].sort(), [...ids].sort())
        assert.deepEqual(answer.skipped, [])
        await context.expect('cancelled', ids, 'by-request')
        await context.upkeep()
        assert.deepEqual(await context.claimIds({ max: 10 }), [])
        assert.deepEqual((await context.broker.cancel({ ids })).done, [])
      },
    },
    {
      name: 'a cancel of what runs is told to its worker, and every outcome but success becomes cancelled',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(7, 'job'))
        const { jobs } = await context.reserve({ max: 7 })
        const ids = jobs.map(({ id }) => id)
        assert.deepEqual([...(await context.broker.cancel({ ids })).done].sort(), ids)
        for (const record of await context.broker.get(ids))
          assert.deepEqual([record?.state, record?.cancelling], ['active', true])
        const held = jobs.map(({ id, token }) => ({ id, token, started: true }))
        assert.deepEqual(await context.broker.extend(held, LONG_LEASE_MS), Array(7).fill('cancelling'))
        for (const [index, job] of jobs.entries()) {
          const outcome = everyOutcome(job)[index]
          assert(outcome !== undefined)
          await context.settled(outcome)
          const { state, reason, lease } = await context.job(job.id)
          const wanted = outcome.kind === 'succeeded' ? ['succeeded', undefined] : ['cancelled', 'by-request']
          assert.deepEqual([state, reason], wanted, outcome.kind)
          assert.equal(lease, undefined)
        }
        await context.elapse(5)
        await context.upkeep()
        assert.deepEqual(await context.claimIds({ max: 10 }), [])
      },
    },
    {
      name: 'a handler that obeys a cancel which nobody asked for ends its job all the same',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        await context.settled(cancelled(await context.claim()))
        await context.expect('cancelled', 'job')
      },
    },
    {
      name: 'jobs are cancelled by query',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(5, 'job', { tags: ['old'] }), ...specs(3, 'new'))
        const query = { queue: QUEUE, tag: 'old', states: ['ready'] } as const
        const answer = await context.broker.cancel({ query })
        assert.deepEqual([answer.done.length, answer.more], [5, false])
        assert.deepEqual(await context.claimIds({ max: 10 }), ['new-0', 'new-1', 'new-2'])
      },
    },
    {
      name: 'a query takes no job that has left its states, also through another of the selection',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'later', delayMs: 60_000 }),
          spec({ id: 'then', after: [{ id: 'later', when: 'ended' }] }),
        )
        const query = { states: ['blocked', 'scheduled'] } as const
        assert.deepEqual((await context.broker.cancel({ query })).done, ['later'])
        await context.claim({}, 'then')
      },
    },
    {
      name: 'remove takes everything but what runs',
      needs: ['one-shard'],
      async run(context) {
        const tokens = await oneOfEachEnd(context)
        await context.enqueue(spec({ id: 'waits' }), spec({ id: 'later', delayMs: 60_000 }))
        await context.claim({}, 'waits')
        const ids = [...tokens.keys(), 'later', 'waits']
        const answer = await context.broker.remove({ ids })
        assert.deepEqual([...answer.done].sort(), ['failed', 'later', 'off', 'succeeded'])
        assert.deepEqual(answer.skipped, [{ id: 'waits', state: 'active' }])
        for (const id of answer.done) await context.gone(id)
        assert.deepEqual((await context.broker.remove({ ids })).done, [])
        await context.enqueue(spec({ id: 'later' }))
        await context.claim({}, 'later')
      },
    },
    {
      name: 'a removed job leaves nothing behind: no logs, no steps, no key',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'job', unique: unique('k') }))
        const job = await context.claim()
        const { id, token } = job
        await context.broker.write([
          { id, token, kind: 'log', level: 'info', text: 'a' },
          { id, token, kind: 'step', name: 's', value: job.input },
        ])
        await context.settled(failed(job))
        await context.broker.remove({ ids: [id] })
        await context.enqueue(spec({ id: 'job', unique: unique('k') }))
        assert.deepEqual([await context.broker.logs('job'), await context.broker.steps('job')], [[], []])
      },
    },
    {
      name: 'promote makes scheduled jobs due now and leaves the others alone',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'later', delayMs: 3_600_000 }),
          spec({ id: 'tried' }),
          spec({ id: 'blocked', after: [{ id: 'later', when: 'succeeded' }] }),
        )
        await context.settled(retry(await context.claim({}, 'tried'), 3_600_000))
        assert.deepEqual(await context.claimIds({ max: 10 }), [])
        const answer = await context.broker.promote({ ids: ['later', 'tried', 'blocked', 'nobody'] })
        assert.deepEqual([...answer.done].sort(), ['later', 'tried'])
        assert.deepEqual(answer.skipped, [{ id: 'blocked', state: 'blocked' }])
        const { jobs } = await context.reserve({ max: 10 })
        assert.deepEqual(jobs.map(({ id, failures }) => [id, failures]).sort(), [
          ['later', 0],
          ['tried', 1],
        ])
      },
    },
  ],
}

/** Jobs `succeeded`, `failed` and `off` (cancelled), with the tokens that they had. */
async function oneOfEachEnd(context: LawContext): Promise<Map<string, number>> {
  await context.enqueue(spec({ id: 'succeeded' }), spec({ id: 'failed' }), spec({ id: 'off' }))
  const done = await context.claim({}, 'succeeded')
  const dead = await context.claim({}, 'failed')
  const off = await context.claim({}, 'off')
  const outcomes = [succeeded(done), failed(dead), cancelled(off)]
  assert.deepEqual((await context.broker.settle({ outcomes })).answers, ['ok', 'ok', 'ok'])
  return new Map([done, dead, off].map(({ id, token }) => [id, token]))
}

function states(records: readonly (JobRecord | undefined)[]): (string | undefined)[][] {
  return records.map((record) => [record?.id, record?.state]).sort()
}
