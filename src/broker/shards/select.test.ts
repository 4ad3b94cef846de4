import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Kit, shardedKit } from '../../../test/support/sharded-kit.ts'
import { request, spec, specs, succeeded } from '../../laws/factories.ts'
import type { ListRequest } from '../contract.ts'
import type { ShardedBroker } from './sharded.ts'

let kit: Kit
let broker: ShardedBroker

beforeEach(async () => {
  kit = await shardedKit(4)
  broker = kit.broker
})

afterEach(() => broker.close())

/** All pages, as they come; `between` runs after each. */
async function pages(query: ListRequest, between?: () => Promise<unknown>): Promise<string[][]> {
  const found: string[][] = []
  let cursor: string | undefined
  do {
    const page = await broker.list({ ...query, cursor })
    found.push(page.jobs.map(({ id }) => id))
    cursor = page.cursor
    await between?.()
  } while (cursor !== undefined && found.length < 500)
  return found
}

const fillInTime = async (count: number): Promise<string[]> => {
  const ids: string[] = []
  for (let n = 0; n < count; n += 1) {
    ids.push(`job-${n}`)
    await broker.enqueue([[spec({ id: `job-${n}`, queue: n % 3 === 0 ? 'third' : 'line' })]])
    kit.clock.advance(1)
  }
  return ids
}

describe('a list', () => {
  test.each([1, 2, 7, 10, 50, 400])('is in the order of time, in pages of %i', async (limit) => {
    const ids = await fillInTime(120)
    const oldest = await pages({ order: 'oldest', limit })
    expect(oldest.flat()).toEqual(ids)
    const newest = await pages({ limit })
    expect(newest.flat()).toEqual([...ids].reverse())
    for (const page of newest.slice(0, -1)) expect(page).toHaveLength(limit)
  })

  test('of one shard that has nearly all is as long and as whole as any', async () => {
    const big = Array.from({ length: 90 }, () => kit.jobIn(1))
    await broker.enqueue([big, [kit.jobIn(0), kit.jobIn(2), kit.jobIn(3)]])
    const all = await pages({ limit: 20, order: 'oldest' })
    expect(new Set(all.flat()).size).toBe(93)
    expect(all.map((page) => page.length)).toEqual([20, 20, 20, 20, 13])
  })

  test('by conditions, with a time and a filter that few match', async () => {
    const ids = await fillInTime(90)
    const third = ids.filter((_, n) => n % 3 === 0)
    expect((await pages({ queue: 'third', order: 'oldest', limit: 4 })).flat()).toEqual(third)
    const from = (await broker.get(['job-30']))[0]?.createdAt
    const to = (await broker.get(['job-60']))[0]?.createdAt
    const between = await pages({ createdFrom: from, createdTo: to, order: 'oldest', limit: 7 })
    expect(between.flat()).toEqual(ids.slice(30, 60))
    const rare = spec({ id: 'rare', tags: ['rare'] })
    await broker.enqueue([[rare], specs(100, 'later')])
    expect((await pages({ tag: 'rare', limit: 3 })).flat()).toEqual(['rare'])
  })

  test('holds each job once while others come and go', async () => {
    const ids = await fillInTime(60)
    let n = 0
    const found = await pages({ order: 'newest', limit: 7 }, async () => {
      kit.clock.advance(1)
      await broker.enqueue([specs(5, `new-${n}`)])
      await broker.remove({ ids: [`job-${n}`, `job-${n + 1}`] })
      n += 2
    })
    const flat = found.flat()
    expect(new Set(flat).size).toBe(flat.length)
    expect(flat.filter((id) => id.startsWith('job-')).length).toBeGreaterThanOrEqual(60 - n)
    expect(flat.filter((id) => id.startsWith('job-'))).toEqual(
      [...ids].reverse().filter((id) => flat.includes(id)),
    )
  })

  test('costs about as much as in one shard', async () => {
    await broker.enqueue([specs(1_000, 'job')])
    for (const { lists } of kit.shards) lists.splice(0)
    expect((await broker.list({ limit: 100 })).jobs).toHaveLength(100)
    const asked = kit.shards.flatMap(({ lists }) => lists.map(({ limit }) => limit ?? 0))
    expect(asked.length).toBeLessThanOrEqual(8)
    expect(asked.reduce((sum, limit) => sum + limit, 0)).toBeLessThanOrEqual(400)
  })

  test('goes on with a page of another size', async () => {
    const ids = await fillInTime(40)
    const first = await broker.list({ limit: 30, order: 'oldest' })
    const second = await broker.list({ limit: 2, order: 'oldest', cursor: first.cursor })
    const third = await broker.list({ limit: 30, order: 'oldest', cursor: second.cursor })
    expect([first, second, third].flatMap(({ jobs }) => jobs.map(({ id }) => id))).toEqual(ids)
    expect(third.cursor).toBeUndefined()
  })

  test.each(['', 'x', '7', 'bnVsbA', 'WzEsMiwzLDRd', 'W10', 'W1tdLFtdLFtdLFtdXQ', 'W1swXSwwLDAsMF0'])(
    'refuses the cursor %o',
    async (cursor) => {
      await expect(broker.list({ cursor })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    },
  )
})

describe('steering', () => {
  test('by ids, in the order of the caller', async () => {
    const ids = specs(12, 'job').map(({ id }) => id)
    await broker.enqueue([specs(12, 'job')])
    const { jobs } = await broker.reserve(request({ max: 2 }))
    await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
    const ended = jobs.map(({ id }) => id)
    const answer = await broker.cancel({ ids: [...ids, 'nobody'] })
    expect(answer.done).toEqual(ids.filter((id) => !ended.includes(id)))
    expect(answer.skipped.map(({ id }) => id)).toEqual(ids.filter((id) => ended.includes(id)))
    expect(answer.more).toBe(false)
  })

  test.each([1, 3, 10, 30, 40, 1_000])('by query, %i at most a call, until no more match', async (limit) => {
    await broker.enqueue([specs(30, 'job'), specs(10, 'other', { queue: 'other' })])
    const done = new Set<string>()
    for (let more = true; more; ) {
      const answer = await broker.cancel({ query: { queue: 'line' }, limit })
      expect(answer.done.length).toBeLessThanOrEqual(limit)
      for (const id of answer.done) expect(done.size).toBe(done.add(id).size - 1)
      more = answer.more
      if (limit >= 40) expect(more).toBe(false)
    }
    expect(done.size).toBe(30)
    expect((await broker.retry({ query: { states: ['cancelled'] } })).done).toHaveLength(30)
  })
})
