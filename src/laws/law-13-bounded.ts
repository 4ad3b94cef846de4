// Law 13. Bounded: no call grows with the backlog, shown by query plans and command counts, and by answers that say
// that there is more instead of growing.
import assert from 'node:assert/strict'
import type { LawContext } from './context.ts'
import { QUEUE, retry, spec, specs, succeeded } from './factories.ts'
import type { Law } from './law.ts'

const BACKLOG = 20_000
const STEP = 500

export const bounded: Law = {
  number: 13,
  name: 'bounded',
  cases: [
    {
      name: 'no statement on the way of a job reads a table from end to end',
      needs: ['scans'],
      async run(context) {
        await context.enqueue(...specs(50, 'job'))
        await context.drain()
        assert.deepEqual(await context.harness.scans?.(context.broker), [])
      },
    },
    {
      name: 'a job costs as many commands with 20,000 waiting as with twenty',
      needs: ['commands'],
      async run(context) {
        const count = async (act: () => Promise<unknown>): Promise<number> => {
          const before = (await context.harness.commands?.(context.broker)) ?? 0
          await act()
          return ((await context.harness.commands?.(context.broker)) ?? 0) - before
        }
        const costs = async (round: string): Promise<{ [call: string]: number }> => {
          const enqueue = await count(() => context.enqueue(...specs(10, round)))
          const one = await count(() => context.claim())
          const ten = await count(() => context.reserve({ max: 10 }))
          const maintain = await count(() => context.broker.maintain())
          return { enqueue, one, ten, maintain }
        }
        await backlog(context, 20)
        const small = await costs('small')
        await backlog(context, BACKLOG)
        const large = await costs('large')
        context.report(
          `commands with 20 waiting ${JSON.stringify(small)}, with ${BACKLOG} ${JSON.stringify(large)}`,
        )
        for (const [call, commands] of Object.entries(large)) {
          assert(
            commands <= (small[call] ?? 0) + 3,
            `${call}: ${commands} commands, ${small[call]} with few waiting`,
          )
        }
      },
    },
    {
      name: 'with a full house, each answer is as small as with few jobs',
      needs: ['one-shard'],
      async run(context) {
        await backlog(context, BACKLOG)
        const { jobs } = await context.reserve({ max: 10 })
        assert.deepEqual(
          jobs.map(({ id }) => id),
          specs(10, `wait-${BACKLOG}-0`).map(({ id }) => id),
        )
        const settled = await context.broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
        assert(settled.answers.every((answer) => answer === 'ok'))
        assert.equal((await context.broker.maintain()).more, false)
        assert.equal((await context.broker.list({ states: ['ready'] })).jobs.length, 50)
        const counts = (await context.broker.queues()).find(({ queue }) => queue === QUEUE)?.counts
        assert.deepEqual([counts?.ready, counts?.succeeded], [BACKLOG - 10, 10])
      },
    },
    {
      name: 'upkeep moves at most 500 jobs of a kind at once, and says that there is more',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(600, 'expires', { expiresInMs: 10, delayMs: 3_600_000 }))
        await context.enqueue(...specs(600, 'due', { delayMs: 10, queue: 'due' }))
        const retention = { succeededMs: 10, failedMs: 10, cancelledMs: 10 }
        await context.enqueue(...specs(600, 'done', { retention, queue: 'done' }))
        await context.drain({ queues: ['done'] })
        await context.elapse(20)
        const first = await context.broker.maintain()
        for (const part of ['expired', 'promoted', 'pruned', 'reclaimed', 'spread'] as const)
          assert(first[part] <= STEP, `${part}: ${first[part]} in one call`)
        assert.equal(first.more, true)
        const rest = await context.upkeep()
        assert.equal(first.expired + rest.expired, 600)
        assert.equal(first.pruned + rest.pruned, 600)
        assert.equal((await context.drain({ queues: ['due'] })).length, 600)
      },
    },
    {
      name: 'reserve answers no more than was asked for',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(30, 'job'), ...specs(30, 'due', { runAt: 1 }))
        await context.enqueue(...specs(30, 'other', { queue: 'other', partition: 'p' }))
        assert.deepEqual(await context.claimIds({ max: 0 }), [])
        assert.equal((await context.claimIds({ max: 7, queues: [QUEUE, 'other'] })).length, 7)
        assert.equal((await context.claimIds({ max: 80, queues: [QUEUE, 'other'] })).length, 80)
        assert.equal((await context.claimIds({ max: 80, queues: [QUEUE, 'other'] })).length, 3)
        assert.deepEqual(await context.claimIds({ max: 80, queues: [] }), [])
      },
    },
    {
      name: 'a selection by query changes no more than its limit, and at most 500 without one',
      async run(context) {
        await context.enqueue(...specs(700, 'job'))
        const query = { states: ['ready'] } as const
        const first = await context.broker.cancel({ query, limit: 20 })
        assert.deepEqual([first.done.length, first.more], [20, true])
        const second = await context.broker.cancel({ query })
        assert.deepEqual([second.done.length, second.more], [STEP, true])
        const third = await context.broker.remove({ query })
        assert.deepEqual([third.done.length, third.more], [180, false])
        assert.equal((await context.broker.list({ states: ['cancelled'], limit: 1000 })).jobs.length, 520)
      },
    },
    {
      name: 'a list has at most as many rows as asked for, and a page that finds little ends all the same',
      async run(context) {
        await context.enqueue(...specs(400, 'job'), spec({ id: 'rare', tags: ['rare'] }))
        assert.equal((await context.broker.list({})).jobs.length, 50)
        assert.equal((await context.broker.list({ limit: 7 })).jobs.length, 7)
        const found: string[] = []
        let cursor: string | undefined
        let pages = 0
        do {
          const page = await context.broker.list({ tag: 'rare', limit: 5, order: 'oldest', cursor })
          found.push(...page.jobs.map(({ id }) => id))
          cursor = page.cursor
          pages += 1
          assert(pages < 100, 'the cursor does not come to an end')
        } while (cursor !== undefined)
        assert.deepEqual(found, ['rare'])
      },
    },
    {
      name: 'the log of a job keeps its last thousand lines',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const { id, token } = await context.claim()
        for (let batch = 0; batch < 6; batch += 1) {
          const notes = Array.from(
            { length: 200 },
            (_, line) => ({ id, token, kind: 'log', level: 'info', text: `${batch * 200 + line}` }) as const,
          )
          await context.broker.write(notes)
        }
        const lines = await context.broker.logs(id)
        assert.deepEqual([lines.length, lines[0]?.text, lines.at(-1)?.text], [1_000, '200', '1199'])
        const seqs = lines.map(({ seq }) => seq)
        assert.deepEqual(
          seqs,
          [...new Set(seqs)].sort((one, other) => one - other),
        )
        const tail = await context.broker.logs(id, seqs[989])
        assert.deepEqual(
          tail.map(({ text }) => text),
          lines.slice(990).map(({ text }) => text),
        )
        assert.deepEqual(await context.broker.logs(id, seqs.at(-1)), [])
      },
    },
    {
      name: 'a job keeps its last ten attempts',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        for (let attempt = 0; attempt < 14; attempt += 1) {
          await context.settled(retry(await context.claim({ worker: `worker-${attempt}` })))
          await context.elapse(2)
        }
        const { attempts, failures } = await context.job('job')
        assert.deepEqual(
          attempts.map(({ worker }) => worker),
          Array.from({ length: 10 }, (_, at) => `worker-${at + 4}`),
        )
        assert.equal(failures, 14)
      },
    },
  ],
}

async function backlog(context: LawContext, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1_000) {
    const chunk = specs(Math.min(1_000, count - at), `wait-${count}-${at}`)
    const [answer] = await context.broker.enqueue([chunk])
    assert.equal(answer?.ok, true)
  }
}
