import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Kit, shardedKit, TestShard } from '../../../test/support/sharded-kit.ts'
import { OffstageError } from '../../errors/error.ts'
import { request, spec, specs, succeeded } from '../../laws/factories.ts'
import { ShardedBroker } from './sharded.ts'

let kit: Kit
let broker: ShardedBroker
/** The shard with the trouble. */
let sick: TestShard

beforeEach(async () => {
  kit = await shardedKit(4)
  broker = kit.broker
  sick = kit.shards[1] as TestShard
})

afterEach(() => broker.close())

const fill = async (): Promise<void> => {
  await broker.enqueue([[0, 1, 2, 3].flatMap((shard) => [kit.jobIn(shard), kit.jobIn(shard)])])
  kit.calls()
}

/** What a call comes to while the clock goes on, for calls that wait for a shard that hangs. */
async function inTime<T>(call: Promise<T>): Promise<T> {
  let over = false
  const done = (): void => {
    over = true
  }
  call.then(done, done)
  for (let ms = 0; !over && ms < 20_000; ms += 50) {
    await new Promise(setImmediate)
    if (!over) kit.clock.advance(50)
  }
  return call
}

/** Somebody who waits for a call. */
function wait(): { woken: () => boolean; end: () => Promise<void> } {
  const stop = new AbortController()
  let over = false
  const waking = broker.wake(['line'], stop.signal).then(() => {
    over = true
  })
  return {
    woken: () => over,
    end: () => {
      stop.abort()
      return waking
    },
  }
}

describe.each(['away', 'hanging'] as const)('while one shard is %s', (state) => {
  test('jobs of the others are claimed, and it is not asked again and again', async () => {
    await fill()
    sick.state = state
    const { jobs } = await inTime(broker.reserve(request({ max: 50 })))
    expect(jobs).toHaveLength(6)
    await fill()
    for (let round = 0; round < 5; round += 1) await broker.reserve(request({ max: 1 }))
    expect(kit.calls()[1]).toEqual([])
    // It takes part again soon after it is back, and at the latest within a second.
    sick.state = 'there'
    kit.clock.advance(1_000)
    expect((await broker.reserve(request({ max: 50 }))).jobs.length).toBeGreaterThan(0)
    expect(kit.calls()[1]).not.toEqual([])
  })

  test('outcomes in the others are recorded, and the next are claimed there', async () => {
    await fill()
    const { jobs } = await broker.reserve(request({ max: 8 }))
    await broker.enqueue([Array.from({ length: 9 }, () => kit.jobIn(2))])
    sick.state = state
    const outcomes = jobs.map((job) => succeeded(job))
    const settled = await inTime(broker.settle({ outcomes, next: request({ max: 9 }) }))
    const ids = await idsIn(sick)
    expect(settled.answers).toEqual(jobs.map(({ id }) => (ids.includes(id) ? 'away' : 'ok')))
    expect(settled.next?.jobs).toHaveLength(9)
    sick.state = 'there'
    kit.clock.advance(1_000)
    expect((await broker.settle({ outcomes })).answers).toEqual(jobs.map(() => 'ok'))
  })

  test('whoever begins to wait while it rests hears of it once it is back', async () => {
    sick.state = state
    await inTime(broker.reserve(request({ max: 50 })))
    const waiter = wait()
    sick.state = 'there'
    kit.clock.advance(1_000)
    await new Promise(setImmediate)
    expect(waiter.woken()).toBe(false)
    await sick.enqueue([[kit.jobIn(1)]])
    await new Promise(setImmediate)
    expect(waiter.woken()).toBe(true)
    await waiter.end()
  })

  test('a cancel is heard by whoever began to wait while it was away, also when a claim comes first', async () => {
    await broker.enqueue([[kit.jobIn(1)]])
    const { jobs } = await broker.reserve(request({ max: 1 }))
    sick.state = state
    await inTime(broker.reserve(request({ max: 50 })))
    const waiter = wait()
    sick.state = 'there'
    const held = jobs.map(({ id, token }) => ({ id, token, started: true }))
    expect(await broker.extend(held, 60_000)).toEqual(['ok'])
    await broker.cancel({ ids: jobs.map(({ id }) => id) })
    expect((await broker.reserve(request({ max: 50 }))).jobs).toEqual([])
    await new Promise(setImmediate)
    kit.clock.advance(1_000)
    await new Promise(setImmediate)
    expect(waiter.woken()).toBe(true)
    await waiter.end()
  })

  test('what it called for while it rested is not forgotten when another shard calls first', async () => {
    sick.state = state
    await inTime(broker.reserve(request({ max: 50 })))
    const first = broker.wake(['line'], new AbortController().signal)
    sick.state = 'there'
    await sick.enqueue([[kit.jobIn(1)]])
    // It says so once, and no more than that.
    sick.wake = (_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
    await new Promise(setImmediate)
    await broker.enqueue([[kit.jobIn(2)]])
    await first
    expect((await broker.reserve(request({ max: 50 }))).jobs).toHaveLength(1)
    const waiter = wait()
    await new Promise(setImmediate)
    expect(waiter.woken()).toBe(false)
    kit.clock.advance(1_000)
    await new Promise(setImmediate)
    expect(waiter.woken()).toBe(true)
    await waiter.end()
  })

  test('leases in the others are extended in time', async () => {
    await fill()
    const { jobs } = await broker.reserve(request({ max: 8 }))
    sick.state = state
    const startedAt = kit.clock.monotonic()
    const held = jobs.map(({ id, token }) => ({ id, token, started: true }))
    const answers = await inTime(broker.extend(held, 3_000))
    expect(kit.clock.monotonic() - startedAt).toBeLessThanOrEqual(1_000)
    const ids = await idsIn(sick)
    expect(answers).toEqual(jobs.map(({ id }) => (ids.includes(id) ? 'away' : 'ok')))
  })

  test('jobs of the others are stored; the groups it is needed for are told', async () => {
    sick.state = state
    const good = kit.jobIn(0)
    const answers = await inTime(broker.enqueue([[good], [kit.jobIn(1)], [kit.jobIn(2), kit.jobIn(1)]]))
    expect(answers).toMatchObject([
      { ok: true, jobs: [{ status: 'enqueued', id: good.id }] },
      { ok: false, code: 'BROKER_UNAVAILABLE' },
      { ok: false, code: 'BROKER_UNAVAILABLE' },
    ])
  })

  test('upkeep goes on in the others, and tries it in the background', async () => {
    await broker.enqueue([[0, 1, 2, 3].map((shard) => kit.jobIn(shard, { delayMs: 10 }))])
    kit.clock.advance(10)
    sick.state = state
    expect((await inTime(broker.maintain())).promoted).toBe(3)
    kit.calls()
    await broker.maintain()
    expect(kit.calls()).toEqual([['maintain'], ['maintain'], ['maintain'], ['maintain']])
    sick.state = 'there'
    kit.clock.advance(2_000)
    await inTime(broker.maintain())
    await inTime(broker.maintain())
    expect(await broker.list({ states: ['ready'] })).toMatchObject({ jobs: [{}, {}, {}, {}] })
  })

  test('health says which', async () => {
    sick.state = state
    const health = await inTime(broker.health())
    expect(health.warnings).toHaveLength(1)
    expect(health.warnings[0]).toMatch(/^shard 1: does not answer/)
  })
})

describe('a shard that is away at the start', () => {
  const start = (): { fresh: ShardedBroker; shards: readonly TestShard[] } => {
    const shards = [0, 1, 2, 3].map(() => new TestShard({ clock: kit.clock }))
    const fresh = new ShardedBroker({ name: 'sharded', namespace: 'default', shards, clock: kit.clock })
    return { fresh, shards }
  }

  test('does not keep the others from their work, and is opened when it is back', async () => {
    const { fresh, shards } = start()
    const late = shards[1] as TestShard
    late.state = 'away'
    await fresh.open()
    const stop = new AbortController()
    const waiting = Promise.all([
      fresh.wake(['line'], stop.signal),
      fresh.events(() => undefined, stop.signal),
    ])
    const jobs = [0, 1, 2, 3].map((shard) => kit.jobIn(shard))
    const answers = await fresh.enqueue(jobs.map((job) => [job]))
    expect(answers.map(({ ok }) => ok)).toEqual([true, false, true, true])
    expect((await fresh.reserve(request({ max: 9 }))).jobs).toHaveLength(3)
    stop.abort()
    await waiting
    late.state = 'there'
    kit.clock.advance(1_000)
    expect((await fresh.enqueue(jobs.map((job) => [job]))).map(({ ok }) => ok)).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect((await fresh.reserve(request({ max: 9 }))).jobs).toHaveLength(1)
    await fresh.close()
  })

  test('is an outage where it is all of them', async () => {
    const { fresh, shards } = start()
    for (const shard of shards) shard.state = 'away'
    await expect(fresh.open()).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    for (const shard of shards) shard.state = 'there'
    await fresh.open()
    expect((await fresh.reserve(request())).jobs).toEqual([])
    await fresh.close()
    await expect(fresh.open()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  })
})

test('jobs that come after a claim was given up are given back', async () => {
  await fill()
  const late: (() => void)[] = []
  const reserve = sick.reserve.bind(sick)
  sick.reserve = async (asked) => {
    await new Promise<void>((resolve) => late.push(resolve))
    return reserve(asked)
  }
  const { jobs } = await inTime(broker.reserve(request({ max: 50 })))
  expect(jobs).toHaveLength(6)
  for (const resolve of late) resolve()
  await inTime(Promise.resolve())
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate)
  expect(await sick.list({ states: ['ready'] })).toMatchObject({ jobs: [{}, {}] })
})

test('where no shard answers, calls reject', async () => {
  await fill()
  const { jobs } = await broker.reserve(request({ max: 8 }))
  for (const shard of kit.shards) shard.state = 'away'
  const unavailable = { code: 'BROKER_UNAVAILABLE' }
  await expect(broker.reserve(request({ max: 8 }))).rejects.toMatchObject(unavailable)
  await expect(broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })).rejects.toMatchObject(
    unavailable,
  )
  const held = jobs.map(({ id, token }) => ({ id, token, started: true }))
  await expect(broker.extend(held, 9_000)).rejects.toMatchObject(unavailable)
  await expect(broker.enqueue([specs(20, 'job')])).rejects.toMatchObject(unavailable)
  await expect(broker.maintain()).rejects.toMatchObject(unavailable)
  await expect(broker.health()).rejects.toMatchObject(unavailable)
  for (const shard of kit.shards) shard.state = 'there'
  kit.clock.advance(1_000)
  expect((await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })).answers).toEqual(
    jobs.map(() => 'ok'),
  )
})

test('what has to know of all jobs that it is asked for rejects while a shard is away', async () => {
  await fill()
  sick.state = 'away'
  const unavailable = { code: 'BROKER_UNAVAILABLE' }
  await expect(broker.get([kit.jobIn(1).id, kit.jobIn(0).id])).rejects.toMatchObject(unavailable)
  expect(await broker.get([kit.jobIn(0).id])).toEqual([undefined])
  await expect(broker.list({})).rejects.toMatchObject(unavailable)
})

test('outcomes that were recorded are answered, whatever became of the claim', async () => {
  await fill()
  const { jobs } = await broker.reserve(request({ max: 8 }))
  const well = jobs.slice(0, 1)
  const home = well[0]?.id ?? ''
  for (const shard of kit.shards) if (!(await idsIn(shard)).includes(home)) shard.state = 'away'
  for (let round = 0; round < 8; round += 1) {
    const outcomes = well.map((job) => succeeded(job))
    const settled = await broker.settle({ outcomes, next: request({ max: 0 }) })
    expect(settled.answers).toEqual(['ok'])
    kit.clock.advance(2_000)
  }
})

test('an error of the call itself is not taken for an outage', async () => {
  await fill()
  const { jobs } = await broker.reserve(request({ max: 8 }))
  sick.settle = () => Promise.reject(new OffstageError('STORE_FAILED', 'a bad row'))
  const outcomes = jobs.map((job) => succeeded(job))
  await expect(broker.settle({ outcomes, next: request({ max: 3 }) })).rejects.toMatchObject({
    code: 'STORE_FAILED',
  })
  kit.calls()
  expect((await broker.reserve(request({ max: 1 }))).jobs).toEqual([])
  expect(kit.calls()[1]).toContain('reserve')
})

test('opening says so where no shard is there, however long each took to fail', async () => {
  const { clock } = kit
  const gone = new OffstageError('BROKER_UNAVAILABLE', 'the node is away')
  const shards = [0, 5_000].map((ms) => {
    const shard = new TestShard({ clock })
    shard.open = () => new Promise((_, reject) => void clock.schedule(ms, () => reject(gone)))
    return shard
  })
  const fresh = new ShardedBroker({ name: 'sharded', namespace: 'default', shards, clock })
  await expect(inTime(fresh.open())).rejects.toBe(gone)
})

test('jobs that were claimed in a trip that failed elsewhere are given back', async () => {
  await fill()
  const { jobs } = await broker.reserve(request({ max: 8 }))
  await broker.enqueue([[0, 2, 3].map((shard) => kit.jobIn(shard))])
  sick.settle = () => Promise.reject(new OffstageError('STORE_FAILED', 'a bad row'))
  const outcomes = jobs.map((job) => succeeded(job))
  await expect(broker.settle({ outcomes, next: request({ max: 1 }) })).rejects.toThrow('a bad row')
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
  expect((await broker.list({ states: ['ready'] })).jobs).toHaveLength(3)
})

test('a group that cannot be looked at is not stored in part', async () => {
  sick.state = 'away'
  const own = kit.jobIn(1, { id: 'own' })
  const other = spec({ id: '{other}' })
  const [answer] = await broker.enqueue([[kit.jobIn(0), other, own]])
  expect(answer).toMatchObject({ ok: false, code: 'BROKER_UNAVAILABLE' })
  for (const shard of kit.shards) expect(shard.calls).not.toContain('enqueue')
})

async function idsIn(shard: TestShard): Promise<string[]> {
  const { state } = shard
  shard.state = 'there'
  const { jobs } = await shard.list({})
  shard.state = state
  return jobs.map(({ id }) => id)
}
