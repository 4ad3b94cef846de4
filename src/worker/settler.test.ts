import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deferred, task, WorkerKit } from '../../test/support/worker-kit.ts'
import type { HeldLease, SettleRequest } from '../broker/message.ts'
import { subscribe } from '../runtime/channels.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

const succeeded = async (id: string): Promise<boolean> => (await kit.job(id)).state === 'succeeded'

describe('a settle that fails', () => {
  test('is repeated, the handler is not, and nothing is claimed meanwhile', async () => {
    const ids = [await kit.enqueue(), await kit.enqueue(), await kit.enqueue()]
    let ran = 0
    await kit.started([task(() => ++ran)], { concurrency: 3 })
    kit.break('settle', () => Promise.reject(new Error('down')))
    await kit.until(() => ran === 3)
    kit.calls.length = 0
    await kit.enqueue()
    await kit.pass(10_000, 10)
    expect(kit.count('reserve')).toBe(0)
    expect(kit.count('settle')).toBeGreaterThan(4)
    expect(kit.count('settle')).toBeLessThan(60)
    expect(
      kit.logged('outcomes could not be recorded').filter(({ level }) => level === 'error'),
    ).toHaveLength(1)
    kit.heal('settle')
    await kit.until(async () => (await Promise.all(ids.map(succeeded))).every(Boolean), 2_100)
    await kit.until(() => ran === 4)
    expect(kit.logged('outcomes are recorded again')).toHaveLength(1)
  })

  test('a reply that was lost makes no second run', async () => {
    const id = await kit.enqueue()
    let eaten = false
    let ran = 0
    kit.break('settle', async (_, through) => {
      const reply = await through()
      if (eaten) return reply
      eaten = true
      throw new Error('reply lost')
    })
    await kit.started([task(() => ++ran)])
    await kit.until(() => succeeded(id))
    await kit.pass(20_000, 100)
    expect(ran).toBe(1)
    expect(kit.logged('was lost before')).toEqual([])
  })

  test('for a shard that is away holds nothing but the outcomes that it is for', async () => {
    const waiting = await kit.enqueue()
    let away = true
    kit.break('settle', async (args, through) => {
      const { outcomes, ...rest } = args[0] as SettleRequest
      if (!away || !outcomes.some(({ id }) => id === waiting)) return through()
      const others = outcomes.filter(({ id }) => id !== waiting)
      const { answers, ...settled } = await kit.memory.settle({ ...rest, outcomes: others })
      const left = [...answers]
      return { ...settled, answers: outcomes.map(({ id }) => (id === waiting ? 'away' : left.shift())) }
    })
    kit.break('extend', (args) => {
      const leases = args[0] as HeldLease[]
      if (!away || !leases.some(({ id }) => id === waiting)) return undefined
      return Promise.resolve(leases.map(() => 'away'))
    })
    let ran = 0
    const worker = await kit.started([task(() => ++ran)], { lease: '60s', concurrency: 1 })
    await kit.until(() => kit.logged('their shard is away').length > 0)
    for (let round = 0; round < 5; round += 1) {
      const id = await kit.enqueue()
      await kit.until(() => succeeded(id), 3_000)
      await kit.pass(1_000, 10)
    }
    expect(kit.logged('could not be recorded').filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(await succeeded(waiting)).toBe(false)
    away = false
    await kit.until(() => succeeded(waiting), 3_000)
    expect(ran).toBe(6)
    expect(worker.active).toBe(0)
  })

  test('for a shard that is away ends with the worker', async () => {
    const id = await kit.enqueue()
    kit.break('settle', (args) =>
      Promise.resolve({ answers: (args[0] as SettleRequest).outcomes.map(() => 'away') }),
    )
    const worker = await kit.started([task(() => 1)])
    await kit.until(() => kit.logged('their shard is away').length > 0)
    let stopped = false
    void worker.stop({ grace: 0 }).then(() => {
      stopped = true
    })
    await kit.until(() => stopped, 60_000)
    expect(kit.logged('an outcome was not recorded')).toMatchObject([{ level: 'error', fields: { job: id } }])
  })

  test('one outcome that the broker cannot take does not hold the others, and is given up loudly', async () => {
    const poison = await kit.enqueue()
    const others: string[] = []
    for (let i = 0; i < 40; i += 1) others.push(await kit.enqueue())
    const answers: unknown[] = []
    const stop = subscribe('offstage:settle', ({ id, outcome, answer }) => {
      if (id === poison) answers.push([outcome, answer])
    })
    kit.break('settle', (args) => {
      const { outcomes } = args[0] as SettleRequest
      return outcomes.some(({ id }) => id === poison) ? Promise.reject(new Error('bad row')) : undefined
    })
    const worker = await kit.started([task(() => null)], { lease: '3s', maintain: false, concurrency: 50 })
    await kit.until(async () => (await Promise.all(others.map(succeeded))).every(Boolean), 10_000)
    await kit.until(() => answers.length > 0, 30_000)
    stop()
    expect(answers[0]).toEqual(['given-up', 'lost'])
    expect(kit.logged('an outcome was not recorded')[0]).toMatchObject({
      level: 'error',
      fields: { job: poison },
    })
    expect(worker.active).toBe(0)
  })

  test('an outage says nothing of an outcome that is refused once more when others have got through', async () => {
    const id = await kit.enqueue()
    const other = await kit.enqueue({ task: 'other' })
    const gate = deferred()
    let down = true
    let refusals = 0
    kit.break('extend', () => (down ? Promise.reject(new Error('down')) : undefined))
    kit.break('settle', async (args, through) => {
      const { outcomes } = args[0] as SettleRequest
      const late = outcomes.some((outcome) => outcome.id === id)
      if (down || (late && refusals === 0)) {
        if (late && (await succeeded(other))) refusals += 1
        throw new Error('down')
      }
      return through()
    })
    const tasks = [task(() => null), task(() => gate.promise, { name: 'other' })]
    await kit.started(tasks, { lease: '3s', maintain: false, concurrency: 5 })
    await kit.until(() => kit.count('settle') > 0)
    await kit.pass(10_000, 50)
    gate.resolve()
    down = false
    await kit.until(() => succeeded(id), 10_000)
    expect(refusals).toBe(1)
    expect(kit.logged('was not recorded')).toEqual([])
  })

  test('an outcome that the broker cannot take does not silence a worker that has no other', async () => {
    const poison = await kit.enqueue()
    kit.break('settle', (args) => {
      const { outcomes } = args[0] as SettleRequest
      return outcomes.some(({ id, token }) => id === poison && token === 1)
        ? Promise.reject(new Error('bad row'))
        : undefined
    })
    await kit.started([task(() => null)], { lease: '3s', concurrency: 1 })
    await kit.until(() => kit.count('settle') > 2)
    const next = await kit.enqueue()
    await kit.until(() => succeeded(next), 10_000)
    expect(kit.logged('an outcome was not recorded')).toHaveLength(1)
  })

  test('is not repeated any more once the worker has stopped', async () => {
    const id = await kit.enqueue()
    const refusal = deferred<never>()
    let ran = 0
    const worker = await kit.started([task(() => ++ran)])
    kit.break('settle', () => refusal.promise)
    await kit.until(() => ran === 1 && kit.count('settle') === 1)
    let stopped = false
    void worker.stop({ grace: 0 }).then(() => {
      stopped = true
    })
    await kit.until(() => stopped)
    refusal.reject(new Error('the broker was closed'))
    await kit.pass(10_000, 50)
    expect(kit.count('settle')).toBe(1)
    expect(kit.logged('an outcome was not recorded')).toMatchObject([{ level: 'error', fields: { job: id } }])
  })

  test('a broker that is down for an hour loses no outcome', async () => {
    const id = await kit.enqueue()
    const fail = (): Promise<never> => Promise.reject(new Error('down'))
    let ran = 0
    await kit.started([task(() => ++ran)])
    for (const call of ['settle', 'extend', 'reserve', 'maintain'] as const) kit.break(call, fail)
    kit.heal('reserve')
    await kit.until(() => ran === 1)
    kit.break('reserve', fail)
    await kit.pass(3_600_000, 5_000)
    for (const call of ['reserve', 'extend', 'maintain', 'settle'] as const) kit.heal(call)
    await kit.until(() => succeeded(id))
    expect(kit.logged('was not recorded')).toEqual([])
  })
})

test('an outcome whose lease was lost is said', async () => {
  const id = await kit.enqueue()
  const gate = deferred()
  await kit.started([task(() => gate.promise)], { lease: '1s', maintain: false })
  await kit.until(async () => (await kit.job(id)).state === 'active')
  kit.break('extend', () => Promise.reject(new Error('cut off')))
  await kit.pass(1_500)
  await kit.memory.maintain()
  const answers: string[] = []
  const stop = subscribe('offstage:settle', ({ answer }) => void answers.push(answer))
  gate.resolve()
  await kit.until(() => answers.length > 0)
  stop()
  expect(answers[0]).toBe('lost')
  expect(kit.logged('was lost before its outcome was recorded')[0]?.level).toBe('warn')
})

test('outcomes of one turn travel together with the next claim', async () => {
  for (let i = 0; i < 10; i += 1) await kit.enqueue()
  await kit.started([task(async () => null)], { concurrency: 10 })
  await kit.until(async () => kit.count('settle') > 0)
  const [first] = kit.calls.filter(({ name }) => name === 'settle')
  const request = first?.args[0] as SettleRequest
  expect(request.outcomes).toHaveLength(10)
  expect(request.next).toMatchObject({ starting: 10, suspects: 1 })
})

test('a prefetched job that runs on is reported as started without waiting for an outcome', async () => {
  const gate = deferred()
  for (let i = 0; i < 50; i += 1) await kit.enqueue({ task: 'quick' })
  const id = await kit.enqueue()
  await kit.started([task(() => gate.promise), task(() => null, { name: 'quick' })], { concurrency: 2 })
  await kit.until(async () => (await kit.job(id)).lease?.started === true, 100)
  const announced = kit.calls.filter(
    ({ name, args }) => name === 'settle' && ((args[0] as SettleRequest).started?.length ?? 0) > 0,
  )
  expect(announced.length).toBeGreaterThan(0)
  gate.resolve()
})
