import { describe, expect, test } from 'vitest'
import type { Attempt } from './attempt.ts'
import { HORIZON_MS, Pace } from './pace.ts'

type Running = Pick<Attempt, 'job' | 'startedAt'>

/** Time is measured from 1,000, so that attempts may have begun before. */
const NOW = 1_000

/** Attempts of a task, that many with each of these ages. */
function attempts(task: string, count: number, ...ages: number[]): Running[] {
  return ages.flatMap((age) =>
    Array.from({ length: count }, () => ({ job: { task }, startedAt: NOW - age }) as Running),
  )
}

/** Knows how long tasks take, and that as many as may be were started lately. */
function measured(tasks: { readonly [task: string]: number }, max = 1_000): Pace {
  const pace = new Pace(max)
  for (let i = 0; i < 200; i += 1) for (const [task, ms] of Object.entries(tasks)) pace.ended(task, ms)
  for (let i = 0; i < 2_000; i += 1) pace.started(NOW)
  return pace
}

const ahead = (pace: Pace, slots: number, running: Running[] = [], now = NOW): number =>
  pace.ahead(new Set(running), slots, now)

describe('how far ahead to claim', () => {
  test('nothing before anything is known', () => {
    expect(ahead(new Pace(1_000), 10)).toBe(0)
    const pace = new Pace(1_000)
    pace.started(NOW)
    expect(ahead(pace, 10, attempts('a', 10, 0))).toBe(0)
  })

  test.each([
    [1, 1_000, 1_000],
    [10, 115, 115],
    [50, 15, 15],
    [100, 2, 2],
    [113, 0, 0],
    [150, 0, 0],
    [600_000, 0, 0],
  ])(
    'tasks of %i ms on ten slots that are free: %i, on ten that have just been taken: %i',
    (ms, free, taken) => {
      expect(ahead(measured({ a: ms }), 10)).toBe(free)
      expect(ahead(measured({ a: ms }), 10, attempts('a', 10, 0))).toBe(taken)
    },
  )

  test('never more than the cap', () => {
    expect(ahead(measured({ a: 0 }), 10)).toBe(1_000)
    expect(ahead(measured({ a: 0 }, 7), 10)).toBe(7)
    expect(ahead(measured({ a: 0 }, 0), 10)).toBe(0)
  })

  test('slots that are held by long tasks do not count', () => {
    const pace = measured({ quick: 1, long: 60_000 })
    // Every other attempt is long, so that what follows on a slot is expected to be, too.
    expect(ahead(pace, 10)).toBe(9)
    expect(ahead(pace, 10, attempts('quick', 10, 0))).toBe(19)
    expect(ahead(pace, 10, attempts('long', 10, 0))).toBe(0)
    expect(ahead(pace, 10, [...attempts('long', 8, 0), ...attempts('quick', 2, 0)])).toBe(3)
  })

  test('nor do those whose attempts take longer than their task usually does', () => {
    const pace = measured({ a: 10 })
    expect(ahead(pace, 4, attempts('a', 4, 5))).toBe(48)
    expect(ahead(pace, 4, attempts('a', 4, 50))).toBe(34)
    expect(ahead(pace, 4, attempts('a', 4, 100))).toBe(14)
    expect(ahead(pace, 4, attempts('a', 4, 135))).toBe(0)
    expect(ahead(pace, 4, attempts('a', 4, 900))).toBe(0)
    expect(ahead(pace, 4, [...attempts('a', 3, 900), ...attempts('a', 1, 1)])).toBe(11)
  })

  test('a slot whose attempt is about to end counts for nearly all that follows', () => {
    const pace = measured({ a: 100 })
    expect(ahead(pace, 100, attempts('a', 100, 0))).toBe(25)
    expect(ahead(pace, 100, attempts('a', 100, 50))).toBe(75)
    expect(ahead(pace, 100, attempts('a', 100, 99))).toBe(124)
  })

  test('but one of a long task counts for nothing, however long it has been held', () => {
    for (const age of [0, 60, 119, 125, 130, 60_000])
      expect(ahead(measured({ a: 120 }), 100, attempts('a', 100, age))).toBe(0)
  })

  test('nor does one of a task whose attempts are short as often as long', () => {
    const pace = new Pace(1_000)
    for (let i = 0; i < 400; i += 1) pace.ended('a', i % 2 === 0 ? 10 : 600_000)
    for (let i = 0; i < 2_000; i += 1) pace.started(NOW)
    for (const age of [0, 60, 112, 125, 200]) expect(ahead(pace, 100, attempts('a', 100, age))).toBe(0)
  })

  test('nor do those of a task that nothing is known of', () => {
    expect(ahead(measured({ a: 10 }), 4, attempts('new', 4, 0))).toBe(0)
  })

  test('one long attempt among a thousand short ones does not stop it', () => {
    const pace = measured({ a: 1 })
    pace.ended('a', 600_000)
    expect(ahead(pace, 10)).toBeGreaterThan(100)
  })

  test('what is measured is followed', () => {
    const pace = measured({ a: 1 })
    for (let i = 0; i < 200; i += 1) pace.ended('a', 10_000)
    expect(ahead(pace, 10)).toBe(0)
    for (let i = 0; i < 200; i += 1) pace.ended('a', 1)
    expect(ahead(pace, 10)).toBeGreaterThan(500)
  })

  test('more slots than attempts may run, after the number was lowered', () => {
    expect(ahead(measured({ a: 50 }), 2, attempts('a', 4, 0))).toBe(6)
  })
})

describe('no more than what has started lately', () => {
  test('in the horizon, and in the one before', () => {
    const pace = new Pace(1_000)
    for (let i = 0; i < 200; i += 1) pace.ended('a', 0)
    expect(ahead(pace, 10)).toBe(0)
    for (let i = 0; i < 3; i += 1) pace.started(NOW)
    expect(ahead(pace, 10)).toBe(3)
    for (let i = 0; i < 4; i += 1) pace.started(NOW + HORIZON_MS)
    expect(ahead(pace, 10, [], NOW + HORIZON_MS)).toBe(7)
    expect(ahead(pace, 10, [], NOW + 2 * HORIZON_MS)).toBe(4)
    expect(ahead(pace, 10, [], NOW + 3 * HORIZON_MS - 1)).toBe(4)
    expect(ahead(pace, 10, [], NOW + 3 * HORIZON_MS)).toBe(0)
    pace.started(NOW + 9_000)
    expect(ahead(pace, 10, [], NOW + 9_000)).toBe(1)
  })
})
