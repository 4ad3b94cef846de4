import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Kit, shardedKit } from '../../../test/support/sharded-kit.ts'
import { request, SHORT_LEASE_MS, specs, succeeded } from '../../laws/factories.ts'
import type { ReserveRequest } from '../contract.ts'
import { Turns } from './reserve.ts'
import type { ShardedBroker } from './sharded.ts'

let kit: Kit
let broker: ShardedBroker

beforeEach(async () => {
  kit = await shardedKit(4)
  broker = kit.broker
})

afterEach(() => broker.close())

const fill = (shard: number, count: number): Promise<unknown> =>
  broker.enqueue([Array.from({ length: count }, () => kit.jobIn(shard))])

const claim = async (fields: Partial<ReserveRequest> = {}): Promise<string[]> =>
  (await broker.reserve(request(fields))).jobs.map(({ id }) => id)

describe('trips', () => {
  test('one is enough where the first shard has all that is wanted', async () => {
    for (const shard of [0, 1, 2, 3]) await fill(shard, 20)
    kit.calls()
    for (let round = 0; round < 4; round += 1) {
      expect(await claim({ max: 10 })).toHaveLength(10)
      expect(kit.calls().flat()).toEqual(['reserve'])
    }
    for (const { reserves } of kit.shards) expect(reserves).toHaveLength(1)
  })

  test('each shard is asked once where nothing is there', async () => {
    expect(await claim({ max: 10, suspects: 0 })).toEqual([])
    expect(kit.calls()).toEqual([['reserve'], ['reserve'], ['reserve'], ['reserve']])
  })

  test('no more is claimed than was asked for, and all of it where it is spread thinly', async () => {
    for (const [shard, count] of [1, 7, 0, 30].entries()) await fill(shard, count)
    let left = 38
    for (const max of [1, 2, 3, 5, 8, 11, 50]) {
      const ids = await claim({ max })
      expect(ids).toHaveLength(Math.min(max, left))
      left -= ids.length
    }
    expect(left).toBe(0)
    expect(await claim({ max: 0 })).toEqual([])
  })

  test('the time of the next is the earliest of all shards', async () => {
    await broker.enqueue([
      [kit.jobIn(0, { delayMs: 900 }), kit.jobIn(1, { delayMs: 300 }), kit.jobIn(3, { delayMs: 600 })],
    ])
    const usual = request({ max: 9, suspects: 0 })
    expect(await broker.reserve(usual)).toMatchObject({ jobs: [], nextDueInMs: 300 })
    kit.clock.advance(300)
    expect(await broker.reserve(usual)).toMatchObject({ jobs: [{}], nextDueInMs: 300 })
  })
})

describe('turns', () => {
  test('a shard that is always full keeps no other waiting', async () => {
    await fill(0, 500)
    for (const shard of [1, 2, 3]) await fill(shard, 5)
    const small = new Set(
      (await Promise.all([1, 2, 3].map((shard) => kit.shards[shard]?.list({})))).flatMap((page) =>
        (page?.jobs ?? []).map(({ id }) => id),
      ),
    )
    // By settle as well as by reserve, the next of each of the others comes within as many claims as there are shards.
    let { jobs } = await broker.reserve(request({ max: 1 }))
    for (let round = 0; round < 20; round += 1) {
      for (const { id } of jobs) small.delete(id)
      const settled = await broker.settle({
        outcomes: jobs.map((job) => succeeded(job)),
        next: request({ max: 1 }),
      })
      jobs = [...(settled.next?.jobs ?? [])]
    }
    expect(small.size).toBe(0)
  })

  test('calls from one shard do not take the turns of the others', () => {
    const turns = new Turns(4, 0)
    const firsts = Array.from({ length: 8 }, () => {
      turns.call(2)
      return turns.order()[0]
    })
    expect(firsts).toEqual([2, 0, 2, 1, 2, 2, 3, 2])
    expect(turns.order()).toHaveLength(4)
  })

  test('every shard is in the order once, wherever it starts', () => {
    const turns = new Turns(3, 2)
    turns.call(0)
    for (let n = 0; n < 6; n += 1) expect([...turns.order()].sort()).toEqual([0, 1, 2])
  })
})

describe('starts', () => {
  test.each([0, 1, 2, 3, 5, 8, 20])(
    'the first %i of the answer are recorded, and no others',
    async (starting) => {
      for (let round = 0; round < 8; round += 1) {
        for (const [shard, count] of [2, 0, 5, 3].entries()) await fill(shard, count)
        const { jobs } = await broker.reserve(request({ max: 20, starting }))
        expect(jobs).toHaveLength(10)
        const records = await broker.get(jobs.map(({ id }) => id))
        expect(records.map((record) => record?.lease?.started)).toEqual(jobs.map((_, i) => i < starting))
        await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
      }
    },
  )
})

describe('suspects', () => {
  const lose = async (): Promise<void> => {
    kit.clock.advance(SHORT_LEASE_MS + 500)
    await broker.maintain()
  }

  test('one in all shards is claimed, wherever it is, also by a wide claim', async () => {
    for (const shard of [0, 1, 2, 3]) {
      await broker.enqueue([[kit.jobIn(shard)]])
      await claim({ max: 4, leaseMs: SHORT_LEASE_MS })
      await lose()
      const { jobs } = await broker.reserve(request({ max: 50 }))
      expect(jobs).toMatchObject([{ suspect: true }])
      await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
      kit.clock.advance(500)
    }
  })

  test('never more than one at a time, nor where none is asked for', async () => {
    for (const shard of [0, 1, 2, 3]) await fill(shard, 2)
    expect(await claim({ max: 8, leaseMs: SHORT_LEASE_MS })).toHaveLength(8)
    await lose()
    for (let left = 8; left > 0; left -= 1) {
      expect(await claim({ max: 20, suspects: 0 })).toEqual([])
      const { jobs } = await broker.reserve(request({ max: 20 }))
      expect(jobs).toMatchObject([{ suspect: true }])
      await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
      kit.clock.advance(500)
    }
  })

  test('where there was one, the next is looked for at once', async () => {
    await fill(2, 8)
    expect(await claim({ max: 8, leaseMs: SHORT_LEASE_MS })).toHaveLength(8)
    await lose()
    let { jobs } = await broker.reserve(request({ max: 20 }))
    for (let left = 8; left > 0; left -= 1) {
      expect(jobs).toMatchObject([{ suspect: true }])
      const outcomes = jobs.map((job) => succeeded(job))
      const { next } = await broker.settle({ outcomes, next: request({ max: 20 }) })
      jobs = next?.jobs ?? []
    }
    expect(jobs).toEqual([])
  })

  test('who may not look through all shards yet hears when that is', async () => {
    expect(await broker.reserve(request({ max: 10 }))).not.toHaveProperty('nextDueInMs')
    kit.clock.advance(200)
    expect(await broker.reserve(request({ max: 10 }))).toMatchObject({ jobs: [], nextDueInMs: 300 })
    kit.clock.advance(300)
    expect(await broker.reserve(request({ max: 10 }))).not.toHaveProperty('nextDueInMs')
  })

  test('all shards are looked through for them twice a second at most', async () => {
    await claim({ max: 10 })
    kit.calls()
    await claim({ max: 10 })
    expect(kit.calls().flat()).toHaveLength(4)
    kit.clock.advance(500)
    await claim({ max: 10 })
    expect(kit.calls().flat().length).toBeGreaterThan(4)
  })
})

describe('settle', () => {
  test('outcomes are answered in the order of the caller, and the next claim travels with them', async () => {
    for (const shard of [0, 1, 2, 3]) await fill(shard, 12)
    const claims = [await broker.reserve(request({ max: 4 })), await broker.reserve(request({ max: 4 }))]
    kit.calls()
    const outcomes = claims
      .flatMap(({ jobs }) => jobs)
      .map((job, i) => ({ ...succeeded(job), token: i === 3 ? 999 : job.token }))
    const settled = await broker.settle({ outcomes, next: request({ max: 3 }) })
    expect(settled.answers).toEqual(['ok', 'ok', 'ok', 'lost', 'ok', 'ok', 'ok', 'ok'])
    expect(settled.next?.jobs).toHaveLength(3)
    expect(
      kit
        .calls()
        .flat()
        .filter((call) => call === 'reserve'),
    ).toEqual([])
  })

  test('what the shard whose turn it is cannot bring comes from the others', async () => {
    await broker.enqueue([specs(3, 'first')])
    const { jobs } = await broker.reserve(request({ max: 3 }))
    await broker.enqueue([specs(40, 'next')])
    const outcomes = jobs.map((job) => succeeded(job))
    const { next } = await broker.settle({ outcomes, next: request({ max: 40 }) })
    expect(next?.jobs).toHaveLength(40)
  })

  test('starts are told to the shards of their jobs', async () => {
    for (const shard of [0, 1, 2, 3]) await fill(shard, 1)
    const { jobs } = await broker.reserve(request({ max: 4, starting: 0 }))
    await broker.settle({ outcomes: [], started: jobs.slice(1) })
    const records = await broker.get(jobs.map(({ id }) => id))
    expect(records.map((record) => record?.lease?.started)).toEqual([false, true, true, true])
  })
})
