// Law 4. Bounded crashes: a job that kills its worker again and again ends as a dead letter (default 3 counted
// crashes), and no neighbour suffers. A job that had started when its holder was lost is suspect; a process holds at
// most one suspect at a time, with its start recorded first; only a suspect's death raises its count.
import assert from 'node:assert/strict'
import type { LeaseRef } from '../broker/message.ts'
import type { LawContext } from './context.ts'
import {
  failed,
  json,
  LONG_LEASE_MS,
  released,
  retry,
  SHORT_LEASE_MS,
  spec,
  specs,
  succeeded,
  unique,
} from './factories.ts'
import type { Law } from './law.ts'

export const boundedCrashes: Law = {
  number: 4,
  name: 'bounded crashes',
  cases: [
    {
      name: 'a job that kills every worker is a dead letter after its counted crashes, with its payload',
      async run(context) {
        await context.enqueue(spec({ id: 'killer', maxCrashes: 3, input: json({ bomb: true }) }))
        const seen: (string | number | boolean | undefined)[][] = []
        for (let death = 0; death < 4; death += 1) {
          await die(context)
          const { state, crashes, suspect } = await context.job('killer')
          seen.push([state, crashes, suspect])
        }
        assert.deepEqual(seen.slice(0, 3), [
          ['ready', 0, true],
          ['ready', 1, true],
          ['ready', 2, true],
        ])
        const dead = await context.job('killer')
        assert.deepEqual([dead.state, dead.reason, dead.crashes], ['failed', 'crashes-exhausted', 3])
        assert.deepEqual(dead.input, json({ bomb: true }))
        assert.deepEqual(
          dead.attempts.map(({ outcome }) => outcome),
          Array(4).fill('crashed'),
        )
        assert(dead.error !== undefined && dead.endedAt !== undefined)
        assert.deepEqual(await context.claimIds(), [])
      },
    },
    {
      name: 'one counted crash is enough where the job says so',
      async run(context) {
        await context.enqueue(spec({ id: 'killer', maxCrashes: 1 }))
        await die(context)
        await context.expect('ready', 'killer')
        await die(context)
        await context.expect('failed', 'killer', 'crashes-exhausted')
      },
    },
    {
      name: 'neighbours that had not started are no suspects and lose nothing',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(20, 'job'))
        await context.reserve({ max: 20, starting: 1, leaseMs: SHORT_LEASE_MS })
        await context.loseLease(SHORT_LEASE_MS)
        const records = await context.broker.get(specs(20, 'job').map(({ id }) => id))
        for (const [index, record] of records.entries()) {
          assert.deepEqual([record?.state, record?.suspect], ['ready', index === 0])
          assert.deepEqual([record?.crashes, record?.failures], [0, 0])
        }
      },
    },
    {
      name: 'a killer among hundreds of neighbours ends alone',
      needs: ['one-shard'],
      async run(context) {
        const ids = specs(100, 'job').map(({ id }) => id)
        await context.enqueue(...specs(100, 'job'))
        for (let death = 0; death < 4; death += 1) {
          // A worker that dies by job-0 and had started the next two as well.
          const { jobs } = await context.reserve({
            max: 100,
            starting: 3,
            suspects: death === 0 ? 0 : 1,
            leaseMs: SHORT_LEASE_MS,
          })
          await recordStarts(
            context,
            jobs.filter(({ suspect }) => suspect),
          )
          await context.loseLease(SHORT_LEASE_MS)
        }
        await context.expect('failed', 'job-0', 'crashes-exhausted')
        const done = new Set<string>()
        for (let round = 0; round < 20 && done.size < 99; round += 1) {
          for (const id of await context.drain({ max: 50 })) done.add(id)
        }
        assert.equal(done.size, 99)
        await context.expect('succeeded', ids.slice(1))
      },
    },
    {
      name: 'at most one suspect is handed out at a time, and none where none is asked for',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(4, 'suspect'))
        await context.reserve({ max: 4, leaseMs: SHORT_LEASE_MS })
        await context.loseLease(SHORT_LEASE_MS)
        await context.enqueue(...specs(3, 'good'))
        const none = await context.reserve({ max: 2, suspects: 0 })
        assert.deepEqual(
          none.jobs.map(({ id, suspect }) => [id, suspect]),
          [
            ['good-0', false],
            ['good-1', false],
          ],
        )
        const one = await context.reserve({ max: 10, suspects: 1 })
        assert.deepEqual(one.jobs.map(({ id, suspect }) => [id, suspect]).sort(), [
          ['good-2', false],
          ['suspect-0', true],
        ])
        assert.deepEqual(await context.claimIds({ max: 10, suspects: 0 }), [])
        assert.deepEqual(await context.claimIds({ max: 10, suspects: 1 }), ['suspect-1'])
      },
    },
    {
      name: 'a suspect counts as started once its worker says so, and not by its claim: until then its death is not its own',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        await die(context)
        const first = await context.claim({ starting: 1, leaseMs: SHORT_LEASE_MS })
        assert.equal(first.suspect, true)
        assert.equal((await context.job('job')).lease?.started, false)
        await context.loseLease(SHORT_LEASE_MS)
        const { suspect, crashes, state } = await context.job('job')
        assert.deepEqual([suspect, crashes, state], [true, 0, 'ready'])
        const second = await context.claim({ starting: 1, leaseMs: SHORT_LEASE_MS })
        await recordStarts(context, [second])
        assert.equal((await context.job('job')).lease?.started, true)
        await context.loseLease(SHORT_LEASE_MS)
        assert.equal((await context.job('job')).crashes, 1)
      },
    },
    {
      name: 'a start that extend or settle tells makes a suspect',
      async run(context) {
        await context.enqueue(...specs(3, 'job'))
        const { jobs } = await context.reserve({ max: 3, starting: 0, leaseMs: SHORT_LEASE_MS })
        const [a, b] = jobs
        assert(a !== undefined && b !== undefined)
        await context.broker.extend([{ id: a.id, token: a.token, started: true }], SHORT_LEASE_MS)
        await context.broker.extend([{ id: a.id, token: a.token, started: false }], SHORT_LEASE_MS)
        await context.broker.settle({ outcomes: [], started: [{ id: b.id, token: b.token }] })
        const started = (await context.broker.get(jobs.map(({ id }) => id))).map((job) => job?.lease?.started)
        assert.deepEqual(started, [true, true, false])
        await context.loseLease(SHORT_LEASE_MS)
        const suspects = (await context.broker.get(jobs.map(({ id }) => id))).map((job) => job?.suspect)
        assert.deepEqual(suspects, [true, true, false])
      },
    },
    {
      name: 'a start told with an old token is ignored',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const old = await context.claim({ starting: 0, leaseMs: SHORT_LEASE_MS })
        await context.loseLease(SHORT_LEASE_MS)
        await context.claim({ starting: 0, leaseMs: SHORT_LEASE_MS })
        await context.broker.settle({ outcomes: [], started: [{ id: old.id, token: old.token }] })
        assert.equal((await context.job('job')).lease?.started, false)
        await context.loseLease(SHORT_LEASE_MS)
        assert.equal((await context.job('job')).suspect, false)
      },
    },
    {
      name: 'a suspect that succeeds is done, and one that fails like any other is tried again',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'good' }), spec({ id: 'bad' }))
        await context.reserve({ max: 2, leaseMs: SHORT_LEASE_MS })
        await context.loseLease(SHORT_LEASE_MS)
        await context.settled(succeeded(await context.claim({}, 'good')))
        await context.settled(retry(await context.claim({}, 'bad')))
        const again = await context.claim({ suspects: 0 }, 'bad')
        assert.deepEqual([again.suspect, again.failures, again.crashes], [false, 1, 0])
        await context.settled(succeeded(again))
        await context.expect('succeeded', ['good', 'bad'])
      },
    },
    {
      name: 'what a worker gives back is no suspect, also when it had started',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const job = await context.claim()
        await context.broker.extend([{ id: job.id, token: job.token, started: true }], LONG_LEASE_MS)
        await context.settled(released(job))
        const { suspect, crashes, failures } = await context.job('job')
        assert.deepEqual([suspect, crashes, failures], [false, 0, 0])
        await context.claim({ suspects: 0 }, 'job')
      },
    },
    {
      name: 'a dead letter by crashes frees its unique key and ends what waited for it',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'killer', maxCrashes: 1, unique: unique('k') }),
          spec({ id: 'child', after: [{ id: 'killer', when: 'succeeded' }] }),
          spec({ id: 'cleanup', after: [{ id: 'killer', when: 'ended' }] }),
        )
        await die(context)
        await die(context)
        await context.upkeep()
        await context.expect('failed', 'killer', 'crashes-exhausted')
        await context.expect('cancelled', 'child', 'dependency')
        await context.expect('ready', 'cleanup')
        await context.enqueue(spec({ id: 'next', unique: unique('k') }))
      },
    },
    {
      name: 'a job that was being cancelled when its worker died is cancelled, not tried again',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        await context.claim({ leaseMs: SHORT_LEASE_MS })
        await context.broker.cancel({ ids: ['job'] })
        await context.loseLease(SHORT_LEASE_MS)
        await context.expect('cancelled', 'job', 'by-request')
      },
    },
    {
      name: 'a person’s retry starts the counts anew',
      async run(context) {
        await context.enqueue(spec({ id: 'killer', maxCrashes: 1 }))
        await die(context)
        await die(context)
        await context.broker.retry({ ids: ['killer'] })
        const { state, crashes, suspect, failures } = await context.job('killer')
        assert.deepEqual([state, crashes, suspect, failures], ['ready', 0, false, 0])
        await die(context)
        assert.equal((await context.job('killer')).crashes, 0)
        await context.settled(failed(await context.claim({}, 'killer')))
      },
    },
  ],
}

/** A worker claims the next job, starts it, and is never heard of again. */
async function die(context: LawContext): Promise<void> {
  const job = await context.claim({ leaseMs: SHORT_LEASE_MS, worker: 'doomed' })
  await recordStarts(context, [job])
  await context.loseLease(SHORT_LEASE_MS)
}

/** What a worker does before it runs a suspect. */
async function recordStarts(context: LawContext, jobs: readonly LeaseRef[]): Promise<void> {
  const answers = await context.broker.extend(
    jobs.map(({ id, token }) => ({ id, token, started: true })),
    SHORT_LEASE_MS,
  )
  assert(answers.every((answer) => answer === 'ok'))
}
