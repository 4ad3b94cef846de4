// A whole application over a namespace of several shards: what its users see while one of them is away for a while.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type App, offstage } from '../src/app/app.ts'
import { shardOf } from '../src/broker/shards/place.ts'
import { ShardedBroker } from '../src/broker/shards/sharded.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { silentLogger } from '../src/runtime/logger.ts'
import { type } from '../src/task/schema.ts'
import { TestShard } from './support/sharded-kit.ts'

let shards: TestShard[]
let app: App

beforeEach(() => {
  shards = Array.from({ length: 4 }, () => new TestShard({ clock: systemClock }))
  const broker = new ShardedBroker({ name: 'sharded', namespace: 'default', shards })
  app = offstage({ broker, logger: silentLogger })
})

afterEach(async () => {
  for (const shard of shards) shard.state = 'there'
  await app.close()
})

test('jobs are spread, run, and answer; what belongs together shares a shard', async () => {
  const runs = new Map<string, string[]>()
  const ship = app.task({
    name: 'ship',
    input: type<{ customer: string; number: number }>(),
    partition: { by: (order) => order.customer },
    unique: { by: (order) => `{${order.customer}}-${order.number}` },
    run: (order, { job }) => {
      runs.set(order.customer, [...(runs.get(order.customer) ?? []), job.id])
      return order.number
    },
  })
  const orders = Array.from({ length: 400 }, (_, n) => ({ customer: `customer-${n % 20}`, number: n }))
  const handles = await ship.enqueueMany(orders)
  const again = await ship.enqueueMany(orders.slice(0, 50))
  expect(again.map(({ id, duplicate }) => [id, duplicate])).toEqual(
    handles.slice(0, 50).map(({ id }) => [id, true]),
  )
  const worker = app.worker({ concurrency: 20 })
  await worker.start()
  expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(
    orders.map(({ number }) => number),
  )
  for (const [customer, ids] of runs) {
    expect(ids).toHaveLength(20)
    for (const id of ids) expect(shardOf(id, 4)).toBe(shardOf(customer, 4))
  }
  await expect(ship.enqueue(orders[0] ?? { customer: '', number: 0 }, { id: 'mine' })).rejects.toMatchObject({
    code: 'SHARD_MISMATCH',
  })
  const own = await ship.enqueue({ customer: 'customer-7', number: 999 }, { id: 'ship-{customer-7}-999' })
  expect(await own.result()).toBe(999)
  await worker.stop()
})

test.each(['away', 'hanging'] as const)(
  'a shard that is %s for a while holds up its own jobs only',
  async (state) => {
    const ran: string[] = []
    const work = app.task({ name: 'work', run: (_: number, { job }) => void ran.push(job.id) })
    const worker = app.worker({ concurrency: 10, lease: '6s' })
    await worker.start()
    const first = await work.enqueueMany(Array.from({ length: 200 }, (_, n) => n))
    const sick = shards[1]
    if (sick !== undefined) sick.state = state
    const inSick = (id: string): boolean => shardOf(id, 4) === 1
    // All of the other shards run and answer before the sick one is back.
    await Promise.all(
      first.filter(({ id }) => !inSick(id)).map((handle) => handle.result({ timeout: '20s' })),
    )
    const later = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
        .filter((id) => !inSick(id))
        .map((id) => work.enqueue(1, { id })),
    )
    await Promise.all(later.map((handle) => handle.result({ timeout: '20s' })))
    const late = work.enqueue(1, { id: ['i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'].find(inSick) ?? '' })
    if (sick !== undefined) sick.state = 'there'
    const handles = [...first, ...later, await late]
    await Promise.all(handles.map((handle) => handle.result({ timeout: '20s' })))
    // At least once: a claim whose answer was lost with its shard runs when its lease has ended.
    expect(new Set(ran)).toEqual(new Set(handles.map(({ id }) => id)))
    await worker.stop()
  },
)
