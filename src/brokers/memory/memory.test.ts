// What the laws leave open or only touch: the edges of the memory broker's own rules.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobEvent, Outcome, ReservedJob, ReserveRequest } from '../../broker/contract.ts'
import type { JobRecord, JobSpec } from '../../job/record.ts'
import { canMove, type JobState } from '../../job/states.ts'
import {
  everyOutcome,
  failed,
  json,
  request as lawRequest,
  spec as lawSpec,
  QUEUE,
  released,
  request,
  retry,
  snoozed,
  spec,
  specs,
  succeeded,
  unique,
  unknown,
} from '../../laws/factories.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { type MemoryBroker, memory } from './memory.ts'

const DAY_MS = 86_400_000
const AT_ONCE = { succeededMs: 0, failedMs: 0, cancelledMs: 0 }

let clock: ManualClock
let broker: MemoryBroker

beforeEach(async () => {
  clock = new ManualClock()
  broker = memory({ clock, namespace: 'shop' })
  await broker.open()
})
afterEach(() => broker.close())

const add = (...jobs: Partial<JobSpec>[]): Promise<unknown> => broker.enqueue([jobs.map((one) => spec(one))])
const reserve = async (fields: Partial<ReserveRequest> = {}): Promise<readonly ReservedJob[]> =>
  (await broker.reserve(request({ max: 100, ...fields }))).jobs
const settle = (...outcomes: Outcome[]): Promise<unknown> => broker.settle({ outcomes })

async function claim(fields: Partial<ReserveRequest> = {}): Promise<ReservedJob> {
  const [job] = await reserve({ max: 1, ...fields })
  if (job === undefined) throw new Error('nothing is ready')
  return job
}

async function job(id: string): Promise<JobRecord> {
  const [record] = await broker.get([id])
  if (record === undefined) throw new Error(`there is no job ${id}`)
  return record
}

const state = async (id: string): Promise<JobState | undefined> => (await broker.get([id]))[0]?.state

describe('opening and closing', () => {
  test('nothing works before open, nor after close, and open does not bring it back', async () => {
    const other = memory()
    await expect(other.reserve(request())).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await other.open()
    await other.open()
    expect(await other.maintain()).toMatchObject({ more: false })
    await other.close()
    await expect(other.open()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await expect(other.limits()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await other.wake([QUEUE], new AbortController().signal)
  })

  test('close ends waits and leaves no timer', async () => {
    await add({ delayMs: 5_000 })
    const idle = broker.wake([QUEUE], new AbortController().signal)
    expect(clock.waiting).toBe(1)
    await broker.close()
    await idle
    expect(clock.waiting).toBe(0)
  })

  test('health tells facts', async () => {
    await add({}, {})
    const health = await broker.health()
    expect(health).toMatchObject({ now: clock.now(), facts: { jobs: 2, queues: 1, tombstones: 0 } })
    expect((await job((await reserve())[0]?.id ?? '')).namespace).toBe('shop')
  })
})

describe('waking', () => {
  test('whoever took all there was waits; news in between is not missed', async () => {
    await add({ id: 'a' })
    expect((await reserve()).length).toBe(1)
    let woken = 0
    const wake = (): Promise<unknown> =>
      broker.wake([QUEUE], new AbortController().signal).then(() => (woken += 1))
    const first = wake()
    await Promise.resolve()
    expect(woken).toBe(0)
    await add({ id: 'b' })
    await first
    await wake()
    expect(woken).toBe(2)
    await reserve()
    const third = wake()
    await Promise.resolve()
    expect(woken).toBe(2)
    await broker.close()
    await third
  })

  test('comes when something falls due, at the earlier time when one comes to be known', async () => {
    await add({ id: 'far', delayMs: 10_000 })
    await reserve()
    let woken = false
    const waiting = broker.wake([QUEUE], new AbortController().signal).then(() => (woken = true))
    await add({ id: 'near', delayMs: 500 })
    clock.advance(499)
    await Promise.resolve()
    expect(woken).toBe(false)
    clock.advance(1)
    await waiting
    expect((await reserve()).map(({ id }) => id)).toEqual(['near'])
  })

  test('a paused queue has nothing that falls due', async () => {
    await add({ delayMs: 500 })
    await broker.pause(QUEUE, true)
    expect((await broker.reserve(request())).nextDueInMs).toBeUndefined()
  })
})

describe('time', () => {
  test('never runs backwards, whatever the clock does', async () => {
    const jumping = { now: 5_000 }
    const real = new ManualClock()
    const other = memory({
      clock: { now: () => jumping.now, monotonic: () => 0, schedule: (ms, run) => real.schedule(ms, run) },
    })
    await other.open()
    await other.enqueue([[spec({ id: 'a' })]])
    jumping.now = 1_000
    await other.enqueue([[spec({ id: 'b' })]])
    const [a, b] = await other.get(['a', 'b'])
    expect([a?.createdAt, b?.createdAt]).toEqual([5_000, 5_000])
    await other.close()
  })

  test('a put-back without delay is ready at once, at the end of its lane', async () => {
    await add({ id: 'a' }, { id: 'b' })
    await settle(retry(await claim(), 0))
    expect(await state('a')).toBe('ready')
    await add({ id: 'c' })
    expect((await reserve()).map(({ id }) => id)).toEqual(['b', 'a', 'c'])
  })
})

describe('expiry', () => {
  test('what was claimed and given back without a start still expires', async () => {
    await add({ id: 'a', expiresInMs: 100 })
    await settle(released(await claim()))
    await settle(unknown(await claim(), 10))
    clock.advance(101)
    await broker.maintain()
    expect(await job('a')).toMatchObject({ state: 'cancelled', reason: 'expired' })
  })

  test('what has started once does not, also when its worker died', async () => {
    await add({ id: 'lost', expiresInMs: 100 }, { id: 'snoozed', expiresInMs: 100 })
    const [, second] = await reserve({ leaseMs: 50 })
    await settle(snoozed(second ?? { id: '', token: 0 }, 10))
    clock.advance(200)
    await broker.maintain()
    expect([await state('lost'), await state('snoozed')]).toEqual(['ready', 'ready'])
  })

  test('a person’s retry does not expire again', async () => {
    await add({ id: 'a', expiresInMs: 100 })
    clock.advance(100)
    expect(await reserve()).toEqual([])
    expect(await state('a')).toBe('cancelled')
    await broker.retry({ ids: ['a'] })
    await broker.maintain()
    expect((await claim()).id).toBe('a')
  })

  test('many expired jobs are cleared in bounded steps by the claims themselves', async () => {
    await broker.enqueue(
      [specs(700, 'old', { expiresInMs: 10 }), [spec({ id: 'fresh' })]].flat().map((one) => [one]),
    )
    clock.advance(10)
    const first = await broker.reserve(request({ max: 5 }))
    expect([first.jobs, first.nextDueInMs]).toEqual([[], 0])
    expect((await reserve()).map(({ id }) => id)).toEqual(['fresh'])
  })
})

describe('unique keys', () => {
  test('replace ends what waits, with its dependents, and keeps what runs', async () => {
    const key = unique('k', { onConflict: 'replace' })
    await add({ id: 'a', unique: key }, { id: 'then', after: [{ id: 'a', when: 'succeeded' }] })
    await add({ id: 'b', unique: key })
    expect(await job('a')).toMatchObject({ state: 'cancelled', reason: 'replaced' })
    expect(await job('then')).toMatchObject({ state: 'cancelled', reason: 'dependency' })
    await claim()
    const [answer] = await broker.enqueue([[spec({ id: 'c', unique: key })]])
    expect(answer).toEqual({ ok: true, jobs: [{ status: 'duplicate', id: 'b', by: 'unique' }] })
  })

  test('while waiting: freed by the first claim, and not taken again by a retry of the attempt', async () => {
    const key = unique('k', { during: 'waiting' })
    await add({ id: 'a', unique: key })
    await settle(retry(await claim(), 0))
    await add({ id: 'b', unique: key })
    expect(await state('b')).toBe('ready')
  })

  test('a person’s retry takes the key again, or leaves the job alone', async () => {
    const key = unique('k')
    await add({ id: 'a', unique: key })
    await settle(failed(await claim()))
    await add({ id: 'b', unique: key })
    const ended = { id: 'a', state: 'failed' }
    expect(await broker.retry({ ids: ['a'] })).toEqual({ done: [], skipped: [ended], more: false })
    expect(await broker.retry({ query: { states: ['failed'] } })).toEqual({
      done: [],
      skipped: [ended],
      more: false,
    })
    await broker.remove({ ids: ['b'] })
    expect((await broker.retry({ ids: ['a'] })).done).toEqual(['a'])
    const [answer] = await broker.enqueue([[spec({ id: 'c', unique: key })]])
    expect(answer).toMatchObject({ jobs: [{ by: 'unique', id: 'a' }] })
  })

  test('inside a refused group no key is taken and nobody is replaced', async () => {
    const key = unique('k', { onConflict: 'replace' })
    await add({ id: 'a', unique: key }, { id: 'taken', task: 'other' })
    const [answer] = await broker.enqueue([[spec({ id: 'b', unique: key }), spec({ id: 'taken' })]])
    expect(answer).toMatchObject({ ok: false, code: 'ID_TAKEN' })
    expect([await state('a'), await state('b')]).toEqual(['ready', undefined])
  })

  test('a dependency on a job that turned out to be a duplicate is missing', async () => {
    await add({ id: 'holder', unique: unique('k') })
    const group = [
      spec({ id: 'dup', unique: unique('k') }),
      spec({ id: 'then', after: [{ id: 'dup', when: 'ended' }] }),
    ]
    expect(await broker.enqueue([group])).toMatchObject([
      { ok: false, code: 'DEPENDENCY_MISSING', id: 'then' },
    ])
  })
})

describe('dependencies', () => {
  test('a cancel reaches a hundred dependents at once and leaves the rest to upkeep', async () => {
    await add({ id: 'a' })
    await broker.enqueue([specs(150, 'd', { after: [{ id: 'a', when: 'succeeded' }] })])
    await broker.cancel({ ids: ['a'] })
    const cancelled = async (): Promise<number> =>
      (await broker.list({ states: ['cancelled'], limit: 1_000 })).jobs.length
    expect(await cancelled()).toBe(101)
    expect(await broker.maintain()).toMatchObject({ spread: 50, more: false })
    expect(await cancelled()).toBe(151)
  })

  test('who was retried by a person before the news came is left alone', async () => {
    await add({ id: 'a' })
    await broker.enqueue([specs(150, 'd', { after: [{ id: 'a', when: 'succeeded' }] })])
    const a = await claim()
    await broker.cancel({ ids: ['d-149'] })
    await broker.retry({ ids: ['d-149'] })
    await settle(failed(a))
    await broker.maintain()
    expect(await state('d-149')).toBe('ready')
  })

  test('removing what is needed ends the wait for it, and its id may be used again', async () => {
    await add({ id: 'a' }, { id: 'b', after: [{ id: 'a', when: 'ended' }] })
    await broker.remove({ ids: ['a'] })
    expect(await state('b')).toBe('ready')
    await add({ id: 'a' })
    expect((await reserve()).map(({ id }) => id)).toEqual(['b', 'a'])
  })

  test('a retried dead letter needs its dependencies’ records again', async () => {
    await add(
      { id: 'a', retention: { ...AT_ONCE, succeededMs: 100 } },
      { id: 'b', after: [{ id: 'a', when: 'ended' }] },
    )
    await settle(succeeded(await claim()))
    await settle(failed(await claim()))
    await broker.retry({ ids: ['b'] })
    clock.advance(200)
    await broker.maintain()
    expect(await state('a')).toBe('succeeded')
    await settle(succeeded(await claim()))
    await broker.maintain()
    expect(await state('a')).toBeUndefined()
  })

  test('staged jobs that a person cancelled are not part of the flip', async () => {
    await add({ id: 'a', workflow: 'w', staged: true }, { id: 'b', workflow: 'w', staged: true })
    await broker.cancel({ ids: ['a'] })
    expect(await broker.publish('w')).toBe(true)
    expect((await reserve()).map(({ id }) => id)).toEqual(['b'])
    await add({ id: 'c', workflow: 'w', staged: true })
    await broker.remove({ ids: ['c'] })
    expect(await broker.publish('w')).toBe(false)
  })

  test('a staged workflow is given up a day after its last job, in bounded steps', async () => {
    await broker.enqueue([specs(600, 'job', { workflow: 'w', staged: true })])
    clock.advance(DAY_MS - 1)
    await add({ id: 'last', workflow: 'w', staged: true })
    clock.advance(DAY_MS - 1)
    expect(await broker.maintain()).toMatchObject({ pruned: 0, nextDueInMs: 1 })
    clock.advance(1)
    expect(await broker.maintain()).toMatchObject({ pruned: 500, more: true })
    expect(await broker.maintain()).toMatchObject({ pruned: 101, more: false })
    expect((await broker.list({})).jobs).toEqual([])
  })
})

describe('retention', () => {
  test('of nothing: gone with the outcome itself, and a late repeat gets its answer for five minutes', async () => {
    await add({ id: 'a', retention: AT_ONCE })
    const a = await claim()
    await settle(succeeded(a))
    expect(await state('a')).toBeUndefined()
    expect(await broker.settle({ outcomes: everyOutcome(a) })).toMatchObject({
      answers: ['ok', 'lost', 'lost', 'lost', 'lost', 'lost', 'lost'],
    })
    clock.advance(300_000)
    expect(await broker.settle({ outcomes: [succeeded(a)] })).toEqual({ answers: ['lost'] })
    await broker.maintain()
    expect((await broker.health()).facts).toMatchObject({ jobs: 0, tombstones: 0 })
  })

  test('an outcome that a cancel turned into another is answered as it was sent', async () => {
    await add({ id: 'a' })
    const a = await claim()
    await broker.cancel({ ids: ['a'] })
    await settle(retry(a, 1_000))
    expect(await state('a')).toBe('cancelled')
    expect(await broker.settle({ outcomes: [retry(a, 1_000), succeeded(a)] })).toEqual({
      answers: ['ok', 'lost'],
    })
  })
})

describe('crashes', () => {
  /** A worker starts the next job and is never heard of again. */
  async function die(): Promise<void> {
    const { id, token } = await claim({ leaseMs: 50 })
    await broker.extend([{ id, token, started: true }], 50)
    clock.advance(51)
    await broker.maintain()
  }

  test('an outcome clears the mark, the count stays', async () => {
    await add({ id: 'a', maxCrashes: 2 })
    for (const crashes of [0, 1]) {
      await die()
      expect(await job('a')).toMatchObject({ state: 'ready', suspect: true, crashes })
    }
    await settle(retry(await claim(), 0))
    expect(await job('a')).toMatchObject({ suspect: false, crashes: 1, failures: 1 })
    await die()
    expect(await job('a')).toMatchObject({ state: 'ready', suspect: true, crashes: 1 })
    await die()
    const dead = {
      state: 'failed',
      reason: 'crashes-exhausted',
      crashes: 2,
      error: { code: 'WORKER_CRASHED' },
    }
    expect(await job('a')).toMatchObject(dead)
    const rows = await broker.counters(0, clock.now() + 60_000)
    expect(rows).toMatchObject([{ enqueued: 1, retried: 1, crashed: 2, failed: 1 }])
  })
})

describe('what attempts write and who listens', () => {
  test('events come after the call, never within it', async () => {
    const heard: JobEvent[] = []
    const stop = new AbortController()
    const listening = broker.events((events) => void heard.push(...events), stop.signal)
    const enqueued = add({ id: 'a' })
    expect(heard).toEqual([])
    await enqueued
    await settle(succeeded(await claim()))
    await Promise.resolve()
    expect(heard.map((event) => event.state)).toEqual(['ready', 'active', 'succeeded'])
    stop.abort()
    await listening
  })

  test('every move that is told is one of the table', async () => {
    const last = new Map<string, JobState>()
    const wrong: string[] = []
    const stop = new AbortController()
    const listening = broker.events((events) => {
      for (const { kind, id, state: to } of events) {
        if (kind === 'state' && !canMove(last.get(id) ?? 'none', to))
          wrong.push(`${id}: ${last.get(id)} to ${to}`)
        last.set(id, to)
      }
    }, stop.signal)
    const after = { id: 'job-0', when: 'succeeded' } as const
    await broker.enqueue([
      specs(8, 'job'),
      [spec({ id: 'dep', after: [after] })],
      [spec({ id: 'late', delayMs: 10 })],
    ])
    const jobs = await reserve()
    await settle(...jobs.slice(0, 7).flatMap((one, at) => everyOutcome(one)[at] ?? []))
    await broker.cancel({ ids: ['job-7', 'late'] })
    clock.advance(100_000)
    await broker.maintain()
    await broker.retry({ ids: ['job-7', 'late', 'job-2'] })
    await reserve()
    stop.abort()
    await listening
    expect(wrong).toEqual([])
    expect(last.size).toBe(10)
  })

  test('steps, logs and progress are copies', async () => {
    await add({ id: 'a' })
    const { id, token } = await claim()
    const value = json({ n: 1 })
    await broker.write([
      { id, token, kind: 'step', name: 's', value },
      { id, token, kind: 'progress', value },
    ])
    value.bytes.fill(0)
    for (const step of await broker.steps(id)) {
      expect(step.value).toEqual(json({ n: 1 }))
      step.value.bytes.fill(0)
    }
    expect((await broker.steps(id))[0]?.value).toEqual(json({ n: 1 }))
    expect((await job(id)).progress).toEqual(json({ n: 1 }))
  })

  test('counters are kept for a day', async () => {
    await add({})
    clock.advance(DAY_MS - 60_000)
    expect((await broker.counters(0, clock.now())).length).toBe(1)
    clock.advance(120_000)
    expect(await broker.counters(0, clock.now())).toEqual([])
  })
})

describe('schedules', () => {
  test('a tick whose job is there or refused still moves the schedule on', async () => {
    const { id: _, ...rest } = spec()
    const base = { id: 's', rule: { every: 1 }, job: rest, paused: false }
    await broker.putSchedule({ ...base, nextAt: 10 })
    await add({ id: 'x', task: 'other' })
    expect(await broker.fire({ schedule: 's', tick: 10, nextAt: 20, job: spec({ id: 'x' }) })).toBe(true)
    expect(await broker.schedules()).toMatchObject([{ nextAt: 20, lastAt: 10 }])
    await broker.putSchedule({ ...base, nextAt: 99 })
    expect(await broker.schedules()).toMatchObject([{ nextAt: 20, lastAt: 10 }])
  })
})

describe('asking and steering', () => {
  test('a cursor that is none is refused', async () => {
    for (const cursor of ['', 'x', '-1', '1.5'])
      await expect(broker.list({ cursor })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  test('a page that ends with the last job has no cursor, and one that read enough has one', async () => {
    await broker.enqueue([specs(30, 'job')])
    expect((await broker.list({ limit: 30 })).cursor).toBeUndefined()
    const page = await broker.list({ limit: 2, tag: 'none' })
    expect([page.jobs.length, page.cursor !== undefined]).toEqual([0, true])
  })

  test('cancel by query comes to an end while what it marked still runs', async () => {
    await broker.enqueue([specs(5, 'job')])
    await reserve()
    const first = await broker.cancel({ query: {}, limit: 3 })
    const second = await broker.cancel({ query: {}, limit: 3 })
    const third = await broker.cancel({ query: {}, limit: 3 })
    expect([first.done.length, first.more, second.done.length, second.more]).toEqual([3, true, 2, false])
    expect(third).toEqual({ done: [], skipped: [], more: false })
  })

  test('an action by query passes over what its steps have taken along', async () => {
    await add({ id: 'a' }, { id: 'b', after: [{ id: 'a', when: 'succeeded' }] }, { id: 'c' })
    expect(await broker.cancel({ query: {} })).toEqual({ done: ['a', 'c'], skipped: [], more: false })
    expect(await job('b')).toMatchObject({ state: 'cancelled', reason: 'dependency' })
  })
})

test('a clock that goes on during a claim hands out nothing before the time that the claim tells', async () => {
  class Hasty extends ManualClock {
    override now(): number {
      this.advance(1)
      return super.now()
    }
  }
  const hasty = memory({ clock: new Hasty() })
  await hasty.open()
  for (let delayMs = 1; delayMs <= 60; delayMs += 1) await hasty.enqueue([[lawSpec({ delayMs })]])
  const claimed: ReservedJob[] = []
  while (claimed.length < 60) {
    const { jobs, now } = await hasty.reserve(lawRequest({ max: 100 }))
    for (const job of jobs) expect((await hasty.get([job.id]))[0]?.runAt ?? 0).toBeLessThanOrEqual(now)
    claimed.push(...jobs)
  }
  await hasty.close()
})
