import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Deferred, deferred, task, turns, WorkerKit } from '../../test/support/worker-kit.ts'
import { ManualClock } from '../runtime/manual-clock.ts'
import { Concurrency, type Range } from './concurrency.ts'
import type { Gauge, Load } from './gauge.ts'

const EASY: Load = { delayMs: 0, memory: 0.1 }
const LATE: Load = { ...EASY, delayMs: 101 }

/** The actor alone, under loads that the test sets. */
class Alone {
  readonly clock: ManualClock = new ManualClock()
  load: Load = EASY
  full = true
  rises = 0
  gauges = 0
  readonly concurrency: Concurrency

  constructor(range: Range) {
    const gauge = (): Gauge => {
      this.gauges += 1
      const stop = (): void => {
        this.gauges -= 1
      }
      return { read: () => this.load, stop }
    }
    const onRise = (): void => {
      this.rises += 1
    }
    this.concurrency = new Concurrency(this.clock, range, { gauge, isFull: () => this.full, onRise })
    this.concurrency.start()
  }

  /** The numbers after each of so many looks. */
  looks(count: number): number[] {
    return Array.from({ length: count }, () => {
      this.clock.advance(500)
      return this.concurrency.now
    })
  }
}

describe('the number', () => {
  test.each([
    [{ min: 1, max: 100 }, 10],
    [{ min: 1, max: 4 }, 4],
    [{ min: 20, max: 40 }, 20],
    [{ min: 7, max: 7 }, 7],
  ])('of %o starts at %i', (range, start) => {
    expect(new Alone(range).concurrency.now).toBe(start)
  })

  test('one that is fixed looks at nothing', () => {
    const alone = new Alone({ min: 7, max: 7 })
    alone.load = LATE
    expect(alone.looks(5)).toEqual([7, 7, 7, 7, 7])
    expect([alone.gauges, alone.clock.waiting]).toEqual([0, 0])
  })

  test('rises by a fiftieth of the range while all slots are taken, up to the ceiling', () => {
    const small = new Alone({ min: 1, max: 14 })
    expect(small.looks(6)).toEqual([11, 12, 13, 14, 14, 14])
    expect(small.rises).toBe(4)
    const large = new Alone({ min: 0, max: 500 })
    expect(large.looks(3)).toEqual([20, 30, 40])
    expect(large.looks(60).at(-1)).toBe(500)
  })

  test('stays while slots are free, or where there is not much room', () => {
    const alone = new Alone({ min: 1, max: 100 })
    alone.full = false
    expect(alone.looks(2)).toEqual([10, 10])
    alone.full = true
    for (const load of [{ delayMs: 26 }, { delayMs: 100 }, { memory: 0.71 }, { memory: 0.85 }]) {
      alone.load = { ...EASY, ...load }
      expect(alone.looks(2)).toEqual([10, 10])
    }
    expect(alone.rises).toBe(0)
  })

  test.each([
    ['the loop turns late', LATE],
    ['memory is short', { ...EASY, memory: 0.86 }],
    ['both', { delayMs: 5_000, memory: 1 }],
  ])('falls by a quarter while %s, down to the floor, also where slots are free', (_, load) => {
    const alone = new Alone({ min: 3, max: 50 })
    alone.full = false
    alone.load = load
    expect(alone.looks(6)).toEqual([7, 5, 3, 3, 3, 3])
    alone.load = EASY
    alone.full = true
    expect(alone.looks(2)).toEqual([4, 5])
  })

  test('is never outside its range, whatever comes', () => {
    const alone = new Alone({ min: 5, max: 25 })
    const loads = [EASY, LATE, { ...EASY, memory: 0.9 }, { ...EASY, delayMs: 50 }]
    // Stretches of ease, in which it rises, and stretches of anything, by a generator that is always the same.
    let seed = 42
    for (let i = 0; i < 2_000; i += 1) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      alone.load = loads[(seed >> 8) % (i % 200 < 100 ? 1 : 4)] ?? EASY
      alone.full = (seed >> 16) % 3 > 0
      const [now = 0] = alone.looks(1)
      expect(now).toBeGreaterThanOrEqual(5)
      expect(now).toBeLessThanOrEqual(25)
    }
  })

  test('its gauge and its timer end with it', () => {
    const alone = new Alone({ min: 1, max: 100 })
    expect([alone.gauges, alone.clock.waiting]).toEqual([1, 1])
    alone.concurrency.stop()
    expect([alone.gauges, alone.clock.waiting]).toEqual([0, 0])
    alone.concurrency.stop()
    expect(alone.looks(3)).toEqual([10, 10, 10])
  })
})

describe('of a worker', () => {
  let kit: WorkerKit
  let load: () => Load = () => EASY

  beforeEach(async () => {
    kit = await new WorkerKit().open()
    load = () => EASY
    kit.gauge = () => ({ read: () => load(), stop: () => undefined })
  })
  afterEach(() => kit.close())

  async function shown(): Promise<number | undefined> {
    const [entry] = await kit.memory.workers()
    return entry?.concurrency
  }

  test('handlers that wait: it rises to the ceiling, and that many run', async () => {
    for (let i = 0; i < 3_000; i += 1) await kit.enqueue()
    const wait = task((_, { clock }) => new Promise((resolve) => clock.schedule(2_000, () => resolve(1))))
    const worker = await kit.started([wait], { concurrency: { max: 40 } })
    await kit.until(() => worker.active === 10)
    await kit.until(() => worker.active === 40)
    await kit.pass(5_000)
    expect(worker.active).toBe(40)
    expect(await shown()).toBe(40)
  })

  test('handlers that compute: it stays where turns are not late', async () => {
    for (let i = 0; i < 3_000; i += 1) await kit.enqueue()
    // Each has the thread for 20 ms, so that a turn for all of them takes that long for each that runs.
    const compute = task((_, { clock }) => new Promise((resolve) => clock.schedule(20, () => resolve(1))))
    const worker = await kit.started([compute], { concurrency: 'auto' })
    load = () => ({ ...EASY, delayMs: worker.active * 20 })
    let most = 0
    await kit.pass(2_000)
    for (let i = 0; i < 100; i += 1) {
      await kit.pass(50)
      most = Math.max(most, worker.active)
    }
    expect(most).toBeLessThanOrEqual(5)
    expect(worker.active).toBeGreaterThanOrEqual(1)
  })

  test('lowered, it lets what runs finish and starts no successor; nothing is claimed beyond it', async () => {
    const gates: Deferred[] = []
    const hold = task(() => {
      const gate = deferred()
      gates.push(gate)
      return gate.promise
    })
    for (let i = 0; i < 40; i += 1) await kit.enqueue()
    const worker = await kit.started([hold], { concurrency: { min: 2, max: 20 } })
    await kit.until(() => worker.active === 20)
    load = () => ({ ...EASY, memory: 0.95 })
    await kit.pass(6_000)
    expect(worker.active).toBe(20)
    expect(await shown()).toBe(2)
    for (const gate of gates.slice(0, 18)) gate.resolve()
    await kit.until(() => worker.active === 2)
    await kit.pass(3_000)
    expect([worker.active, gates.length]).toEqual([2, 20])
    const [queue] = await kit.memory.queues()
    expect(queue?.counts).toMatchObject({ active: 2, ready: 20, succeeded: 18 })
    // The next one to end has a successor again.
    gates[18]?.resolve()
    await kit.until(() => gates.length === 21)
    load = () => EASY
    await kit.until(() => worker.active === 20)
    for (const gate of gates) gate.resolve()
    await turns()
  })

  test('a number is shown as it is', async () => {
    await kit.started([task(() => null)], { concurrency: 33 })
    await kit.until(async () => (await shown()) === 33)
  })
})
