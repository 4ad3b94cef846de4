import { describe, expect, test } from 'vitest'
import { Pace } from './pace.ts'

function measured(ms: number, times: number, concurrency = 10, max = 1_000): Pace {
  const pace = new Pace(concurrency, max)
  for (let i = 0; i < times; i += 1) pace.ended(ms)
  return pace
}

describe('how far ahead to claim', () => {
  test('nothing before anything is known', () => {
    expect(new Pace(10, 1_000).ahead()).toBe(0)
  })

  test('what starts within a tenth of a second', () => {
    expect(measured(10, 1).ahead()).toBe(100)
    expect(measured(50, 1).ahead()).toBe(20)
    expect(measured(100, 1).ahead()).toBe(10)
  })

  test('never more than the cap, nothing for long tasks', () => {
    expect(measured(0, 1).ahead()).toBe(1_000)
    expect(measured(0, 1, 10, 0).ahead()).toBe(0)
    expect(measured(101, 1).ahead()).toBe(0)
    expect(measured(600_000, 1).ahead()).toBe(0)
  })

  test('the mean follows what is measured', () => {
    const pace = measured(1, 100)
    for (let i = 0; i < 3; i += 1) pace.ended(10_000)
    expect(pace.ahead()).toBe(0)
    for (let i = 0; i < 200; i += 1) pace.ended(1)
    expect(pace.ahead()).toBeGreaterThan(100)
  })

  test('a stall stops it until attempts are short again', () => {
    const pace = measured(1, 10)
    pace.stalled()
    expect(pace.ahead()).toBe(0)
    for (let i = 0; i < 100; i += 1) pace.ended(1)
    expect(pace.ahead()).toBeGreaterThan(0)
  })
})
