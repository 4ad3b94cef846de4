import { expect, test } from 'vitest'
import { BrokerTime } from './time.ts'

test('follows the host while its clock goes forward', () => {
  const time = new BrokerTime()
  expect(time.now({ wall: 1_000, monotonic: 5 }, 0)).toBe(1_000)
  expect(time.now({ wall: 9_000, monotonic: 6 }, 1_000)).toBe(9_000)
})

test('never runs backwards, and goes on by monotonic time while the host is behind', () => {
  const time = new BrokerTime()
  time.now({ wall: 100_000, monotonic: 0 }, 0)
  expect(time.now({ wall: 40_000, monotonic: 10 }, 0)).toBe(100_010)
  expect(time.now({ wall: 40_500, monotonic: 510.5 }, 100_010)).toBe(100_510)
  expect(time.now({ wall: 40_501, monotonic: 511 }, 100_510)).toBe(100_511)
  expect(time.now({ wall: 200_000, monotonic: 600 }, 100_511)).toBe(200_000)
})

test('many readings within a millisecond lose no time', () => {
  const time = new BrokerTime()
  time.now({ wall: 100_000, monotonic: 0 }, 0)
  let now = 0
  for (let step = 1; step <= 1_000; step += 1) now = time.now({ wall: 0, monotonic: step / 10 }, 0)
  expect(now).toBe(100_100)
})

test('what the store knows counts as well: a host whose clock is behind starts from there', () => {
  const time = new BrokerTime()
  expect(time.now({ wall: 1_000, monotonic: 70 }, 50_000)).toBe(50_000)
  expect(time.now({ wall: 1_100, monotonic: 170 }, 50_000)).toBe(50_100)
})

test('a small step back only makes it stand still', () => {
  const time = new BrokerTime()
  time.now({ wall: 1_000, monotonic: 0 }, 0)
  expect(time.now({ wall: 990, monotonic: 30 }, 0)).toBe(1_000)
  expect(time.now({ wall: 1_020, monotonic: 60 }, 0)).toBe(1_020)
})
