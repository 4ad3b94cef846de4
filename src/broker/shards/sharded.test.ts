import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Kit, shardedKit } from '../../../test/support/sharded-kit.ts'
import { request, SHORT_LEASE_MS, spec, specs, succeeded, TASK, unique } from '../../laws/factories.ts'
import { ShardedBroker } from './sharded.ts'

let kit: Kit
let broker: ShardedBroker

beforeEach(async () => {
  kit = await shardedKit(4)
  broker = kit.broker
})

afterEach(() => broker.close())

const made = (fields: Parameters<typeof spec>[0] = {}): ReturnType<typeof spec> => {
  const job = spec(fields)
  return { ...job, id: broker.place(job) }
}

describe('enqueue', () => {
  test('a group inside one shard goes there in one call', async () => {
    const group = [kit.jobIn(2), kit.jobIn(2)]
    expect(await broker.enqueue([group])).toMatchObject([
      { ok: true, jobs: [{ id: group[0]?.id }, { id: group[1]?.id }] },
    ])
    expect(kit.calls()).toEqual([[], [], ['enqueue'], []])
  })

  test('groups of one call share a trip a shard, and are answered in order', async () => {
    const jobs = [3, 0, 3, 1, 0].map((shard) => kit.jobIn(shard))
    const answers = await broker.enqueue([...jobs.map((job) => [job]), jobs])
    expect(kit.calls()).toEqual([['enqueue'], ['enqueue'], [], ['enqueue']])
    const ids = answers.flatMap((answer) =>
      answer.ok ? answer.jobs.map(({ id, status }) => [id, status]) : [],
    )
    expect(ids).toEqual([
      ...jobs.map(({ id }) => [id, 'enqueued']),
      ...jobs.map(({ id }) => [id, 'duplicate']),
    ])
  })

  test('a group over several shards is refused whole where an id is of another task', async () => {
    const taken = kit.jobIn(1, { id: 'taken', task: 'other' })
    await broker.enqueue([[taken]])
    const others = [kit.jobIn(0), kit.jobIn(2)]
    const [answer] = await broker.enqueue([[...others, { ...taken, task: TASK }]])
    expect(answer).toMatchObject({ ok: false, code: 'ID_TAKEN', id: taken.id })
    expect(await broker.get(others.map(({ id }) => id))).toEqual([undefined, undefined])
    const [twice] = await broker.enqueue([
      [kit.jobIn(0), spec({ id: 'x' }), spec({ id: 'x', task: 'other' })],
    ])
    expect(twice).toMatchObject({ ok: false, code: 'ID_TAKEN', id: 'x' })
    expect(await broker.get(['x'])).toEqual([undefined])
  })

  test('a group over several shards is refused whole where a dependency is missing, but not where it comes first', async () => {
    const after = (id: string): Parameters<typeof spec>[0] => ({ after: [{ id, when: 'succeeded' }] })
    const other = kit.jobIn(0)
    const lonely = spec({ id: '{w}-b', ...after('{w}-a') })
    const [refused] = await broker.enqueue([[other, lonely]])
    expect(refused).toMatchObject({ ok: false, code: 'DEPENDENCY_MISSING', id: '{w}-b' })
    expect(await broker.get([other.id])).toEqual([undefined])
    const answers = await broker.enqueue([[spec({ id: '{w}-a' })], [other, lonely]])
    expect(answers.map(({ ok }) => ok)).toEqual([true, true])
  })

  test('what would be torn apart is refused before anything is stored', async () => {
    const other = kit.jobIn(0)
    for (const torn of [
      spec({ id: 'mine', unique: unique('k') }),
      spec({ id: 'mine', partition: 'p' }),
      spec({ id: 'mine', workflow: 'w' }),
      { ...kit.jobIn(1), after: [{ id: other.id, when: 'ended' as const }] },
    ]) {
      const [bad, good] = await broker.enqueue([[other, torn], [kit.jobIn(3)]])
      expect(bad).toMatchObject({ ok: false, code: 'SHARD_MISMATCH', id: torn.id })
      expect(good).toMatchObject({ ok: true })
    }
    expect(await broker.get([other.id, 'mine'])).toEqual([undefined, undefined])
    expect(await kit.shards[0]?.list({})).toEqual({ jobs: [] })
  })

  test('a trip that failed in one shard may be repeated by the same ids', async () => {
    const group = [0, 1, 2, 3].map((shard) => kit.jobIn(shard))
    const third = kit.shards[2]
    if (third !== undefined) third.state = 'away'
    expect(await broker.enqueue([group])).toMatchObject([{ ok: false, code: 'BROKER_UNAVAILABLE' }])
    if (third !== undefined) third.state = 'there'
    kit.clock.advance(1_000)
    const [answer] = await broker.enqueue([group])
    expect(answer).toMatchObject({
      ok: true,
      jobs: ['duplicate', 'duplicate', 'enqueued', 'duplicate'].map((status, i) => ({
        status,
        id: group[i]?.id,
      })),
    })
  })

  test('one job a unique key, whichever trip brought it', async () => {
    const keys = Array.from({ length: 20 }, (_, n) => `customer-${n}`)
    const enqueue = async (key: string): Promise<string> => {
      const [answer] = await broker.enqueue([[made({ unique: unique(`${TASK}/${key}`) })]])
      return answer?.ok === true ? (answer.jobs[0]?.id ?? '') : ''
    }
    const ids = await Promise.all([...keys, ...keys, ...keys].map(enqueue))
    expect(new Set(ids).size).toBe(20)
    expect(new Set(kit.shards.filter(({ calls }) => calls.includes('enqueue'))).size).toBe(4)
  })
})

describe('order', () => {
  test('of a partition is by priority, then first in, first out', async () => {
    const jobs = Array.from({ length: 30 }, (_, n) => made({ partition: 'north', priority: n % 3 }))
    for (const job of jobs) await broker.enqueue([[job], [spec()]])
    const claimed: string[] = []
    for (let more = true; more; ) {
      const answer = await broker.reserve(request({ max: 7 }))
      claimed.push(...answer.jobs.filter(({ partition }) => partition === 'north').map(({ id }) => id))
      more = answer.jobs.length > 0
    }
    const inOrder = [2, 1, 0].flatMap((priority) => jobs.filter((job) => job.priority === priority))
    expect(claimed).toEqual(inOrder.map(({ id }) => id))
  })

  test('tokens of a job grow with each claim', async () => {
    const job = kit.jobIn(2)
    await broker.enqueue([[job]])
    const tokens: number[] = []
    for (let claim = 0; claim < 5; claim += 1) {
      const { jobs } = await broker.reserve(request({ leaseMs: SHORT_LEASE_MS, starting: 0 }))
      tokens.push(...jobs.map(({ token }) => token))
      kit.clock.advance(SHORT_LEASE_MS + 1)
      await broker.maintain()
    }
    expect(tokens).toHaveLength(5)
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
  })
})

describe('limits', () => {
  const claimAll = async (queues = ['line']): Promise<number> => {
    let count = 0
    for (let more = true; more; ) {
      const { jobs } = await broker.reserve(request({ queues, max: 100 }))
      count += jobs.length
      more = jobs.length > 0
    }
    return count
  }

  test('of a queue or a task are divided, never exceeded, and told as they were set', async () => {
    await broker.enqueue([Array.from({ length: 200 }, () => spec())])
    const limit = { concurrency: 10, rate: { count: 7, perMs: 60_000 } }
    await broker.limit([{ scope: { kind: 'queue', queue: 'line' }, source: 'set', limit }])
    expect(await broker.limits()).toEqual([{ scope: { kind: 'queue', queue: 'line' }, source: 'set', limit }])
    expect(await broker.queues()).toMatchObject([{ queue: 'line', limit }])
    expect(await claimAll()).toBe(7)
    await broker.limit([
      { scope: { kind: 'queue', queue: 'line' }, source: 'set', limit: null },
      { scope: { kind: 'task', task: TASK }, source: 'declared', limit: { concurrency: 10 } },
    ])
    expect(await claimAll()).toBe(3)
    expect(await broker.limits()).toEqual([
      { scope: { kind: 'task', task: TASK }, source: 'declared', limit: { concurrency: 10 } },
    ])
  })

  test('of fewer jobs at once than shards are refused', async () => {
    const rule = {
      scope: { kind: 'task', task: TASK },
      source: 'declared',
      limit: { concurrency: 3 },
    } as const
    await expect(broker.limit([rule])).rejects.toMatchObject({ code: 'SHARD_LIMIT' })
    expect(await broker.limits()).toEqual([])
  })

  test('a rate of fewer starts than shards is kept over a longer time', async () => {
    await broker.enqueue([Array.from({ length: 200 }, () => spec())])
    const rule = {
      scope: { kind: 'queue', queue: 'line' },
      source: 'set',
      limit: { rate: { count: 2, perMs: 1_000 } },
    } as const
    await broker.limit([rule])
    expect(await broker.limits()).toEqual([{ ...rule, limit: { rate: { count: 4, perMs: 2_000 } } }])
    let started = 0
    for (let tenth = 0; tenth < 300; tenth += 1) {
      started += await claimAll()
      kit.clock.advance(100)
    }
    expect(started).toBeLessThanOrEqual(2 * 30 + 4)
    expect(started).toBeGreaterThan(45)
  })

  test('of partitions are exact, since a partition lives in one shard', async () => {
    const jobs = ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((partition) =>
      Array.from({ length: 5 }, () => made({ partition })),
    )
    await broker.enqueue([jobs])
    const rule = {
      scope: { kind: 'partition', queue: 'line' },
      source: 'declared',
      limit: { concurrency: 1 },
    } as const
    await broker.limit([rule])
    expect(await broker.limits()).toEqual([rule])
    expect((await broker.queues())[0]).toMatchObject({ partitionLimit: { concurrency: 1 } })
    expect(await claimAll()).toBe(6)
  })

  test('a pause holds in all shards', async () => {
    await broker.enqueue([Array.from({ length: 20 }, () => spec())])
    await broker.pause('line', true)
    expect(await claimAll()).toBe(0)
    expect(await broker.queues()).toMatchObject([{ queue: 'line', paused: true, counts: { ready: 20 } }])
    await broker.pause('line', false)
    expect(await claimAll()).toBe(20)
  })
})

describe('schedules', () => {
  const scheduleOf = (job: ReturnType<typeof spec>): Parameters<typeof broker.putSchedule>[0] => {
    const { id: _, ...rest } = job
    return { id: 'nightly', rule: { every: 1 }, job: rest, nextAt: 1_000, paused: false }
  }

  test.each([0, 1, 3])('a tick whose job lives in shard %i fires once', async (shard) => {
    const job = kit.jobIn(shard, { id: 'tick' })
    await broker.putSchedule(scheduleOf(job))
    const tick = { schedule: 'nightly', tick: 1_000, nextAt: 2_000, job }
    const fired = await Promise.all([1, 2, 3, 4].map(() => broker.fire(tick)))
    expect(fired.filter((one) => one)).toHaveLength(1)
    expect(await broker.fire(tick)).toBe(false)
    expect(await broker.get([job.id])).toMatchObject([{ id: job.id }])
    expect((await broker.list({})).jobs).toHaveLength(1)
    expect(await broker.schedules()).toMatchObject([{ nextAt: 2_000, lastAt: 1_000 }])
  })

  test('a tick that was interrupted before the schedule moved fires again, with the same job', async () => {
    const job = kit.jobIn(2, { id: 'tick' })
    await broker.putSchedule(scheduleOf(job))
    await broker.enqueue([[job]])
    expect(await broker.fire({ schedule: 'nightly', tick: 1_000, nextAt: 2_000, job })).toBe(true)
    expect((await broker.list({})).jobs).toHaveLength(1)
  })

  test('nothing fires that is paused, moved or not there, or whose job has no place', async () => {
    const job = kit.jobIn(2, { id: 'tick' })
    const tick = { schedule: 'nightly', tick: 1_000, nextAt: 2_000, job }
    expect(await broker.fire(tick)).toBe(false)
    await broker.putSchedule({ ...scheduleOf(job), paused: true })
    expect(await broker.fire(tick)).toBe(false)
    await broker.putSchedule(scheduleOf(job))
    expect(await broker.fire({ ...tick, tick: 999 })).toBe(false)
    await expect(broker.fire({ ...tick, job: { ...job, partition: 'north' } })).rejects.toMatchObject({
      code: 'SHARD_MISMATCH',
    })
    expect((await broker.list({})).jobs).toEqual([])
    const placed = { ...job, partition: 'north' }
    expect(await broker.fire({ ...tick, job: { ...placed, id: broker.place(placed) } })).toBe(true)
  })
})

describe('workflows', () => {
  test('live in one shard, wait for one another there, and are published as one', async () => {
    const node = (id: string, after: readonly string[]): ReturnType<typeof spec> =>
      spec({
        id: `{flow}-${id}`,
        workflow: 'flow',
        staged: true,
        after: after.map((other) => ({ id: `{flow}-${other}`, when: 'succeeded' })),
      })
    const [answer] = await broker.enqueue([[node('a', []), node('b', ['a']), node('c', ['a', 'b'])]])
    expect(answer?.ok).toBe(true)
    expect((await broker.reserve(request({ max: 9 }))).jobs).toEqual([])
    expect(await broker.publish('flow')).toBe(true)
    expect(await broker.publish('flow')).toBe(false)
    const order: string[] = []
    for (let n = 0; n < 3; n += 1) {
      const { jobs } = await broker.reserve(request({ max: 9 }))
      order.push(...jobs.map(({ id }) => id))
      await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
    }
    expect(order).toEqual(['{flow}-a', '{flow}-b', '{flow}-c'])
  })
})

describe('what is told of all shards', () => {
  test('events, counters, workers, logs and steps', async () => {
    const stop = new AbortController()
    const heard: string[] = []
    const listening = broker.events((events) => heard.push(...events.map(({ id }) => id)), stop.signal)
    const jobs = [0, 1, 2, 3].map((shard) => kit.jobIn(shard))
    await broker.enqueue([jobs])
    const claimed = await broker.reserve(request({ max: 4 }))
    for (const { id, token } of claimed.jobs) {
      const notes = [
        { kind: 'log', id, token, level: 'info', text: id } as const,
        { kind: 'step', id, token, name: 's', value: { codec: 0, bytes: new Uint8Array(1) } } as const,
        { kind: 'log', id, token: token + 9, level: 'info', text: 'no' } as const,
      ]
      expect(await broker.write(notes)).toEqual(['ok', 'ok', 'lost'])
      expect(await broker.logs(id)).toMatchObject([{ text: id }])
      expect(await broker.steps(id)).toMatchObject([{ name: 's' }])
    }
    await broker.settle({ outcomes: claimed.jobs.map((job) => succeeded(job)) })
    const now = (await broker.health()).now
    expect(await broker.counters(0, now + 60_000)).toMatchObject([{ enqueued: 4, succeeded: 4, ranMs: 4 }])
    const worker = { id: 'w', host: 'h', pid: 1, queues: [], tasks: [], concurrency: 1, active: 0 } as const
    await broker.beat({ ...worker, startedAt: now, state: 'running' }, 1_000)
    expect(await broker.workers()).toMatchObject([{ id: 'w' }])
    await broker.leave('w')
    expect(await broker.workers()).toEqual([])
    stop.abort()
    await listening
    expect(new Set(heard)).toEqual(new Set(jobs.map(({ id }) => id)))
  })

  test('health', async () => {
    await broker.enqueue([specs(9, 'job')])
    const health = await broker.health()
    expect(health).toMatchObject({ location: 'the memory of this process', warnings: [] })
    expect(health.facts).toMatchObject({ shards: 4, queues: expect.anything() })
    expect(health.facts.jobs).toMatch(/^\d to \d in a shard$/)
  })
})

describe('wake', () => {
  test('resolves with the first shard that calls, and leaves no wait behind', async () => {
    const stop = new AbortController()
    const waking = broker.wake(['line'], stop.signal)
    const job = kit.jobIn(3)
    await broker.enqueue([[job]])
    await waking
    // Who waits again is called again: nothing of the first wait is left to swallow the call.
    await broker.reserve(request({ max: 9 }))
    const again = broker.wake(['line'], stop.signal)
    stop.abort()
    await again
    await broker.wake(['line'], stop.signal)
  })

  test('the shard that called is asked first', async () => {
    for (let round = 0; round < 8; round += 1) {
      const shard = (round * 3) % 4
      const waking = broker.wake(['line'], new AbortController().signal)
      const job = kit.jobIn(shard)
      await broker.enqueue([[job]])
      await waking
      kit.calls()
      const { jobs } = await broker.reserve(request({ max: 1 }))
      expect(jobs.map(({ id }) => id)).toEqual([job.id])
      // Every second time, so that another's turn comes as well.
      if (round % 2 === 0) expect(kit.calls()[shard]).toEqual(['reserve'])
      await broker.reserve(request({ max: 9 }))
      await broker.reserve(request({ max: 9 }))
    }
  })
})

describe('leases', () => {
  test('are answered in the order of the caller, over all shards', async () => {
    await broker.enqueue([[3, 1, 0, 2, 1, 0].map((shard) => kit.jobIn(shard))])
    const { jobs } = await broker.reserve(request({ max: 6, leaseMs: SHORT_LEASE_MS }))
    const held = jobs.map(({ id, token }) => ({ id, token, started: true }))
    const asked = held.map((lease, i) => (i % 2 === 0 ? lease : { ...lease, token: lease.token + 100 }))
    expect(await broker.extend(asked, 10_000)).toEqual(['ok', 'lost', 'ok', 'lost', 'ok', 'lost'])
    kit.clock.advance(SHORT_LEASE_MS + 1)
    expect((await broker.maintain()).reclaimed).toBe(3)
    const { answers } = await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
    expect(answers).toEqual(['ok', 'lost', 'ok', 'lost', 'ok', 'lost'])
  })
})

test('a namespace has 1 to 64 shards', () => {
  const of = (count: number): ShardedBroker =>
    new ShardedBroker({ name: 'x', namespace: 'y', shards: Array.from({ length: count }, () => broker) })
  expect(() => of(0)).toThrow('1 to 64')
  expect(() => of(65)).toThrow('1 to 64')
  expect(of(64).capabilities.shards).toBe(64)
})
