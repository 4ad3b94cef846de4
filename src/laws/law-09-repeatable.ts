// Law 9. Repeatable: enqueue with the same id, and settle with the same token, may be repeated without harm (a reply
// lost on the wire). So may every other call of the contract.
import assert from 'node:assert/strict'
import type { Schedule } from '../broker/contract.ts'
import {
  cancelled,
  everyOutcome,
  failed,
  QUEUE,
  released,
  retry,
  snoozed,
  spec,
  specs,
  succeeded,
  TASK,
  unknown,
} from './factories.ts'
import type { Law } from './law.ts'

export const repeatable: Law = {
  number: 9,
  name: 'repeatable',
  cases: [
    {
      name: 'an enqueue that is repeated says which jobs were there, and changes none',
      async run(context) {
        const group = specs(3, 'job', { delayMs: 3_600_000 })
        await context.enqueue(...group)
        const ids = group.map(({ id }) => id)
        const before = await context.broker.get(ids)
        const [again] = await context.broker.enqueue([
          group.map((job) => ({ ...job, priority: 9, delayMs: 0 })),
        ])
        const jobs = ids.map((id) => ({ status: 'duplicate', id, by: 'id' }))
        assert.deepEqual(again, { ok: true, jobs })
        assert.deepEqual(await context.broker.get(ids), before)
      },
    },
    {
      name: 'an enqueue that is repeated by half of a group adds the rest',
      async run(context) {
        await context.enqueue(spec({ id: 'job-1' }))
        const [answer] = await context.broker.enqueue([specs(3, 'job')])
        assert(answer?.ok)
        assert.deepEqual(
          answer.jobs.map(({ status }) => status),
          ['enqueued', 'duplicate', 'enqueued'],
        )
        assert.equal((await context.drain()).length, 3)
      },
    },
    {
      name: 'an id is a duplicate in any state while its record is kept',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const duplicate = { ok: true, jobs: [{ status: 'duplicate', id: 'job', by: 'id' }] }
        const again = async (): Promise<void> =>
          assert.deepEqual((await context.broker.enqueue([[spec({ id: 'job' })]]))[0], duplicate)
        await again()
        const job = await context.claim()
        await again()
        await context.settled(succeeded(job))
        await again()
        assert.deepEqual(await context.claimIds(), [])
        await context.broker.remove({ ids: ['job'] })
        await context.enqueue(spec({ id: 'job' }))
      },
    },
    {
      name: 'an id that another task has is refused, in any state',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const other = async (): Promise<void> => {
          const [answer] = await context.broker.enqueue([[spec({ id: 'job', task: 'other' })]])
          assert(answer !== undefined && !answer.ok)
          assert.deepEqual([answer.code, answer.id], ['ID_TAKEN', 'job'])
        }
        await other()
        await context.settled(succeeded(await context.claim()))
        await other()
        assert.equal((await context.job('job')).task, TASK)
      },
    },
    {
      name: 'the same enqueue many times at once stores one job',
      async run(context) {
        const peers = await context.peers(3)
        const calls = Array.from({ length: 30 }, (_, call) => peers[call % 3]?.enqueue([specs(2, 'job')]))
        const answers = (await Promise.all(calls)).flatMap((answer) => answer ?? [])
        const stored = answers.flatMap((answer) => (answer.ok ? answer.jobs : []))
        assert.equal(stored.length, 60)
        assert.equal(stored.filter(({ status }) => status === 'enqueued').length, 2)
        assert.equal((await context.drain()).length, 2)
      },
    },
    {
      name: 'a job twice in one group, and over the groups of one call, is stored once',
      async run(context) {
        const job = spec({ id: 'job' })
        const answers = await context.broker.enqueue([[job, job], [job]])
        const statuses = answers.map((answer) => (answer.ok ? answer.jobs.map(({ status }) => status) : []))
        assert.deepEqual(statuses, [['enqueued', 'duplicate'], ['duplicate']])
        assert.equal((await context.drain()).length, 1)
      },
    },
    {
      name: 'each kind of settle, repeated, answers ok again and changes nothing',
      async run(context) {
        await context.enqueue(...specs(7, 'job'))
        const { jobs } = await context.reserve({ max: 7 })
        for (const [index, job] of jobs.entries()) {
          const outcome = everyOutcome(job)[index]
          assert(outcome !== undefined)
          await context.settled(outcome)
          const before = await context.job(job.id)
          assert.equal(await context.settle(outcome), 'ok', `${outcome.kind} again`)
          const twice = await context.broker.settle({ outcomes: [outcome, outcome] })
          assert.deepEqual(twice.answers, ['ok', 'ok'], `${outcome.kind} twice more`)
          assert.deepEqual(await context.job(job.id), before, `${outcome.kind} again changed the job`)
        }
      },
    },
    {
      name: 'a settle repeated inside one call counts once',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const job = await context.claim()
        const { answers } = await context.broker.settle({ outcomes: [retry(job), retry(job)] })
        assert.deepEqual(answers, ['ok', 'ok'])
        assert.equal((await context.job('job')).failures, 1)
      },
    },
    {
      name: 'a settle repeated after the next claim leaves that claim alone',
      async run(context) {
        for (const outcome of [retry, released, snoozed, unknown]) {
          const id = `job-${outcome.name}`
          await context.enqueue(spec({ id }))
          const first = await context.claim({}, id)
          await context.settled(outcome(first))
          await context.elapse(2)
          const second = await context.claim({}, id)
          const before = await context.job(id)
          await context.settle(outcome(first))
          assert.deepEqual(await context.job(id), before, outcome.name)
          await context.settled(succeeded(second))
        }
      },
    },
    {
      name: 'counters and counts take no repetition for more work',
      async run(context) {
        await context.enqueue(...specs(4, 'job'))
        const { jobs } = await context.reserve({ max: 4 })
        const [a, b, c, d] = jobs
        assert(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
        const outcomes = [succeeded(a), failed(b), retry(c, 60_000), cancelled(d)]
        for (let round = 0; round < 3; round += 1) {
          await context.broker.enqueue([specs(4, 'job')])
          await context.broker.settle({ outcomes })
        }
        const now = await context.now()
        const rows = await context.broker.counters(now - 3_600_000, now + 60_000)
        const sum = (
          field: 'enqueued' | 'succeeded' | 'failed' | 'retried' | 'cancelled' | 'ranMs',
        ): number => rows.reduce((total, row) => total + row[field], 0)
        assert.deepEqual([sum('enqueued'), sum('succeeded'), sum('failed')], [4, 1, 1])
        assert.deepEqual([sum('retried'), sum('cancelled'), sum('ranMs')], [1, 1, 4])
      },
    },
    {
      name: 'what steers jobs may be repeated',
      needs: ['one-shard'],
      async run(context) {
        const { broker } = context
        await context.enqueue(
          spec({ id: 'job' }),
          spec({ id: 'run' }),
          spec({ id: 'later', delayMs: 60_000 }),
        )
        await context.enqueue(spec({ id: 'run-2', priority: 9 }))
        await context.claim({}, 'run-2')
        for (let round = 0; round < 2; round += 1) {
          assert.deepEqual((await broker.cancel({ ids: ['run-2'] })).done, ['run-2'])
          await broker.pause(QUEUE, true)
          assert.deepEqual(await context.claimIds({ max: 9 }), [])
        }
        for (let round = 0; round < 2; round += 1) await broker.pause(QUEUE, false)
        const firsts = [
          await broker.cancel({ ids: ['job'] }),
          await broker.cancel({ ids: ['job'] }),
          await broker.retry({ ids: ['job'] }),
          await broker.retry({ ids: ['job'] }),
          await broker.promote({ ids: ['later'] }),
          await broker.promote({ ids: ['later'] }),
          await broker.remove({ ids: ['later'] }),
          await broker.remove({ ids: ['later'] }),
        ]
        assert.deepEqual(
          firsts.map(({ done }) => done.length),
          [1, 0, 1, 0, 1, 0, 1, 0],
        )
        assert.deepEqual((await context.drain()).sort(), ['job', 'run'])
      },
    },
    {
      name: 'a tick of a schedule fires once, whoever fires it, and however often',
      async run(context) {
        const tick = await context.now()
        await context.broker.putSchedule(schedule(tick))
        const peers = await context.peers(3)
        const fire = { schedule: 'nightly', tick, nextAt: tick + 1_000, job: spec({ id: `nightly-${tick}` }) }
        const calls = Array.from({ length: 12 }, (_, call) => peers[call % 3]?.fire(fire))
        const answers = await Promise.all(calls)
        assert.equal(answers.filter((fired) => fired === true).length, 1)
        assert.equal((await context.drain()).length, 1)
        const [after] = await context.broker.schedules()
        assert.deepEqual([after?.nextAt, after?.lastAt], [tick + 1_000, tick])
        assert.equal(await context.broker.fire({ ...fire, schedule: 'nobody' }), false)
      },
    },
    {
      name: 'a paused schedule does not fire; one put again with the same rule keeps its next time',
      async run(context) {
        const tick = await context.now()
        const { broker } = context
        await broker.putSchedule(schedule(tick))
        await broker.putSchedule({ ...schedule(tick + 500), paused: true })
        const [put] = await broker.schedules()
        assert.deepEqual([put?.nextAt, put?.paused], [tick, true])
        const fire = { schedule: 'nightly', tick, nextAt: tick + 1_000, job: spec() }
        assert.equal(await broker.fire(fire), false)
        await broker.putSchedule({ ...schedule(tick + 700), rule: { every: 7 } })
        assert.equal((await broker.schedules())[0]?.nextAt, tick + 700)
        assert.equal(await broker.fire(fire), false)
        assert.equal(await broker.fire({ ...fire, tick: tick + 700, nextAt: tick + 1_400 }), true)
        assert.deepEqual(
          [await broker.removeSchedule('nightly'), await broker.removeSchedule('nightly')],
          [true, false],
        )
        assert.deepEqual(await broker.schedules(), [])
      },
    },
    {
      name: 'a step of a name that is there is kept, also over a retry',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const write = async (token: number, text: string): Promise<void> => {
          const note = {
            id: 'job',
            token,
            kind: 'step',
            name: 'pay',
            value: spec({ id: text }).input,
          } as const
          assert.deepEqual(await context.broker.write([note]), ['ok'])
        }
        const first = await context.claim()
        await write(first.token, 'one')
        const before = await context.broker.steps('job')
        await write(first.token, 'two')
        await context.settled(retry(first))
        await context.elapse(2)
        await write((await context.claim()).token, 'three')
        assert.deepEqual(await context.broker.steps('job'), before)
        assert.deepEqual(
          before.map(({ name }) => name),
          ['pay'],
        )
      },
    },
  ],
}

function schedule(nextAt: number): Schedule {
  const { id: _, ...job } = spec()
  return { id: 'nightly', rule: { cron: '0 3 * * *', timeZone: 'Europe/London' }, job, nextAt, paused: false }
}
