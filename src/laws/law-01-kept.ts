// Law 1. Kept: once `enqueue` resolves, the job survives the death of any process, as far as the broker's named
// durability setting says, until it ends. It never disappears.
import assert from 'node:assert/strict'
import type { Broker } from '../broker/contract.ts'
import type { JobSpec } from '../job/record.ts'
import { error, failed, json, QUEUE, released, spec, specs, succeeded, TASK, unique } from './factories.ts'
import type { Law } from './law.ts'

/** Every field that a spec can have. */
function fullSpec(): JobSpec {
  return spec({
    id: 'full',
    priority: 7,
    runAt: 4_000_000_000_000,
    expiresInMs: 3_600_000,
    partition: 'tenant-1',
    unique: unique('work:ada'),
    search: { to: 'ada', city: 'London' },
    tags: ['first', 'second'],
    headers: { traceparent: '00-abc' },
    retry: { attempts: 4, baseMs: 10, maxMs: 1_000 },
    timeoutMs: 30_000,
    retention: { succeededMs: 1, failedMs: 2, cancelledMs: 3 },
    maxCrashes: 9,
    extra: { later: { version: 2 } },
  })
}

export const kept: Law = {
  number: 1,
  name: 'kept',
  cases: [
    {
      name: 'a job that was accepted is there, with all that it was given',
      needs: ['one-shard'],
      async run(context) {
        const before = await context.now()
        const full = fullSpec()
        await context.enqueue(full)
        const { expiresInMs, ...given } = full
        const record = await context.job('full')
        const stored = Object.fromEntries(Object.keys(given).map((key) => [key, Reflect.get(record, key)]))
        assert.deepEqual(stored, given)
        assert.equal(record.version, 1)
        assert.equal(record.namespace, context.broker.namespace)
        assert.equal(record.state, 'scheduled')
        assert(record.createdAt >= before && record.createdAt <= (await context.now()))
        assert.equal(record.expiresAt, record.createdAt + (expiresInMs ?? 0))
        assert.deepEqual([record.failures, record.crashes], [0, 0])
        assert.deepEqual([record.suspect, record.cancelling, record.attempts], [false, false, []])
      },
    },
    {
      name: 'a plain job has no field that it was not given',
      async run(context) {
        await context.enqueue(spec({ id: 'plain' }))
        const record = await context.job('plain')
        const rare = ['partition', 'unique', 'search', 'tags', 'headers', 'retry', 'timeoutMs', 'workflow']
        const more = ['node', 'after', 'extra', 'runAt', 'startedAt', 'endedAt', 'lease', 'result', 'error']
        for (const field of [...rare, ...more]) assert.equal(Reflect.get(record, field), undefined, field)
        assert.deepEqual([record.state, record.reason], ['ready', undefined])
      },
    },
    {
      name: 'a claimed job brings what its worker needs',
      needs: ['one-shard'],
      async run(context) {
        const { runAt: _, ...full } = fullSpec()
        await context.enqueue(full)
        const job = await context.claim()
        for (const field of [
          'id',
          'task',
          'queue',
          'partition',
          'priority',
          'input',
          'headers',
          'tags',
        ] as const)
          assert.deepEqual(job[field], full[field], field)
        assert.deepEqual([job.retry, job.timeoutMs], [full.retry, full.timeoutMs])
        assert.deepEqual([job.failures, job.crashes, job.suspect, job.version], [0, 0, false, 1])
      },
    },
    {
      name: 'a thousand jobs in groups, sent by many calls at once, run to their end, each once',
      async run(context) {
        const groups = Array.from({ length: 100 }, (_, group) => specs(10, `group-${group}`))
        const calls = groups.map((group) => context.broker.enqueue([group]))
        for (const [answer] of await Promise.all(calls)) assert.equal(answer?.ok, true)
        const ran = await context.drain()
        assert.equal(ran.length, 1_000)
        assert.equal(new Set(ran).size, 1_000)
        await context.expect('succeeded', ran)
      },
    },
    {
      name: 'groups are told apart: one that is refused takes nothing with it, and leaves nothing',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'taken', task: 'other' }))
        const answers = await context.broker.enqueue([
          [spec({ id: 'a' })],
          [spec({ id: 'b' }), spec({ id: 'taken' }), spec({ id: 'c' })],
          [spec({ id: 'd' }), spec({ id: 'a' })],
          [],
        ])
        assert.deepEqual(
          answers.map((answer) => (answer.ok ? answer.jobs.map(({ status }) => status) : answer.code)),
          [['enqueued'], 'ID_TAKEN', ['enqueued', 'duplicate'], []],
        )
        const [, refused] = answers
        assert(refused !== undefined && !refused.ok && refused.id === 'taken' && refused.message !== '')
        await context.gone('b')
        await context.gone('c')
        assert.deepEqual(await context.claimIds({ max: 10 }), ['taken', 'a', 'd'])
      },
    },
    {
      name: 'a result, an error and the attempts are kept with the job',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'good' }), spec({ id: 'bad' }))
        const good = await context.claim({ worker: 'w-good' })
        await context.settled(succeeded(good, { sum: 3 }))
        const bad = await context.claim({ worker: 'w-bad' })
        await context.settled(failed(bad))
        const first = await context.job('good')
        assert.deepEqual(first.result, json({ sum: 3 }))
        assert.deepEqual([first.state, first.lease, first.failures], ['succeeded', undefined, 0])
        assert.deepEqual(
          first.attempts.map(({ worker, token, outcome }) => ({ worker, token, outcome })),
          [{ worker: 'w-good', token: good.token, outcome: 'succeeded' }],
        )
        const second = await context.job('bad')
        assert.deepEqual(second.error, error())
        assert.deepEqual([second.state, second.reason, second.failures], ['failed', 'non-retryable', 1])
        assert.equal(second.attempts[0]?.outcome, 'failed')
        for (const record of [first, second]) {
          assert(record.startedAt !== undefined && record.endedAt !== undefined)
          assert(record.createdAt <= record.startedAt && record.startedAt <= record.endedAt)
        }
      },
    },
    {
      name: 'an ended job is kept for its retention, by how it ended, and then it goes',
      needs: ['one-shard'],
      async run(context) {
        const retention = { succeededMs: 100, failedMs: 3_600_000, cancelledMs: 100 }
        await context.enqueue(...['done', 'dead', 'off'].map((id) => spec({ id, retention })))
        await context.broker.cancel({ ids: ['off'] })
        await context.settled(succeeded(await context.claim({}, 'done')))
        await context.settled(failed(await context.claim({}, 'dead')))
        const early = (await context.upkeep()).pruned
        await context.elapse(150)
        assert.equal(early + (await context.upkeep()).pruned, 2)
        await context.gone('done')
        await context.gone('off')
        await context.expect('failed', 'dead')
      },
    },
    {
      name: 'no job that has not ended is ever pruned',
      needs: ['one-shard'],
      async run(context) {
        const retention = { succeededMs: 0, failedMs: 0, cancelledMs: 0 }
        await context.enqueue(
          spec({ id: 'held', retention }),
          spec({ id: 'ready', retention }),
          spec({ id: 'later', retention, delayMs: 60_000 }),
          spec({ id: 'blocked', retention, after: [{ id: 'later', when: 'succeeded' }] }),
        )
        await context.claim({}, 'held')
        await context.elapse(50)
        await context.upkeep()
        const states = (await context.broker.get(['held', 'ready', 'later', 'blocked'])).map(
          (job) => job?.state,
        )
        assert.deepEqual(states, ['active', 'ready', 'scheduled', 'blocked'])
      },
    },
    {
      name: 'closing and opening again loses nothing',
      needs: ['durable', 'another', 'one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'held' }),
          spec({ id: 'ready', unique: unique('work:k') }),
          spec({ id: 'later', delayMs: 3_600_000 }),
          spec({ id: 'blocked', after: [{ id: 'later', when: 'succeeded' }] }),
        )
        const held = await context.claim({}, 'held')
        await context.broker.write([{ ...held, kind: 'step', name: 'one', value: json(1) }])
        await context.broker.pause('other', true)
        const ids = ['held', 'ready', 'later', 'blocked']
        const before = await context.broker.get(ids)
        await context.broker.close()
        const again = await context.another()
        assert.deepEqual(await again.get(ids), before)
        assert.equal((await again.queues()).find(({ queue }) => queue === 'other')?.paused, true)
        assert.deepEqual(
          (await again.steps('held')).map(({ name }) => name),
          ['one'],
        )
        const [duplicate] = await again.enqueue([[spec({ id: 'x', unique: unique('work:k') })]])
        assert.deepEqual(duplicate, { ok: true, jobs: [{ status: 'duplicate', id: 'ready', by: 'unique' }] })
        assert.deepEqual((await again.settle({ outcomes: [released(held)] })).answers, ['ok'])
      },
    },
    {
      name: 'the jobs of a producer that is killed are there',
      needs: ['durable', 'process'],
      async run(context) {
        const producer = await context.process()
        const group = specs(50, 'orphan')
        const answers = await producer.call('enqueue', [group])
        await producer.kill()
        assert.equal(answers[0]?.ok, true)
        assert.equal((await context.drain()).length, 50)
      },
    },
    {
      name: 'of a producer killed amid its calls, what was answered is there, and the rest is whole or not at all',
      needs: ['durable', 'process'],
      async run(context) {
        const producer = await context.process()
        const accepted = new Set<number>()
        const calls = Array.from({ length: 200 }, (_, group) =>
          producer.call('enqueue', [specs(5, `g${group}`)]).then(
            () => accepted.add(group),
            () => undefined,
          ),
        )
        await context.until('some calls are answered', () => accepted.size >= 20)
        await producer.kill()
        await Promise.all(calls)
        for (let group = 0; group < 200; group += 1) {
          const there = await storedOf(context.broker, `g${group}`)
          if (accepted.has(group)) assert.equal(there, 5, `accepted group ${group} has ${there} of 5 jobs`)
          else assert([0, 5].includes(there), `group ${group} was stored by half: ${there} of 5 jobs`)
        }
      },
    },
    {
      name: 'counts tell what is there, state by state',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(5, 'job'), spec({ id: 'later', delayMs: 60_000 }))
        await context.settled(succeeded(await context.claim()))
        await context.settled(failed(await context.claim()))
        await context.claim()
        await context.broker.cancel({ ids: ['job-3'] })
        await context.enqueue(spec({ id: 'blocked', task: TASK, after: [{ id: 'later', when: 'ended' }] }))
        const info = (await context.broker.queues()).find(({ queue }) => queue === QUEUE)
        const each = { blocked: 1, scheduled: 1, ready: 1, active: 1, succeeded: 1, failed: 1, cancelled: 1 }
        assert.deepEqual(info?.counts, each)
      },
    },
  ],
}

async function storedOf(broker: Broker, prefix: string): Promise<number> {
  const ids = specs(5, prefix).map(({ id }) => id)
  return (await broker.get(ids)).filter((record) => record !== undefined).length
}
