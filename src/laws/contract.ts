// What the contract's calls promise beyond the thirteen laws: asking, watching, signs of life, opening and closing.
import assert from 'node:assert/strict'
import type { Broker, JobEvent, ListRequest } from '../broker/contract.ts'
import { hasCode } from '../errors/error.ts'
import { type JobState, jobStates } from '../job/states.ts'
import type { LawContext } from './context.ts'
import { everyOutcome, failed, json, QUEUE, request, spec, specs, succeeded } from './factories.ts'
import type { Law } from './law.ts'
import { breathe } from './time.ts'

export const contract: Law = {
  number: 0,
  name: 'the contract',
  cases: [
    {
      name: 'get answers each id in its order, and nothing for what is not there',
      async run(context) {
        await context.enqueue(spec({ id: 'a' }), spec({ id: 'b' }))
        const records = await context.broker.get(['b', 'nobody', 'a', 'b'])
        assert.deepEqual(
          records.map((record) => record?.id),
          ['b', undefined, 'a', 'b'],
        )
        assert.deepEqual(await context.broker.get([]), [])
      },
    },
    {
      name: 'a list is in order, and its pages hold each job once, also while jobs come',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(...specs(45, 'job'))
        const ids = specs(45, 'job').map(({ id }) => id)
        assert.deepEqual(await listed(context, { order: 'oldest', limit: 10 }), ids)
        assert.deepEqual(await listed(context, { limit: 10 }), [...ids].reverse())
        const page = await context.broker.list({ limit: 10 })
        await context.enqueue(...specs(5, 'new'))
        const rest = await listed(context, { limit: 10, cursor: page.cursor })
        assert.deepEqual([...page.jobs.map(({ id }) => id), ...rest], [...ids].reverse())
      },
    },
    {
      name: 'a list by each condition, and by several',
      needs: ['one-shard'],
      async run(context) {
        await context.enqueue(
          spec({ id: 'a', task: 'mail', tags: ['x', 'y'], search: { to: 'ada', city: 'Rome' } }),
          spec({ id: 'b', task: 'mail', queue: 'slow', partition: 'p', search: { to: 'bob' } }),
          spec({ id: 'c', workflow: 'w', search: { to: 'ada', city: 'Oslo' } }),
          spec({ id: 'd', delayMs: 60_000 }),
        )
        await context.settled(failed(await context.claim({}, 'a')))
        const expected: [ListRequest, string[]][] = [
          [{}, ['a', 'b', 'c', 'd']],
          [{ states: ['ready'] }, ['b', 'c']],
          [{ states: ['failed', 'scheduled'] }, ['a', 'd']],
          [{ states: ['active'] }, []],
          [{ task: 'mail' }, ['a', 'b']],
          [{ queue: 'slow' }, ['b']],
          [{ queue: QUEUE, partition: 'p' }, []],
          [{ partition: 'p' }, ['b']],
          [{ workflow: 'w' }, ['c']],
          [{ search: { to: 'ada' } }, ['a', 'c']],
          [{ search: { to: 'ada', city: 'Oslo' } }, ['c']],
          [{ search: { nobody: 'ada' } }, []],
          [{ tag: 'y' }, ['a']],
          [{ fingerprint: 'f00d' }, ['a']],
          [{ task: 'mail', states: ['failed'], tag: 'x', search: { city: 'Rome' } }, ['a']],
          [{ task: 'nobody' }, []],
        ]
        for (const [query, ids] of expected) {
          const found = await listed(context, { ...query, order: 'oldest' })
          assert.deepEqual(found, ids, JSON.stringify(query))
        }
      },
    },
    {
      name: 'a list by time: from is in, to is out',
      async run(context) {
        await context.enqueue(spec({ id: 'a' }))
        await context.elapse(10)
        await context.enqueue(spec({ id: 'b' }))
        await context.elapse(10)
        await context.enqueue(spec({ id: 'c' }))
        const at = (await context.job('b')).createdAt
        assert.deepEqual(await listed(context, { createdFrom: at, order: 'oldest' }), ['b', 'c'])
        assert.deepEqual(await listed(context, { createdTo: at }), ['a'])
        assert.deepEqual(await listed(context, { createdFrom: at, createdTo: at + 1 }), ['b'])
      },
    },
    {
      name: 'counts are exact after any work',
      needs: ['one-shard'],
      async run(context) {
        await anyWork(context, 1)
        await anyWork(context, 7)
        const lists = new Map<string, { [state: string]: number }>()
        for (const record of await everything(context.broker)) {
          const counts = lists.get(record.queue) ?? {}
          counts[record.state] = (counts[record.state] ?? 0) + 1
          lists.set(record.queue, counts)
        }
        for (const { queue, counts } of await context.broker.queues()) {
          for (const state of jobStates)
            assert.equal(counts[state], lists.get(queue)?.[state] ?? 0, `${queue} ${state}`)
        }
        assert.equal((await context.broker.queues()).length, 3)
      },
    },
    {
      name: 'a queue is there that has jobs, had jobs, is paused or limited',
      async run(context) {
        await context.broker.pause('paused', true)
        const scope = { kind: 'partition', queue: 'limited' } as const
        await context.broker.limit([{ scope, source: 'set', limit: { rate: { count: 1, perMs: 50 } } }])
        await context.enqueue(spec({ id: 'had', queue: 'had' }))
        await context.broker.remove({ ids: ['had'] })
        const infos = await context.broker.queues()
        assert.deepEqual(infos.map(({ queue }) => queue).sort(), ['had', 'limited', 'paused'])
        const limited = infos.find(({ queue }) => queue === 'limited')
        assert.deepEqual(
          [limited?.limit, limited?.partitionLimit],
          [undefined, { rate: { count: 1, perMs: 50 } }],
        )
        assert.deepEqual(
          infos.filter(({ paused }) => paused).map(({ queue }) => queue),
          ['paused'],
        )
      },
    },
    {
      name: 'counters add up what each queue and task brought',
      needs: ['one-shard'],
      async run(context) {
        const from = (await context.now()) - 60_000
        await context.enqueue(...specs(7, 'job'), ...specs(2, 'mail', { task: 'mail' }))
        const { jobs } = await context.reserve({ max: 7 })
        for (const [index, job] of jobs.entries()) {
          const outcome = everyOutcome(job)[index]
          if (outcome !== undefined) await context.settled(outcome)
        }
        const rows = await context.broker.counters(from, (await context.now()) + 60_000)
        const work = rows.filter(({ task }) => task === 'work')
        const sum = (
          field: 'enqueued' | 'succeeded' | 'retried' | 'failed' | 'cancelled' | 'crashed',
        ): number => work.reduce((total, row) => total + row[field], 0)
        assert.deepEqual(
          [
            sum('enqueued'),
            sum('succeeded'),
            sum('retried'),
            sum('failed'),
            sum('cancelled'),
            sum('crashed'),
          ],
          [7, 1, 1, 1, 1, 0],
        )
        const mail = rows.filter(({ task }) => task === 'mail')
        assert.equal(
          mail.reduce((total, row) => total + row.enqueued, 0),
          2,
        )
        for (const { minuteAt, queue } of rows) assert.deepEqual([minuteAt % 60_000, queue], [0, QUEUE])
        assert.deepEqual(await context.broker.counters(0, 60_000), [])
      },
    },
    {
      name: 'a worker is there while it gives signs of life',
      async run(context) {
        const worker = {
          id: 'w1',
          host: 'host',
          pid: 7,
          queues: [QUEUE],
          tasks: ['work'],
          concurrency: 4,
          active: 1,
          startedAt: 5,
          state: 'running',
        } as const
        const before = await context.now()
        await context.broker.beat(worker, 300)
        await context.broker.beat({ ...worker, id: 'w2' }, 60_000)
        await context.broker.beat({ ...worker, id: 'w2', active: 3, state: 'stopping' }, 60_000)
        const found = await context.broker.workers()
        assert.deepEqual(found.map(({ id, active, state }) => [id, active, state]).sort(), [
          ['w1', 1, 'running'],
          ['w2', 3, 'stopping'],
        ])
        const { seenAt, ...rest } = found.find(({ id }) => id === 'w1') ?? { seenAt: 0 }
        assert.deepEqual(rest, worker)
        assert(seenAt >= before && seenAt <= (await context.now()))
        await context.elapse(310)
        await context.upkeep()
        assert.deepEqual(
          (await context.broker.workers()).map(({ id }) => id),
          ['w2'],
        )
        for (let round = 0; round < 2; round += 1) await context.broker.leave('w2')
        assert.deepEqual(await context.broker.workers(), [])
      },
    },
    {
      name: 'progress is there for who asks, and for the next attempt',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const job = await context.claim()
        for (const done of [1, 2]) {
          const note = { id: 'job', token: job.token, kind: 'progress', value: json({ done }) } as const
          assert.deepEqual(await context.broker.write([note]), ['ok'])
        }
        assert.deepEqual((await context.job('job')).progress, json({ done: 2 }))
        await context.settled({ id: 'job', token: job.token, kind: 'snoozed', delayMs: 0 })
        await context.elapse(2)
        assert.deepEqual((await context.claim()).progress, json({ done: 2 }))
      },
    },
    {
      name: 'who listens hears what happens to jobs, until it stops',
      needs: ['hears'],
      async run(context) {
        const heard: JobEvent[] = []
        const stop = new AbortController()
        const listening = context.broker.events((events) => void heard.push(...events), stop.signal)
        await breathe(20)
        await context.enqueue(spec({ id: 'job' }))
        const { id, token } = await context.claim()
        await context.broker.write([{ id, token, kind: 'progress', value: json(1) }])
        await context.settled(succeeded({ id, token }))
        await context.until('the end was heard', () => heard.some(({ state }) => state === 'succeeded'))
        assert(heard.some(({ kind }) => kind === 'progress'))
        for (const event of heard)
          assert.deepEqual([event.id, event.task, event.queue], ['job', 'work', QUEUE])
        stop.abort()
        await listening
        const before = heard.length
        await context.enqueue(spec({ id: 'unheard' }))
        await breathe(20)
        assert.equal(heard.length, before)
      },
    },
    {
      name: 'what one broker object does is heard through another',
      needs: ['another', 'wakes-others'],
      async run(context) {
        const other = await context.another()
        const heard: JobEvent[] = []
        const stop = new AbortController()
        const listening = other.events((events) => void heard.push(...events), stop.signal)
        await breathe(20)
        await context.enqueue(spec({ id: 'job' }))
        await context.settled(succeeded(await context.claim()))
        await context.until('the end was heard', () => heard.some(({ state }) => state === 'succeeded'))
        stop.abort()
        await listening
      },
    },
    {
      name: 'one broker object sees at once what another did',
      needs: ['another', 'one-shard'],
      async run(context) {
        const other = await context.another()
        await context.enqueue(...specs(3, 'job'))
        assert.equal((await other.list({})).jobs.length, 3)
        const { jobs } = await other.reserve(request({ max: 3 }))
        await context.settled(succeeded(jobs[0] ?? { id: '', token: 0 }))
        assert.equal((await other.get(['job-0']))[0]?.state, 'succeeded')
        await other.pause(QUEUE, true)
        await context.enqueue(spec({ id: 'last' }))
        assert.deepEqual(await context.claimIds(), [])
      },
    },
    {
      name: 'health tells the time, the engine and how durable it is',
      async run(context) {
        const first = await context.broker.health()
        const second = await context.broker.health()
        assert(Number.isSafeInteger(first.now) && second.now >= first.now)
        assert(first.engine !== '' && first.durability !== '')
        for (const warning of first.warnings) assert.equal(typeof warning, 'string')
        assert.deepEqual(context.broker.capabilities, context.harness.capabilities)
      },
    },
    {
      name: 'close ends all waits, may be repeated, and after it every call says that the broker is closed',
      async run(context) {
        const { broker } = context
        const stop = new AbortController()
        const waits = [broker.wake([QUEUE], stop.signal), broker.events(() => undefined, stop.signal)]
        await breathe()
        await Promise.all([broker.close(), broker.close()])
        await Promise.all(waits)
        await broker.close()
        const calls: (() => Promise<unknown>)[] = [
          () => broker.enqueue([[spec()]]),
          () => broker.reserve(request()),
          () => broker.settle({ outcomes: [] }),
          () => broker.extend([], 1),
          () => broker.maintain(),
          () => broker.get(['a']),
          () => broker.list({}),
          () => broker.cancel({ ids: [] }),
          () => broker.queues(),
          () => broker.pause(QUEUE, true),
          () => broker.workers(),
          () => broker.schedules(),
          () => broker.write([]),
          () => broker.logs('a'),
          () => broker.counters(0, 1),
          () => broker.health(),
        ]
        for (const call of calls) {
          await assert.rejects(call, (error) => hasCode(error, 'BROKER_CLOSED'), String(call))
        }
      },
    },
    {
      name: 'work that is under way when the broker closes ends one way or the other',
      async run(context) {
        const work = Array.from({ length: 20 }, (_, at) =>
          context.broker.enqueue([specs(5, `at-${at}`)]).then(
            () => 'done',
            (error: unknown) => (hasCode(error, 'BROKER_CLOSED') ? 'closed' : String(error)),
          ),
        )
        await context.broker.close()
        for (const end of await Promise.all(work)) assert(['done', 'closed'].includes(end), end)
      },
    },
    {
      name: 'namespaces know nothing of each other',
      async run(context) {
        const other = await context.harness.open()
        context.atEnd(() => other.close())
        await context.enqueue(...specs(3, 'job'))
        await context.broker.pause('q', true)
        assert.deepEqual((await other.list({})).jobs, [])
        assert.deepEqual((await other.reserve(request({ max: 5 }))).jobs, [])
        assert.deepEqual(await other.queues(), [])
      },
    },
  ],
}

async function listed(context: LawContext, list: ListRequest): Promise<string[]> {
  const ids: string[] = []
  let cursor = list.cursor
  for (let pages = 0; pages < 100; pages += 1) {
    const page = await context.broker.list({ ...list, cursor })
    assert(page.jobs.length <= (list.limit ?? 50))
    ids.push(...page.jobs.map(({ id }) => id))
    cursor = page.cursor
    if (cursor === undefined) return ids
  }
  assert.fail('the cursor does not come to an end')
}

async function everything(broker: Broker): Promise<{ queue: string; state: JobState }[]> {
  const page = await broker.list({ limit: 1_000 })
  assert.equal(page.cursor, undefined, 'more jobs than the case meant to make')
  return page.jobs.map(({ queue, state }) => ({ queue, state }))
}

/** A few hundred calls of all kinds, in an order that a seed decides. */
async function anyWork(context: LawContext, seed: number): Promise<void> {
  let random = seed
  const below = (bound: number): number => {
    // A linear congruential generator: the same work in every run (Numerical Recipes, 2007).
    random = (random * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return Math.floor((random / 4_294_967_296) * bound)
  }
  const queues = ['q0', 'q1', 'q2']
  const ids: string[] = []
  const anyId = (): string => ids[below(ids.length)] ?? ''
  for (let step = 0; step < 60; step += 1) {
    const queue = queues[below(3)] ?? ''
    const made = specs(
      1 + below(4),
      `${seed}-${step}`,
      below(3) === 0 ? { queue, delayMs: below(20) } : { queue },
    )
    if (ids.length > 0 && below(4) === 0)
      made.push(
        spec({ queue, id: `${seed}-${step}-then`, after: [{ id: made[0]?.id ?? '', when: 'succeeded' }] }),
      )
    await context.enqueue(...made)
    ids.push(...made.map(({ id }) => id))
    const { jobs } = await context.reserve({ queues, max: below(5) })
    for (const job of jobs) {
      const outcome = everyOutcome(job)[below(8)]
      if (outcome !== undefined) await context.settle(outcome)
    }
    if (below(3) === 0) await context.broker.cancel({ ids: [anyId()] })
    if (below(4) === 0) await context.broker.retry({ ids: [anyId(), anyId()] })
    if (below(4) === 0) await context.broker.remove({ ids: [anyId()] })
    if (below(6) === 0) await context.broker.maintain()
  }
}
