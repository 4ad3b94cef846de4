import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayRetry, retryDelayMs } from './retry.ts'

const policy = fc.record({
  attempts: fc.integer({ min: 1, max: 100 }),
  baseMs: fc.integer({ min: 0, max: 1_000_000 }),
  maxMs: fc.integer({ min: 0, max: 100_000_000 }),
})

test('the delay is a whole number between nothing and the ceiling, which doubles up to the longest', () => {
  fc.assert(
    fc.property(
      policy,
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (one, failures, random) => {
        const delay = retryDelayMs(one, failures, () => random)
        const ceiling = Math.min(one.maxMs, one.baseMs * 2 ** (failures - 1))
        expect(Number.isSafeInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(Math.ceil(Number.isNaN(ceiling) ? 0 : ceiling))
      },
    ),
  )
})

test('it grows with the failures and stays at the longest', () => {
  const one = { attempts: 20, baseMs: 2_000, maxMs: 600_000 }
  const half = [1, 2, 3, 9, 10, 11, 5_000].map((failures) => retryDelayMs(one, failures, () => 0.5))
  expect(half).toEqual([1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000])
})

test('full jitter: the delays of many spread over the whole range', () => {
  const one = { attempts: 20, baseMs: 1_000, maxMs: 1_000 }
  const delays = Array.from({ length: 2_000 }, () => retryDelayMs(one, 1))
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const inTenth = delays.filter((ms) => ms >= tenth * 100 && ms < (tenth + 1) * 100).length
    // 200 are expected, with a standard deviation of 13.
    expect(inTenth).toBeGreaterThan(100)
  }
})

test('counted crashes are attempts like failures', () => {
  const one = { attempts: 3, baseMs: 0, maxMs: 0 }
  expect(mayRetry(one, 0, 0)).toBe(true)
  expect(mayRetry(one, 1, 1)).toBe(true)
  expect(mayRetry(one, 2, 1)).toBe(false)
  expect(mayRetry(one, 0, 3)).toBe(false)
  expect(mayRetry({ ...one, attempts: 1 }, 1, 0)).toBe(false)
})
