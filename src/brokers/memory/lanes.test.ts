// How lanes take turns, close, and come back: the cases that random work seldom meets.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Limit, LimitScope, ReservedJob } from '../../broker/contract.ts'
import type { JobSpec } from '../../job/record.ts'
import { request, spec, succeeded } from '../../laws/factories.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { MemoryBroker } from './memory.ts'

let clock: ManualClock
let broker: MemoryBroker

beforeEach(async () => {
  clock = new ManualClock()
  broker = new MemoryBroker({ clock })
  await broker.open()
})
afterEach(() => broker.close())

const add = (...jobs: Partial<JobSpec>[]): Promise<unknown> =>
  broker.enqueue([jobs.map((fields) => spec({ queue: 'q', ...fields }))])
const claim = async (max = 100, suspects: 0 | 1 = 1): Promise<readonly ReservedJob[]> =>
  (await broker.reserve(request({ queues: ['q'], max, suspects, leaseMs: 1_000 }))).jobs
const ids = (jobs: readonly ReservedJob[]): string[] => jobs.map(({ id }) => id)
const finish = (jobs: readonly ReservedJob[]): Promise<unknown> =>
  broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
const limit = (scope: LimitScope, rule: Limit | null): Promise<void> =>
  broker.limit([{ scope, source: 'set', limit: rule }])
const task = (name: string): LimitScope => ({ kind: 'task', task: name })

describe('turns', () => {
  test('partitions take turns, one job each, and one that comes late is not behind the whole line', async () => {
    await add(...['a1', 'a2', 'a3'].map((id) => ({ id, partition: 'a' })), { id: 'b1', partition: 'b' })
    expect(ids(await claim(3))).toEqual(['a1', 'b1', 'a2'])
    await add({ id: 'c1', partition: 'c' }, { id: 'n1' })
    expect(ids(await claim())).toEqual(['a3', 'c1', 'n1'])
  })

  test('priority counts inside a lane and not between lanes', async () => {
    await add(
      { id: 'a', partition: 'a', priority: 1 },
      { id: 'b1', partition: 'b' },
      { id: 'b2', partition: 'b', priority: 9 },
    )
    expect(ids(await claim())).toEqual(['a', 'b2', 'b1'])
  })
})

describe('room that comes free', () => {
  test('goes on to the next lane where the first finds another limit full', async () => {
    await limit(task('t'), { concurrency: 2 })
    await limit({ kind: 'partition', queue: 'q' }, { concurrency: 1 })
    await add({ id: 'other-a', task: 'other', partition: 'a' })
    await add({ id: 'c', task: 't', partition: 'c' }, { id: 'd', task: 't', partition: 'd' })
    const [, c] = await claim()
    await add({ id: 'a', task: 't', partition: 'a' }, { id: 'b', task: 't', partition: 'b' })
    expect(await claim()).toEqual([])
    await finish(c === undefined ? [] : [c])
    expect(ids(await claim())).toEqual(['b'])
  })

  test('goes on to the next lane where the job it came for was cancelled', async () => {
    await limit(task('t'), { concurrency: 1 })
    await add({ id: 'c', task: 't', partition: 'c' })
    const running = await claim()
    await add({ id: 'a', task: 't', partition: 'a' }, { id: 'b', task: 't', partition: 'b' })
    expect(await claim()).toEqual([])
    await finish(running)
    await broker.cancel({ ids: ['a'] })
    expect(ids(await claim())).toEqual(['b'])
  })

  test('is seen by each queue that has work for it, whichever is asked', async () => {
    await limit(task('t'), { concurrency: 1 })
    await add({ id: 'first', task: 't' })
    const running = await claim()
    await add({ id: 'elsewhere', task: 't', queue: 'p' }, { id: 'here', task: 't' })
    const both = request({ queues: ['p', 'q'], max: 9 })
    expect((await broker.reserve(both)).jobs).toEqual([])
    await broker.pause('p', true)
    await finish(running)
    expect(ids(await claim())).toEqual(['here'])
  })

  test('comes back with the jobs of a dead worker', async () => {
    await limit({ kind: 'queue', queue: 'q' }, { concurrency: 1 })
    await add({ id: 'a' }, { id: 'b' })
    await claim()
    clock.advance(1_001)
    await broker.maintain()
    expect(ids(await claim(9, 0))).toEqual(['b'])
  })
})

describe('a rule that comes or goes', () => {
  test('holds for the jobs that stand in the shared lane already, and for those that run', async () => {
    await add(...['a', 'b', 'c'].map((id) => ({ id, task: 't' })), { id: 'free', task: 'other' })
    const running = await claim(1)
    await limit(task('t'), { concurrency: 2 })
    expect(ids(await claim())).toEqual(['free', 'b'])
    await finish(running)
    expect(ids(await claim())).toEqual(['c'])
  })

  test('lets all go when it is cleared, the declared one being in force again', async () => {
    await broker.limit([{ scope: task('t'), source: 'declared', limit: { concurrency: 3 } }])
    await limit(task('t'), { concurrency: 1 })
    await add(...['a', 'b', 'c', 'd'].map((id) => ({ id, task: 't', partition: id })))
    expect((await claim()).length).toBe(1)
    await limit(task('t'), null)
    expect((await claim()).length).toBe(2)
    await broker.limit([{ scope: task('t'), source: 'declared', limit: null }])
    expect((await claim()).length).toBe(1)
    expect(await broker.limits()).toEqual([])
  })

  test('moves a long line in bounded steps', async () => {
    await add(...Array.from({ length: 1_200 }, (_, i) => ({ id: `t${i}`, task: 't' })), {
      id: 'free',
      task: 'o',
    })
    await limit(task('t'), { concurrency: 1 })
    const first = await broker.reserve(request({ queues: ['q'], max: 9 }))
    expect([first.jobs, first.nextDueInMs]).toEqual([[], 0])
    await broker.reserve(request({ queues: ['q'], max: 9 }))
    const third = await broker.reserve(request({ queues: ['q'], max: 9 }))
    expect(ids(third.jobs).sort()).toEqual(['free', 't0'])
    expect(third.nextDueInMs).toBeUndefined()
  })
})

describe('rates', () => {
  test('reserve says when there is room, and wake comes then', async () => {
    await limit(task('t'), { rate: { count: 2, perMs: 1_000 } })
    await add(...['a', 'b', 'c', 'd'].map((id) => ({ id, task: 't', partition: id })))
    expect((await claim()).length).toBe(2)
    const { jobs, nextDueInMs = 0 } = await broker.reserve(request({ queues: ['q'], max: 9 }))
    expect(jobs).toEqual([])
    expect(nextDueInMs).toBeGreaterThanOrEqual(1_000)
    expect(nextDueInMs).toBeLessThanOrEqual(1_050)
    let woken = false
    const waiting = broker.wake(['q'], new AbortController().signal).then(() => (woken = true))
    clock.advance(nextDueInMs - 1)
    await Promise.resolve()
    expect(woken).toBe(false)
    clock.advance(1)
    await waiting
    expect((await claim()).length).toBe(2)
  })

  test('that of a queue holds over all its lanes', async () => {
    await limit({ kind: 'queue', queue: 'q' }, { rate: { count: 1, perMs: 100 } })
    await add({ partition: 'a' }, { partition: 'b' })
    expect((await claim()).length).toBe(1)
    const { jobs, nextDueInMs = 0 } = await broker.reserve(request({ queues: ['q'], max: 9 }))
    expect(jobs).toEqual([])
    clock.advance(nextDueInMs)
    expect((await claim()).length).toBe(1)
  })

  test('a lane whose partition is full delays nobody else', async () => {
    await limit({ kind: 'partition', queue: 'q' }, { rate: { count: 1, perMs: 1_000 } })
    await add(
      ...['a1', 'a2', 'a3'].map((id) => ({ id, partition: 'a' })),
      { id: 'b1', partition: 'b' },
      { id: 'none' },
    )
    expect(ids(await claim())).toEqual(['a1', 'b1', 'none'])
  })
})

test('suspects without room do not keep the others from theirs', async () => {
  await add({ id: 'bad', task: 't' })
  await claim()
  clock.advance(1_001)
  await broker.maintain()
  await limit(task('t'), { concurrency: 1 })
  await add({ id: 'good', task: 't' })
  const good = await claim(9, 0)
  expect(ids(good)).toEqual(['good'])
  expect(await claim(9, 1)).toEqual([])
  await add({ id: 'next', task: 't' })
  await finish(good)
  expect(ids(await claim(9, 0))).toEqual(['next'])
})
