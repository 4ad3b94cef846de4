// What a broker promises inside the user's own transaction: all of it with the commit, nothing without, and nobody else
// waits for it.
import assert from 'node:assert/strict'
import type { LawContext } from './context.ts'
import {
  failed,
  LONG_LEASE_MS,
  request,
  retry,
  SHORT_LEASE_MS,
  spec,
  specs,
  succeeded,
  unique,
} from './factories.ts'
import type { Law } from './law.ts'
import { whileRenewing } from './renewing.ts'
import { within } from './time.ts'

/** Nobody who does not wait takes as long. */
const AT_ONCE_MS = 3_000
/** Long enough for a hint, and shorter than the second after which others poll. */
const WAKING_MS = 500

const enqueuing: Law['cases'] = [
  {
    name: 'a job that is enqueued in a transaction is unseen before the commit, and as any other after it',
    needs: ['transactions'],
    async run(context) {
      const tx = await context.begin()
      const jobs = specs(3, 'job', { tags: ['t'], search: { to: 'ada' }, headers: { h: 'x' } })
      const [answer] = await tx.enqueue(jobs)
      assert.deepEqual(answer, { ok: true, jobs: jobs.map(({ id }) => ({ status: 'enqueued', id })) })
      await tx.commit()
      const { input, tags, search, headers, state } = await context.job('job-1')
      assert.deepEqual(
        { input: Buffer.from(input.bytes).toString(), tags, search, headers, state },
        {
          input: '{"to":"ada"}',
          tags: ['t'],
          search: { to: 'ada' },
          headers: { h: 'x' },
          state: 'ready',
        },
      )
      assert.deepEqual(await context.drain(), ['job-0', 'job-1', 'job-2'])
      await context.expect('succeeded', ['job-0', 'job-1', 'job-2'])
    },
  },
  {
    name: 'nobody sees or claims it before the commit, and it is late and not skipped',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      const tx = await context.begin()
      await tx.enqueue([spec({ id: 'late' })])
      await context.gone('late')
      assert.deepEqual(await context.claimIds(), [])
      await context.enqueue(...specs(3, 'other'))
      assert.deepEqual(await context.drain(), ['other-0', 'other-1', 'other-2'])
      assert.equal((await context.broker.list({})).jobs.length, 3)
      await tx.commit()
      assert.deepEqual(await context.drain(), ['late'])
    },
  },
  {
    name: 'the commit wakes who waits for work',
    needs: ['transactions', 'hears'],
    async run(context) {
      // A hint may be missed while the broker begins to listen; it must not be missed for ever.
      for (let round = 1; ; round += 1) {
        const woken = await wokenByCommit(context, `job-${round}`)
        assert(woken || round < 5, 'five commits have woken nobody, or were told of before they were made')
        assert.deepEqual(await context.drain(), [`job-${round}`])
        if (woken) return
      }
    },
  },
  {
    name: 'a rollback leaves nothing: no job, no id, no key, no count',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'before' }))
      const tx = await context.begin()
      await tx.enqueue([spec({ id: 'job', unique: unique('k'), partition: 'p', queue: 'other' })], [spec()])
      await tx.rollback()
      await context.gone('job')
      const total = (await context.broker.queues()).map(({ counts }) => counts.ready ?? 0)
      assert.equal(
        total.reduce((sum, ready) => sum + ready, 0),
        1,
      )
      await context.enqueue(spec({ id: 'job', unique: unique('k'), task: 'another' }))
      assert.deepEqual(await context.drain(), ['before', 'job'])
    },
  },
  {
    name: 'a refused group leaves nothing behind and the transaction whole',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'taken', task: 'other', delayMs: 60_000 }))
      const tx = await context.begin()
      await tx.enqueue([spec({ id: 'first' })])
      const answers = await tx.enqueue([spec({ id: 'a' }), spec({ id: 'taken' })], [spec({ id: 'b' })])
      assert.deepEqual(
        answers.map((answer) => answer.ok || answer.code),
        ['ID_TAKEN', true],
      )
      const orphan = await tx.enqueue([spec({ id: 'c', after: [{ id: 'nobody', when: 'ended' }] })])
      assert.deepEqual(
        orphan.map((answer) => answer.ok || answer.code),
        ['DEPENDENCY_MISSING'],
      )
      await tx.commit()
      assert.deepEqual(await context.drain(), ['first', 'b'])
      await context.gone('a')
    },
  },
  {
    name: 'a call sees what the transaction has stored before it: duplicates by id and by key',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'there', unique: unique('k0') }))
      const tx = await context.begin()
      await tx.enqueue([spec({ id: 'a', unique: unique('k1') })])
      const [again, key, old] = await tx.enqueue(
        [spec({ id: 'a', unique: unique('k1') })],
        [spec({ unique: unique('k1') })],
        [spec({ unique: unique('k0') })],
      )
      assert.deepEqual(again, { ok: true, jobs: [{ status: 'duplicate', id: 'a', by: 'id' }] })
      assert.deepEqual(key, { ok: true, jobs: [{ status: 'duplicate', id: 'a', by: 'unique' }] })
      assert.deepEqual(old, { ok: true, jobs: [{ status: 'duplicate', id: 'there', by: 'unique' }] })
      await tx.commit()
      assert.deepEqual((await context.drain()).sort(), ['a', 'there'])
    },
  },
  {
    name: 'jobs that run after others: of the same transaction, and of before',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'old' }))
      const tx = await context.begin()
      await tx.enqueue([
        spec({ id: 'parent' }),
        spec({
          id: 'child',
          after: [
            { id: 'parent', when: 'succeeded' },
            { id: 'old', when: 'ended' },
          ],
        }),
      ])
      await tx.commit()
      await context.expect('blocked', 'child')
      const ran = await context.drain()
      await context.until('the child has run', async () => {
        await context.upkeep()
        ran.push(...(await context.drain()))
        return ran.includes('child')
      })
      assert.deepEqual(ran, ['old', 'parent', 'child'])
    },
  },
  {
    name: 'a job whose parent ends before the commit runs all the same',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'parent' }))
      const parent = await context.claim()
      const tx = await context.begin()
      await tx.enqueue([spec({ id: 'child', after: [{ id: 'parent', when: 'succeeded' }] })])
      const answer = await within(AT_ONCE_MS, context.settle(succeeded(parent)))
      await tx.commit()
      if (answer === 'away') await context.settled(succeeded(parent))
      await context.until('the child is ready', async () => {
        await context.upkeep()
        return (await context.job('child')).state === 'ready'
      })
    },
  },
  {
    name: 'many jobs in one transaction',
    needs: ['transactions'],
    async run(context) {
      const tx = await context.begin()
      const jobs = specs(1_000, 'job', {
        input: { codec: 0, bytes: Buffer.from(JSON.stringify('x'.repeat(200))) },
      })
      await tx.enqueue(jobs)
      await tx.commit()
      assert.equal((await context.drain()).length, 1_000)
    },
  },
]

const settling: Law['cases'] = [
  {
    name: 'a success that is recorded in a transaction stands with its commit, with all that follows from it',
    needs: ['transactions'],
    async run(context) {
      await context.broker.limit([
        {
          scope: { kind: 'queue', queue: request().queues[0] ?? '' },
          source: 'set',
          limit: { concurrency: 1 },
        },
      ])
      await context.enqueue(
        spec({ id: 'job', unique: unique('k') }),
        spec({ id: 'child', after: [{ id: 'job', when: 'succeeded' }] }),
      )
      const job = await context.claim()
      const tx = await context.begin()
      assert.equal(await tx.succeed(job, { n: 1 }), 'ok')
      await tx.commit()
      const { state, result } = await context.job('job')
      assert.deepEqual([state, result && Buffer.from(result.bytes).toString()], ['succeeded', '{"n":1}'])
      await context.upkeep()
      await context.enqueue(spec({ id: 'next', unique: unique('k') }))
      assert.deepEqual(await context.drain(), ['child', 'next'])
    },
  },
  {
    name: 'after the commit the lease is lost, the same success is ok, and another outcome is lost',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec())
      const job = await context.claim()
      const tx = await context.begin()
      await tx.succeed(job)
      await tx.commit()
      assert.deepEqual(await context.broker.extend([{ ...job, started: true }], LONG_LEASE_MS), ['lost'])
      assert.equal(await context.settle(failed(job)), 'lost')
      assert.equal(await context.settle(succeeded(job)), 'ok')
      await context.expect('succeeded', job.id)
    },
  },
  {
    name: 'a rollback leaves the job active under its lease',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'job' }))
      const job = await context.claim()
      const tx = await context.begin()
      await tx.succeed(job)
      await tx.rollback()
      await context.expect('active', 'job')
      assert.deepEqual(await context.broker.extend([{ ...job, started: true }], LONG_LEASE_MS), ['ok'])
      const again = await context.begin()
      assert.equal(await again.succeed(job), 'ok')
      await again.rollback()
      await context.settled(retry(job))
      await context.settled(succeeded(await context.claim({}, 'job')))
    },
  },
  {
    name: 'a success is recorded once: again in the transaction, after it, and after another outcome it is lost',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'a' }), spec({ id: 'b' }))
      const a = await context.claim({}, 'a')
      const first = await context.begin()
      assert.deepEqual([await first.succeed(a), await first.succeed(a)], ['ok', 'lost'])
      await first.commit()
      const second = await context.begin()
      assert.equal(await second.succeed(a), 'lost')
      assert.equal(await second.succeed({ id: 'nobody', token: a.token }), 'lost')
      await second.rollback()
      const b = await context.claim({}, 'b')
      await context.settled(succeeded(b))
      const third = await context.begin()
      assert.equal(await third.succeed(b), 'lost')
      await third.rollback()
    },
  },
  {
    name: 'an old token is lost',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'job' }))
      const old = await context.claim({ leaseMs: SHORT_LEASE_MS })
      await context.loseLease(SHORT_LEASE_MS)
      const job = await context.claim({}, 'job')
      const tx = await context.begin()
      assert.equal(await tx.succeed(old), 'lost')
      assert.equal(await tx.succeed(job), 'ok')
      await tx.commit()
      await context.expect('succeeded', 'job')
    },
  },
  {
    name: 'a success stands although a cancel was asked for',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'job' }))
      const job = await context.claim()
      await context.broker.cancel({ ids: ['job'] })
      const tx = await context.begin()
      assert.equal(await tx.succeed(job), 'ok')
      await tx.commit()
      await context.expect('succeeded', 'job')
    },
  },
  {
    name: 'jobs and a success in one transaction',
    needs: ['transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'job' }))
      const job = await context.claim()
      for (const end of ['rollback', 'commit'] as const) {
        const tx = await context.begin()
        await tx.enqueue([spec({ id: 'follow-up' })])
        await tx.succeed(job)
        await tx[end]()
      }
      await context.expect('succeeded', 'job')
      assert.deepEqual(await context.drain(), ['follow-up'])
    },
  },
]

const others: Law['cases'] = [
  {
    name: 'while a transaction is open nobody waits for it: neither who asks for its lease, nor for others',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      await context.enqueue(...specs(4, 'job'))
      const jobs = (await context.reserve({ max: 3 })).jobs
      const [held, other, third] = jobs
      assert(held !== undefined && other !== undefined && third !== undefined)
      const tx = await context.begin()
      await tx.succeed(held)
      await tx.enqueue([spec({ id: 'new' })])
      await within(AT_ONCE_MS, othersGoOn(context, held, other, third))
      await tx.commit()
      assert.equal(await context.settle(retry(held)), 'lost')
      assert.equal(await context.settle(succeeded(held)), 'ok')
      await context.expect('succeeded', held.id)
    },
  },
  {
    name: 'renewals at the same moment cost no success',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      // So many that a renewal takes its time.
      await context.enqueue(...specs(500, 'job'))
      const { jobs } = await context.reserve({ max: 500 })
      await whileRenewing(context.broker, jobs, async () => {
        for (const job of jobs.slice(0, 20)) {
          const tx = await context.begin()
          assert.equal(await tx.succeed(job), 'ok', 'a renewal took the job from its holder')
          await tx.commit()
        }
      })
    },
  },
  {
    name: 'while a transaction is open its lease may run out: the job stays with it',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'a' }), spec({ id: 'b' }))
      const leases = await context.reserve({ max: 2, leaseMs: SHORT_LEASE_MS })
      const [a] = leases.jobs
      assert(a !== undefined)
      const tx = await context.begin()
      assert.equal(await tx.succeed(a), 'ok')
      await context.elapse(SHORT_LEASE_MS + 1)
      await within(AT_ONCE_MS, context.upkeep())
      await context.expect('active', 'a')
      assert.deepEqual(await within(AT_ONCE_MS, context.claimIds({ max: 9 })), ['b'])
      await tx.commit()
      await context.upkeep()
      await context.expect('succeeded', 'a')
    },
  },
  {
    name: 'while a transaction that enqueues is open, the same queue, task, partition and limit serve others',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      const queue = request().queues[0] ?? ''
      await context.broker.limit([
        { scope: { kind: 'queue', queue }, source: 'set', limit: { concurrency: 2 } },
        {
          scope: { kind: 'task', task: spec().task },
          source: 'set',
          limit: { rate: { count: 100, perMs: 1_000 } },
        },
      ])
      const tx = await context.begin()
      await tx.enqueue([spec({ id: 'new', partition: 'p' })])
      const work = async (): Promise<void> => {
        await context.enqueue(...specs(4, 'job', { partition: 'p' }))
        assert.deepEqual(await context.drain({ max: 2 }), ['job-0', 'job-1', 'job-2', 'job-3'])
        await context.upkeep()
      }
      await within(AT_ONCE_MS, work())
      await tx.commit()
      await context.until('the new one is claimed', async () => (await context.drain()).includes('new'))
    },
  },
]

const holding: Law['cases'] = [
  {
    name: 'while a transaction holds an id and a key, groups with others do not wait for it',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      const tx = await context.begin()
      const key = unique('key')
      await tx.enqueue([spec({ id: 'same' }), spec({ id: 'holder', unique: key })])
      const groups = [spec({ id: 'same' }), spec({ id: 'free' }), spec({ id: 'other', unique: key })].map(
        (one) => [one],
      )
      const first = await within(AT_ONCE_MS, context.broker.enqueue(groups))
      assert.equal(first[1]?.ok, true)
      // Either answered as if the call had been rejected for these alone, or not before the commit.
      assert(first.every((answer) => answer.ok || answer.code === 'BROKER_UNAVAILABLE'))
      await tx.commit()
      const again = await context.broker.enqueue(groups)
      assert.deepEqual(
        again.map((answer) => answer.ok && answer.jobs[0]),
        [
          { status: 'duplicate', id: 'same', by: 'id' },
          { status: 'duplicate', id: 'free', by: 'id' },
          { status: 'duplicate', id: 'holder', by: 'unique' },
        ],
      )
    },
  },
  {
    name: 'while a transaction is about to end a job, what depends on it is stored, and hears of it after the commit',
    needs: ['transactions', 'shared-transactions'],
    async run(context) {
      await context.enqueue(spec({ id: 'parent' }))
      const parent = await context.claim()
      const tx = await context.begin()
      assert.equal(await tx.succeed(parent), 'ok')
      const after = [{ id: 'parent', when: 'succeeded' }] as const
      const work = async (): Promise<void> => {
        await context.enqueue(spec({ id: 'child', after }), spec({ id: 'other' }))
        await context.upkeep()
        await context.expect('blocked', 'child')
        assert.deepEqual(await context.drain(), ['other'])
      }
      await within(AT_ONCE_MS, work())
      await tx.commit()
      await context.upkeep()
      await context.until('the child has run', async () => {
        await context.broker.maintain()
        return (await context.drain()).includes('child')
      })
    },
  },
]

async function wokenByCommit(context: LawContext, id: string): Promise<boolean> {
  const stop = new AbortController()
  let woken = false
  assert.deepEqual(await context.claimIds(), [])
  const wake = context.broker.wake([request().queues[0] ?? ''], stop.signal).then(() => {
    woken = !stop.signal.aborted
  })
  const tx = await context.begin()
  await tx.enqueue([spec({ id })])
  // A hint may come for nothing, as when listening has just begun, but not before each commit.
  const early = woken
  await tx.commit()
  await within(WAKING_MS, wake).catch(() => stop.abort())
  await wake
  return woken && !early
}

/** What others do meanwhile: with the lease of the transaction, and with jobs beside it. */
async function othersGoOn(
  context: LawContext,
  held: { readonly id: string; readonly token: number },
  ...[other, third]: { readonly id: string; readonly token: number }[]
): Promise<void> {
  const { broker } = context
  assert(other !== undefined && third !== undefined)
  const leases = [held, other].map(({ id, token }) => ({ id, token, started: true }))
  const [mine, theirs] = await broker.extend(leases, LONG_LEASE_MS)
  assert.equal(theirs, 'ok')
  assert(mine === 'away' || mine === 'ok', `the lease of an open transaction was answered ${mine}`)
  const { answers, next } = await broker.settle({
    outcomes: [retry(held, 60_000), succeeded(other), succeeded(held)],
    next: request({ max: 1 }),
  })
  assert.deepEqual(answers, ['away', 'ok', 'away'])
  assert.deepEqual(
    next?.jobs.map(({ id }) => id),
    ['job-3'],
  )
  await context.upkeep()
  await context.enqueue(spec({ id: 'later' }))
  assert.deepEqual(await context.claimIds({ max: 9 }), ['later'])
  await context.settled(succeeded(third))
}

export const transactions: Law = {
  number: 0,
  name: "inside the user's transaction",
  cases: [...enqueuing, ...settling, ...others, ...holding],
}
