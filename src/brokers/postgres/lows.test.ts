// Proves that no place is passed by in which a job may still appear.
import { expect, test } from 'vitest'
import { Lows } from './lows.ts'

const none: (number | null)[] = new Array(10).fill(null)
const five = (place: number): (number | null)[] => none.map((_, i) => (i === 5 ? place : null))

let now = 0
/** One that leaves when the one before has come. */
function look(lows: Lows, tip: number, writers: readonly string[]): void {
  now += 10
  lows.looked(tip, writers, now, now + 5)
}

test('a place is passed only when it is settled, and nothing stands below it', () => {
  const lows = new Lows()
  look(lows, 100, [])
  expect(lows.settled).toBe(100)
  lows.seen(['mail'], five(40), lows.settled)
  expect(lows.of(['mail'])[5]).toBe(40)
  lows.seen(['mail'], five(500), lows.settled)
  expect(lows.of(['mail'])[5]).toBe(101)
})

test('a transaction that was there holds its places until it has ended, whoever comes after it', () => {
  const lows = new Lows()
  look(lows, 100, ['3/7'])
  expect(lows.settled).toBe(0)
  look(lows, 200, ['3/7', '4/1'])
  expect(lows.settled).toBe(0)
  look(lows, 300, ['4/1', '5/5'])
  expect(lows.settled).toBe(100)
  look(lows, 400, ['5/5'])
  expect(lows.settled).toBe(100)
  look(lows, 500, [])
  expect(lows.settled).toBe(500)
})

test('what a claim saw before the places were settled does not count as seen after', () => {
  const lows = new Lows()
  const before = lows.settled
  look(lows, 100, [])
  lows.seen(['mail'], five(90), before)
  expect(lows.of(['mail'])[5]).toBe(1)
})

test('a queue of which nothing was seen keeps its place', () => {
  const lows = new Lows()
  look(lows, 100, [])
  lows.seen(['mail'], none, lows.settled)
  expect(lows.of(['mail', 'other'])).toEqual([...none, ...none])
})

test('a server that gives out old places again is looked through from the start', () => {
  const lows = new Lows()
  look(lows, 100, [])
  lows.seen(['mail'], five(90), lows.settled)
  look(lows, 50, [])
  expect(lows.of(['mail'])).toEqual(none)
  expect(lows.settled).toBe(50)
})

test('an answer that was overtaken says nothing of who has come meanwhile', () => {
  const lows = new Lows()
  // The claim of an older answer left before the transaction 3/7 took the place 100, and comes after one that saw it.
  lows.looked(110, ['3/7'], 20, 25)
  lows.looked(90, [], 10, 30)
  expect(lows.settled).toBe(0)
  lows.looked(120, ['3/7'], 40, 45)
  expect(lows.settled).toBe(0)
  lows.looked(130, [], 50, 55)
  expect(lows.settled).toBe(130)
})
