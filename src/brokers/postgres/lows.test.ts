// Proves that no place is passed by in which a job may still appear.
import { expect, test } from 'vitest'
import { Lows } from './lows.ts'

const none: (number | null)[] = new Array(10).fill(null)
const five = (place: number): (number | null)[] => none.map((_, i) => (i === 5 ? place : null))

test('a place is passed only when it is settled, and nothing stands below it', () => {
  const lows = new Lows()
  lows.looked(100, [])
  expect(lows.settled).toBe(100)
  lows.seen(['mail'], five(40), lows.settled)
  expect(lows.of(['mail'])[5]).toBe(40)
  lows.seen(['mail'], five(500), lows.settled)
  expect(lows.of(['mail'])[5]).toBe(101)
})

test('a transaction that was there holds its places until it has ended, whoever comes after it', () => {
  const lows = new Lows()
  lows.looked(100, ['3/7'])
  expect(lows.settled).toBe(0)
  lows.looked(200, ['3/7', '4/1'])
  expect(lows.settled).toBe(0)
  lows.looked(300, ['4/1', '5/5'])
  expect(lows.settled).toBe(100)
  lows.looked(400, ['5/5'])
  expect(lows.settled).toBe(100)
  lows.looked(500, [])
  expect(lows.settled).toBe(500)
})

test('what a claim saw before the places were settled does not count as seen after', () => {
  const lows = new Lows()
  const before = lows.settled
  lows.looked(100, [])
  lows.seen(['mail'], five(90), before)
  expect(lows.of(['mail'])[5]).toBe(1)
})

test('a queue of which nothing was seen keeps its place', () => {
  const lows = new Lows()
  lows.looked(100, [])
  lows.seen(['mail'], none, lows.settled)
  expect(lows.of(['mail', 'other'])).toEqual([...none, ...none])
})

test('a server that gives out old places again is looked through from the start', () => {
  const lows = new Lows()
  lows.looked(100, [])
  lows.seen(['mail'], five(90), lows.settled)
  lows.looked(50, [])
  expect(lows.of(['mail'])).toEqual(none)
  expect(lows.settled).toBe(50)
})
