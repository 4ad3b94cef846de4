// Law 2. One holder: at most one live lease a job. Tokens come from one counter a shard, so a later claim's is always
// larger, even for an id that was removed and used again. A settle, extend, progress, log or step with an old token is
// refused. An ended job leaves a tombstone (id, token, outcome) for five minutes whatever its retention.
import assert from 'node:assert/strict'
import type { LeaseRef, Note } from '../broker/contract.ts'
import { TOMBSTONE_MS } from '../job/record.ts'
import type { LawContext } from './context.ts'
import {
  everyOutcome,
  failed,
  json,
  LONG_LEASE_MS,
  QUEUE,
  released,
  request,
  retry,
  SHORT_LEASE_MS,
  spec,
  specs,
  succeeded,
} from './factories.ts'
import type { Law } from './law.ts'
import { whileRenewing } from './renewing.ts'

const AT_ONCE = { succeededMs: 0, failedMs: 0, cancelledMs: 0 }

export const oneHolder: Law = {
  number: 2,
  name: 'one holder',
  cases: [
    {
      name: 'many claimers at once: each job goes to one of them',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(200, 'job'))
        const peers = await context.peers(4)
        const claims = peers.flatMap((broker, peer) =>
          Array.from({ length: 20 }, () => broker.reserve(request({ max: 5, worker: `worker-${peer}` }))),
        )
        const jobs = (await Promise.all(claims)).flatMap((reserved) => reserved.jobs)
        assert.equal(jobs.length, 200)
        assert.equal(new Set(jobs.map(({ id }) => id)).size, 200, 'a job went to two claimers')
        assert.equal(new Set(jobs.map(({ token }) => token)).size, 200, 'a token was given twice')
        assert.deepEqual(await context.claimIds({ max: 5 }), [])
      },
    },
    {
      name: 'a claim that names a queue twice gets each of its jobs once',
      async run(context) {
        await context.enqueue(...specs(10, 'job'))
        const queues = [QUEUE, 'other', QUEUE]
        const first = await context.claimIds({ queues, max: 6 })
        const second = await context.claimIds({ queues, max: 6 })
        assert.deepEqual([first.length, second.length], [6, 4])
        assert.equal(new Set([...first, ...second]).size, 10, 'a job was claimed twice')
        const line = (await context.broker.queues()).find(({ queue }) => queue === QUEUE)
        assert.deepEqual([line?.counts.ready, line?.counts.active], [0, 10])
      },
    },
    {
      name: 'two processes at once: each job goes to one of them',
      needs: ['process', 'one-shard'],
      async run(context) {
        await context.enqueue(...specs(300, 'job'))
        const other = await context.process()
        const mine = Array.from({ length: 30 }, () => context.reserve({ max: 5 }))
        const theirs = Array.from({ length: 30 }, () =>
          other.call('reserve', request({ max: 5, worker: 'other' })),
        )
        const jobs = (await Promise.all([...mine, ...theirs])).flatMap((reserved) => reserved.jobs)
        assert.equal(jobs.length, 300)
        assert.equal(new Set(jobs.map(({ id }) => id)).size, 300, 'a job went to two claimers')
        assert.equal(new Set(jobs.map(({ token }) => token)).size, 300, 'a token was given twice')
      },
    },
    {
      name: 'state, lease and token are one record',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b' }))
        const reserved = await context.reserve({ max: 2, starting: 1, leaseMs: 5_000, worker: 'w' })
        for (const [index, { id, token }] of reserved.jobs.entries()) {
          const record = await context.job(id)
          assert.equal(record.state, 'active')
          const until = reserved.now + 5_000
          assert.deepEqual(record.lease, { worker: 'w', token, until, started: index === 0 })
        }
      },
    },
    {
      name: 'tokens grow with every claim, whatever the job',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(20, 'job'))
        const tokens: number[] = []
        for (let round = 0; round < 30; round += 1) {
          const jobs = (await context.reserve({ max: 1 + (round % 3) })).jobs
          tokens.push(...jobs.map(({ token }) => token))
          for (const job of jobs) await context.settled(round % 2 === 0 ? released(job) : retry(job))
        }
        assert(tokens.length >= 30)
        for (const [index, token] of tokens.entries()) {
          assert(Number.isSafeInteger(token) && token > (tokens[index - 1] ?? 0), `${token} did not grow`)
        }
      },
    },
    {
      name: 'tokens grow also for an id that was removed and used again',
      async run(context) {
        await context.enqueue(spec({ id: 'again' }))
        const first = await context.claim()
        await context.settled(succeeded(first))
        await context.broker.remove({ ids: ['again'] })
        await context.gone('again')
        await context.enqueue(spec({ id: 'again' }))
        const second = await context.claim({}, 'again')
        assert(second.token > first.token, `token ${second.token} after ${first.token}`)
        for (const outcome of everyOutcome(first)) await context.settle(outcome)
        assert.deepEqual(await context.broker.extend([{ ...first, started: true }], LONG_LEASE_MS), ['lost'])
        const { state, lease } = await context.job('again')
        assert.deepEqual([state, lease?.token], ['active', second.token])
      },
    },
    {
      name: 'whoever lost the lease is refused whatever it says, before and after the next claim',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const old = await context.claim({ leaseMs: SHORT_LEASE_MS, worker: 'old' })
        await context.loseLease(SHORT_LEASE_MS)
        await refusesAll(context, old)
        const live = await context.claim({ worker: 'live' }, 'job')
        assert(live.token > old.token)
        await refusesAll(context, old)
        await context.settled(succeeded(live))
        await refusesAll(context, old)
        await context.expect('succeeded', 'job')
      },
    },
    {
      name: 'a token that never was, of another job, or of no job is refused',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b' }), spec({ id: 'waits' }))
        const { jobs } = await context.reserve({ max: 2 })
        const [a, b] = jobs
        assert(a !== undefined && b !== undefined)
        await refusesAll(context, { id: 'a', token: b.token })
        await refusesAll(context, { id: 'b', token: a.token + 1_000_000 })
        await refusesAll(context, { id: 'waits', token: b.token })
        await refusesAll(context, { id: 'waits', token: 0 })
        await refusesAll(context, { id: 'nobody', token: a.token })
      },
    },
    {
      name: 'in one settle, each outcome is judged by its own token, in order',
      async run(context) {
        await context.enqueue(...specs(3, 'job'))
        const { jobs } = await context.reserve({ max: 3 })
        const [a, b, c] = jobs
        assert(a !== undefined && b !== undefined && c !== undefined)
        const outcomes = [succeeded(a), succeeded({ id: b.id, token: b.token + 9 }), failed(c), retry(a)]
        assert.deepEqual((await context.broker.settle({ outcomes })).answers, ['ok', 'lost', 'ok', 'lost'])
        const states = (await context.broker.get([a.id, b.id, c.id])).map((record) => record?.state)
        assert.deepEqual(states, ['succeeded', 'active', 'failed'])
      },
    },
    {
      name: 'extend moves the end of a lease and never shortens it',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const job = await context.claim({ leaseMs: 5_000 })
        const held = { id: job.id, token: job.token, started: true }
        const first = (await context.job('job')).lease?.until ?? 0
        assert.deepEqual(await context.broker.extend([held], 60_000), ['ok'])
        const extended = (await context.job('job')).lease?.until ?? 0
        assert(extended >= first + 55_000 && extended <= (await context.now()) + 60_000)
        assert.deepEqual(await context.broker.extend([held], 1), ['ok'])
        assert.equal((await context.job('job')).lease?.until, extended)
        await context.settled(succeeded(job))
        assert.deepEqual(await context.broker.extend([held], 60_000), ['lost'])
      },
    },
    {
      name: 'extend answers each lease, in order',
      async run(context) {
        await context.enqueue(...specs(3, 'job'))
        const { jobs } = await context.reserve({ max: 3 })
        const [a, b, c] = jobs
        assert(a !== undefined && b !== undefined && c !== undefined)
        await context.settled(released(a))
        await context.broker.cancel({ ids: [c.id] })
        const held = [a, b, c].map(({ id, token }) => ({ id, token, started: true }))
        assert.deepEqual(await context.broker.extend(held, LONG_LEASE_MS), ['lost', 'ok', 'cancelling'])
        assert.deepEqual(await context.broker.extend([], LONG_LEASE_MS), [])
      },
    },
    {
      name: 'a tombstone answers for a job that is gone',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'pruned', retention: AT_ONCE }), spec({ id: 'removed' }))
        const pruned = await context.claim({}, 'pruned')
        const removed = await context.claim({}, 'removed')
        await context.settled(succeeded(pruned))
        await context.settled(failed(removed))
        await context.elapse(2)
        await context.upkeep()
        await context.broker.remove({ ids: ['removed'] })
        await context.gone('pruned')
        await context.gone('removed')
        assert.equal(await context.settle(succeeded(pruned)), 'ok')
        assert.equal(await context.settle(failed(removed)), 'ok')
        assert.equal(await context.settle(retry(pruned)), 'lost')
        assert.equal(await context.settle(succeeded(removed)), 'lost')
        await context.gone('pruned')
        await context.gone('removed')
      },
    },
    {
      name: 'a tombstone goes after five minutes',
      needs: ['advance'],
      async run(context) {
        await context.enqueue(spec({ id: 'job', retention: AT_ONCE }))
        const job = await context.claim()
        await context.settled(succeeded(job))
        await context.elapse(TOMBSTONE_MS - 1_000)
        await context.upkeep()
        assert.equal(await context.settle(succeeded(job)), 'ok')
        await context.elapse(2_000)
        await context.upkeep()
        assert.equal(await context.settle(succeeded(job)), 'lost')
      },
    },
    {
      name: 'a renewal at the same moment costs no outcome its record',
      async run(context) {
        await context.enqueue(...specs(20, 'job'))
        const { jobs } = await context.reserve({ max: 20 })
        await whileRenewing(context.broker, jobs, async () => {
          for (const job of jobs) await context.settled(retry(job, 60_000))
        })
      },
    },
  ],
}

/** Everything that a holder can say, said with a token that is not the live one, is refused and changes nothing. */
async function refusesAll(context: LawContext, lease: LeaseRef): Promise<void> {
  const { id, token } = lease
  const [before] = await context.broker.get([id])
  for (const outcome of everyOutcome({ id, token }))
    assert.equal(await context.settle(outcome), 'lost', `${outcome.kind} with an old token was taken`)
  const extended = await context.broker.extend([{ id, token, started: true }], LONG_LEASE_MS)
  assert.deepEqual(extended, ['lost'], 'extend with an old token was taken')
  await context.broker.settle({ outcomes: [], started: [{ id, token }] })
  const notes: Note[] = [
    { id, token, kind: 'progress', value: json(1) },
    { id, token, kind: 'log', level: 'info', text: 'late' },
    { id, token, kind: 'step', name: 'late', value: json(1) },
  ]
  assert.deepEqual(await context.broker.write(notes), ['lost', 'lost', 'lost'], 'a note with an old token')
  assert.deepEqual((await context.broker.get([id]))[0], before, 'what was refused has changed the job')
  assert.deepEqual(await context.broker.logs(id), [])
  assert.deepEqual(await context.broker.steps(id), [])
}
