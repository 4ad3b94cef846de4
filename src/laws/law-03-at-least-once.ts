// Law 3. At least once: a job whose holder died, froze or was cut off is ready again, in its old place in line, within
// the lease plus one second of the broker being up. Claim and lease are one atomic record, so no job is active with
// nobody holding it. After an outage of the broker itself, leases are first extended by the gap (at most one lease),
// and no crash is counted.
import assert from 'node:assert/strict'
import type { Broker } from '../broker/contract.ts'
import type { LawContext } from './context.ts'
import { LONG_LEASE_MS, request, SHORT_LEASE_MS, spec, specs, succeeded } from './factories.ts'
import type { Law } from './law.ts'
import { StallProbe } from './time.ts'

export const atLeastOnce: Law = {
  number: 3,
  name: 'at least once',
  cases: [
    {
      name: 'the jobs of a dead worker are ready within the lease plus one second, and not before its end',
      async run(context) {
        await context.enqueue(...specs(8, 'job'))
        const { jobs, now } = await context.reserve({ max: 8, leaseMs: SHORT_LEASE_MS, worker: 'dead' })
        assert.equal(jobs.length, 8)
        await backInTime(context, jobs.length, now + SHORT_LEASE_MS)
      },
    },
    {
      name: 'the jobs of a killed process are ready within the lease plus one second',
      needs: ['process'],
      async run(context) {
        await context.enqueue(...specs(8, 'job'))
        const worker = await context.process()
        const claim = request({ max: 8, leaseMs: 500, worker: 'killed', starting: 4 })
        const { jobs, now } = await worker.call('reserve', claim)
        assert.equal(jobs.length, 8)
        await worker.kill()
        await backInTime(context, jobs.length, now + 500)
      },
    },
    {
      name: 'a claim whose reply was lost comes back',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        await context.reserve({ leaseMs: SHORT_LEASE_MS, starting: 0 })
        assert.deepEqual(await context.claimIds(), [])
        await context.loseLease(SHORT_LEASE_MS)
        const job = await context.claim({}, 'job')
        assert.deepEqual([job.failures, job.crashes, job.suspect], [0, 0, false])
      },
    },
    {
      name: 'a lease that is extended in time is never taken back',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(spec({ id: 'kept' }), spec({ id: 'lost' }))
        const leaseMs = 400
        const { jobs } = await context.reserve({ max: 2, leaseMs })
        const [kept] = jobs
        assert(kept !== undefined)
        const held = { id: kept.id, token: kept.token, started: true }
        // The first extension is long, so that a slow machine does not lose the lease between two looks.
        assert.deepEqual(await context.broker.extend([held], LONG_LEASE_MS), ['ok'])
        await context.loseLease(leaseMs)
        await context.expect('active', 'kept')
        await context.expect('ready', 'lost')
        await context.settled(succeeded(kept))
      },
    },
    {
      name: 'what came back stands in its old place',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(5, 'job'))
        await context.reserve({ max: 3, leaseMs: SHORT_LEASE_MS, starting: 0 })
        await context.enqueue(spec({ id: 'job-5' }))
        await context.loseLease(SHORT_LEASE_MS)
        assert.deepEqual(
          await context.claimIds({ max: 10 }),
          specs(6, 'job').map(({ id }) => id),
        )
      },
    },
    {
      name: 'what came back had no attempt burnt, and says who lost it',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const { token } = await context.claim({ leaseMs: SHORT_LEASE_MS, worker: 'dead' })
        await context.loseLease(SHORT_LEASE_MS)
        const record = await context.job('job')
        assert.deepEqual([record.state, record.failures, record.crashes], ['ready', 0, 0])
        assert.equal(record.lease, undefined)
        const [attempt] = record.attempts
        assert.deepEqual([attempt?.worker, attempt?.token, attempt?.outcome], ['dead', token, 'crashed'])
      },
    },
    {
      name: 'many maintainers at once take each job back once',
      async run(context) {
        await context.enqueue(...specs(60, 'job'))
        await context.reserve({ max: 60, leaseMs: SHORT_LEASE_MS })
        await context.elapse(SHORT_LEASE_MS + 1)
        const peers = await context.peers(3)
        const sums = await Promise.all(peers.map((broker) => context.upkeep(broker)))
        assert.equal(
          sums.reduce((sum, { reclaimed }) => sum + reclaimed, 0),
          60,
        )
        for (const record of await context.broker.get(specs(60, 'job').map(({ id }) => id))) {
          assert.deepEqual([record?.state, record?.suspect, record?.crashes], ['ready', true, 0])
          assert.equal(record?.attempts.length, 1)
        }
      },
    },
    {
      name: 'a whole fleet lost at once comes back in bounded steps, nothing forgotten',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(700, 'job'))
        const { jobs } = await context.reserve({ max: 700, leaseMs: SHORT_LEASE_MS, starting: 0 })
        assert.equal(jobs.length, 700)
        await context.elapse(SHORT_LEASE_MS + 1)
        const first = await context.broker.maintain()
        assert(first.reclaimed > 0 && first.reclaimed <= 500, `${first.reclaimed} taken back in one call`)
        assert.equal(first.more, true)
        assert.equal(first.reclaimed + (await context.upkeep()).reclaimed, 700)
        assert.equal((await context.drain()).length, 700)
      },
    },
    {
      name: 'maintain says when to come again for a lease',
      async run(context) {
        await context.enqueue(spec())
        await context.claim({ leaseMs: 5_000 })
        const { nextDueInMs, more } = await context.broker.maintain()
        assert.equal(more, false)
        assert(nextDueInMs !== undefined && nextDueInMs > 0 && nextDueInMs <= 5_000, `${nextDueInMs}`)
      },
    },
    {
      name: 'no job is ever active with nobody holding it',
      async run(context) {
        await context.enqueue(...specs(40, 'job'))
        const looks: Promise<void>[] = []
        const look = async (broker: Broker): Promise<void> => {
          for (const job of (await broker.list({ limit: 100 })).jobs)
            assert.equal(job.state === 'active', job.lease !== undefined, `${job.id} is ${job.state}`)
        }
        for (let round = 0; round < 10; round += 1) {
          looks.push(look(context.broker))
          const { jobs } = await context.reserve({ max: 4 })
          looks.push(look(context.broker))
          await context.broker.settle({ outcomes: jobs.slice(0, 2).map((job) => succeeded(job)) })
        }
        await Promise.all(looks)
      },
    },
    {
      name: 'an outage of the broker itself takes no lease and counts no crash',
      needs: ['outage'],
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const job = await context.claim({ leaseMs: 2_000 })
        await context.harness.outage?.(context.broker, 3_000)
        await context.upkeep()
        const { state, crashes, suspect } = await context.job('job')
        assert.deepEqual([state, crashes, suspect], ['active', 0, false])
        await context.settled(succeeded(job))
      },
    },
  ],
}

/** Works as the other workers do, upkeep and claims in turn, and checks when the lost jobs come back. */
async function backInTime(context: LawContext, count: number, leaseEnd: number): Promise<void> {
  const probe = new StallProbe()
  let claimed = 0
  let lastAt = 0
  await context.until('the jobs of the dead worker are back', async () => {
    await context.upkeep()
    const { jobs, now } = await context.reserve({ max: count, worker: 'heir' })
    if (jobs.length > 0) {
      assert(now >= leaseEnd, `taken back ${leaseEnd - now} ms before the end of the lease`)
      lastAt = now
      claimed += jobs.length
      await context.broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
    }
    return claimed === count
  })
  const stallMs = probe.stop()
  context.report(`all ${count} jobs back ${lastAt - leaseEnd} ms after the lease; stall ${stallMs} ms`)
  assert(lastAt - leaseEnd <= 1_000 + stallMs, `back only ${lastAt - leaseEnd} ms after the lease`)
}
