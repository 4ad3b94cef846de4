// Law 11. Unique: one live job a key under any race; the key is freed with the job.
import assert from 'node:assert/strict'
import type { LawContext } from './context.ts'
import { cancelled, failed, released, retry, snoozed, spec, specs, succeeded, unique } from './factories.ts'
import type { Law } from './law.ts'

export const uniqueKeys: Law = {
  number: 11,
  name: 'unique',
  cases: [
    {
      name: 'a key that is held makes a duplicate of the job that holds it, whatever its state',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'first', unique: unique('k'), delayMs: 60_000 }))
        await duplicateOf(context, 'first')
        await context.broker.promote({ ids: ['first'] })
        await duplicateOf(context, 'first')
        const job = await context.claim({}, 'first')
        await duplicateOf(context, 'first')
        await context.settled(retry(job, 60_000))
        await duplicateOf(context, 'first')
        await context.enqueue(spec({ id: 'other', unique: unique('k2') }))
      },
    },
    {
      name: 'many enqueues at once: one job a key',
      needs: ['one-shard'],
      async run(context) {
        const peers = await context.peers(3)
        const keys = ['k0', 'k1', 'k2', 'k3']
        const calls = Array.from({ length: 120 }, (_, call) =>
          peers[call % 3]?.enqueue([[spec({ id: `job-${call}`, unique: unique(keys[call % 4] ?? '') })]]),
        )
        const jobs = (await Promise.all(calls))
          .flatMap((answers) => answers ?? [])
          .flatMap((group) => (group.ok ? group.jobs : []))
        assert.equal(jobs.length, 120)
        const stored = jobs.flatMap((job) => (job.status === 'enqueued' ? [job.id] : []))
        assert.equal(stored.length, 4)
        for (const job of jobs)
          assert(stored.includes(job.id), `a duplicate of ${job.id}, which is not there`)
        assert.equal((await context.drain()).length, 4)
      },
    },
    {
      name: 'two processes: one job a key',
      needs: ['process', 'one-shard'],
      async run(context) {
        const other = await context.process()
        const group = (who: string): ReturnType<typeof spec>[] =>
          Array.from({ length: 20 }, (_, at) => spec({ id: `${who}-${at}`, unique: unique(`k${at}`) }))
        const mine = group('mine').map((job) => context.broker.enqueue([[job]]))
        const theirs = group('theirs').map((job) => other.call('enqueue', [[job]]))
        await Promise.all([...mine, ...theirs])
        assert.equal((await context.drain()).length, 20)
      },
    },
    {
      name: 'a key is held against the jobs of its own group and call too',
      needs: ['one-shard'],
      async run(context) {
        const jobs = specs(3, 'job', { unique: unique('k') })
        const [a, b, c] = jobs
        assert(a !== undefined && b !== undefined && c !== undefined)
        const answers = await context.broker.enqueue([[a, b], [c]])
        assert.deepEqual(answers, [
          {
            ok: true,
            jobs: [
              { status: 'enqueued', id: 'job-0' },
              { status: 'duplicate', id: 'job-0', by: 'unique' },
            ],
          },
          { ok: true, jobs: [{ status: 'duplicate', id: 'job-0', by: 'unique' }] },
        ])
        await context.gone('job-1')
      },
    },
    {
      name: 'the key is freed with the job, however it ends',
      needs: ['one-shard'],
      async run(context) {
        for (const end of [succeeded, failed, cancelled]) {
          await context.enqueue(spec({ id: end.name, unique: unique('k') }))
          await context.settled(end(await context.claim({}, end.name)))
        }
        await context.enqueue(spec({ id: 'cancel', unique: unique('k') }))
        await context.broker.cancel({ ids: ['cancel'] })
        await context.enqueue(spec({ id: 'remove', unique: unique('k') }))
        await context.broker.remove({ ids: ['remove'] })
        await context.enqueue(spec({ id: 'expire', unique: unique('k'), expiresInMs: 20 }))
        await context.elapse(21)
        await context.upkeep()
        await context.enqueue(spec({ id: 'last', unique: unique('k') }))
      },
    },
    {
      name: 'the key is not freed while the job is only put back',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'first', unique: unique('k') }))
        for (const put of [released, retry, snoozed]) {
          await context.settled(put(await context.claim({}, 'first')))
          await duplicateOf(context, 'first')
          await context.elapse(2)
        }
      },
    },
    {
      name: 'a job that ends frees its own key only, not that of a successor',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'first', unique: unique('k', { during: 'waiting' }) }))
        const first = await context.claim({}, 'first')
        await context.enqueue(spec({ id: 'second', unique: unique('k') }))
        await context.settled(succeeded(first))
        await duplicateOf(context, 'second')
      },
    },
    {
      name: 'during waiting: the first claim frees the key, and nothing takes it back',
      needs: ['one-shard'],
      async run(context) {
        const waiting = unique('k', { during: 'waiting' })
        await context.enqueue(spec({ id: 'first', unique: waiting }))
        await duplicateOf(context, 'first')
        const first = await context.claim({}, 'first')
        await context.enqueue(spec({ id: 'second', unique: waiting, delayMs: 60_000 }))
        await context.settled(retry(first))
        await duplicateOf(context, 'second')
        await context.elapse(2)
        await context.settled(succeeded(await context.claim({}, 'first')))
        await duplicateOf(context, 'second')
      },
    },
    {
      name: 'replace: the waiting job gives way, with its reason, and the new one has the key',
      needs: ['one-shard'],
      async run(context) {
        const replace = unique('k', { onConflict: 'replace' })
        await context.enqueue(spec({ id: 'a', unique: unique('k'), delayMs: 60_000 }))
        await context.enqueue(spec({ id: 'b', unique: replace }))
        await context.expect('cancelled', 'a', 'replaced')
        await context.enqueue(spec({ id: 'c', unique: replace }))
        await context.expect('cancelled', 'b', 'replaced')
        await duplicateOf(context, 'c')
        assert.deepEqual(await context.claimIds({ max: 9 }), ['c'])
      },
    },
    {
      name: 'replace: an active job is kept, and the new one is its duplicate',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a', unique: unique('k') }))
        const a = await context.claim()
        const replace = unique('k', { onConflict: 'replace' })
        const [answer] = await context.broker.enqueue([[spec({ id: 'b', unique: replace })]])
        assert.deepEqual(answer, { ok: true, jobs: [{ status: 'duplicate', id: 'a', by: 'unique' }] })
        await context.settled(succeeded(a))
        await context.enqueue(spec({ id: 'b', unique: replace }))
      },
    },
    {
      name: 'replace: what waited for the replaced job ends with it',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'a', unique: unique('k'), delayMs: 60_000 }),
          spec({ id: 'child', after: [{ id: 'a', when: 'succeeded' }] }),
        )
        await context.enqueue(spec({ id: 'b', unique: unique('k', { onConflict: 'replace' }) }))
        await context.upkeep()
        await context.expect('cancelled', 'child', 'dependency')
      },
    },
    {
      name: 'replace: a group that is refused replaces nothing',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'a', unique: unique('k') }), spec({ id: 'taken', task: 'other' }))
        const replacement = spec({ id: 'b', unique: unique('k', { onConflict: 'replace' }) })
        const [answer] = await context.broker.enqueue([[replacement, spec({ id: 'taken' })]])
        assert.equal(answer?.ok, false)
        await context.gone('b')
        await context.expect('ready', 'a')
        await duplicateOf(context, 'a')
      },
    },
    {
      name: 'an enqueue with the same id is a duplicate by its id, also where its key is held',
      needs: ['one-shard'],
      async run(context) {
        const replace = unique('k', { onConflict: 'replace' })
        await context.enqueue(spec({ id: 'a', unique: replace }))
        const [answer] = await context.broker.enqueue([[spec({ id: 'a', unique: replace })]])
        assert.deepEqual(answer, { ok: true, jobs: [{ status: 'duplicate', id: 'a', by: 'id' }] })
        await context.expect('ready', 'a')
      },
    },
    {
      name: 'a retried job takes its key again, and is left alone where another has it',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'dead', unique: unique('k') }))
        await context.settled(failed(await context.claim()))
        await context.enqueue(spec({ id: 'live', unique: unique('k') }))
        const held = await context.broker.retry({ ids: ['dead'] })
        assert.deepEqual(held, { done: [], skipped: [{ id: 'dead', state: 'failed' }], more: false })
        assert.deepEqual(await context.broker.retry({ query: { states: ['failed'] } }), held)
        await context.settled(succeeded(await context.claim({}, 'live')))
        assert.deepEqual((await context.broker.retry({ ids: ['dead'] })).done, ['dead'])
        await duplicateOf(context, 'dead')
        await context.claim({}, 'dead')
      },
    },
    {
      name: 'two dead letters of one key: a retry of both runs one',
      needs: ['one-shard'],
      async run(context) {
        for (const id of ['one', 'two']) {
          await context.enqueue(spec({ id, unique: unique('k') }))
          await context.settled(failed(await context.claim({}, id)))
        }
        const answer = await context.broker.retry({ ids: ['one', 'two'] })
        assert.deepEqual([answer.done.length, answer.skipped.length], [1, 1])
        assert.deepEqual(await context.claimIds({ max: 9 }), answer.done)
      },
    },
  ],
}

/** An enqueue with the key k is answered as a duplicate of `id`, and stores nothing. */
async function duplicateOf(context: LawContext, id: string): Promise<void> {
  const job = spec({ unique: unique('k') })
  const [answer] = await context.broker.enqueue([[job]])
  assert.deepEqual(answer, { ok: true, jobs: [{ status: 'duplicate', id, by: 'unique' }] })
  await context.gone(job.id)
}
