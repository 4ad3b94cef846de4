import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRate, parseRate, type Rate, type RateState, rateRoom, takeRate } from './rates.ts'

const rate: fc.Arbitrary<Rate> = fc.record({
  count: fc.integer({ min: 1, max: 50 }),
  perMs: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 61, max: 100_000 })),
})

/** Waits as shares of the window, and how many starts are asked for after each. */
const asks = fc.array(
  fc.record({ share: fc.double({ min: 0, max: 1.5, noNaN: true }), want: fc.integer({ min: 0, max: 30 }) }),
  { minLength: 1, maxLength: 60 },
)

function play(
  one: Rate,
  list: readonly { share: number; want: number }[],
  see: (now: number, want: number, taken: ReturnType<typeof takeRate>) => void,
): { at: number; count: number }[] {
  const starts: { at: number; count: number }[] = []
  let state: RateState = []
  let now = 1_000_003
  for (const { share, want } of list) {
    now += Math.floor(share * one.perMs)
    const taken = takeRate(one, state, now, want)
    see(now, want, taken)
    state = taken.state
    starts.push({ at: now, count: taken.granted })
  }
  return starts
}

describe('takeRate', () => {
  test('never grants more than the count in any window', () => {
    fc.assert(
      fc.property(rate, asks, (one, list) => {
        const starts = play(one, list, () => undefined)
        for (const { at } of starts) {
          const inWindow = starts.filter((start) => start.at >= at && start.at < at + one.perMs)
          expect(inWindow.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(one.count)
        }
      }),
    )
  })

  test('grants all that is wanted as far as there is room, and says when there is more', () => {
    fc.assert(
      fc.property(rate, asks, (one, list) => {
        let before: RateState = []
        play(one, list, (now, want, { granted, state, retryAt }) => {
          expect(granted).toBe(Math.min(want, rateRoom(one, before, now)))
          expect(retryAt === undefined).toBe(granted === want)
          if (retryAt !== undefined) {
            const room = rateRoom(one, state, now)
            expect(retryAt).toBeGreaterThan(now)
            expect(rateRoom(one, state, retryAt)).toBeGreaterThan(room)
            expect(rateRoom(one, state, retryAt - 1)).toBe(room)
          }
          before = state
        })
      }),
    )
  })

  test('a window and a twentieth after the last start, all the room is back', () => {
    fc.assert(
      fc.property(rate, asks, (one, list) => {
        let last: { state: RateState; now: number } = { state: [], now: 0 }
        play(one, list, (now, _, { state }) => {
          last = { state, now }
        })
        const bucketMs = Math.ceil(one.perMs / 20)
        expect(rateRoom(one, last.state, last.now + one.perMs + 2 * bucketMs)).toBe(one.count)
      }),
    )
  })

  test('its state stays small and survives JSON', () => {
    fc.assert(
      fc.property(rate, asks, (one, list) => {
        play(one, list, (_, __, { state }) => {
          expect(state.length).toBeLessThanOrEqual(22)
          expect(JSON.parse(JSON.stringify(state))).toEqual(state)
        })
      }),
    )
  })

  test('a rate that was lowered below what has started grants nothing, and forgets it in time', () => {
    const { state } = takeRate({ count: 10, perMs: 1_000 }, [], 0, 10)
    const lowered = { count: 2, perMs: 1_000 }
    expect(takeRate(lowered, state, 500, 1)).toMatchObject({ granted: 0 })
    expect(takeRate(lowered, state, 1_050, 5)).toMatchObject({ granted: 2 })
  })
})

describe('parseRate', () => {
  test.each([
    ['100/m', 100, 60_000],
    ['5/10s', 5, 10_000],
    ['1/500ms', 1, 500],
    [' 3 / 2 h ', 3, 7_200_000],
    ['1/d', 1, 86_400_000],
    ['1/ms', 1, 1],
  ])('%s', (text, count, perMs) => {
    expect(parseRate(text, 'limit.rate')).toEqual({ count, perMs })
  })

  test.each([
    '',
    'm',
    '/m',
    '100',
    '0/m',
    '-1/m',
    '1.5/m',
    '1/0s',
    '1/x',
    '1/m/m',
    '1/1.5s',
    '99999999999999999999/m',
  ])("refuses '%s' and names the option", (text) => {
    expect(() => parseRate(text, 'limit.rate')).toThrowError(
      expect.objectContaining({ code: 'OPTION_INVALID', details: { path: 'limit.rate' } }),
    )
  })

  test.each([[undefined], [null], [5], [{}]])('refuses %s, which is no text', (value) => {
    expect(() => parseRate(value as unknown as string, 'r')).toThrowError(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  })

  test('a time beyond all bounds is refused', () => {
    expect(() => parseRate('1/99999999d', 'r')).toThrowError(
      expect.objectContaining({ code: 'DURATION_INVALID' }),
    )
  })

  test('reads what formatRate writes', () => {
    const any = fc.record({
      count: fc.integer({ min: 1, max: 1_000_000 }),
      perMs: fc.oneof(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000, 7_200_000, 604_800_000),
      ),
    })
    fc.assert(
      fc.property(any, (one) => {
        expect(parseRate(formatRate(one), 'r')).toEqual(one)
      }),
    )
  })
})

test('formatRate is what a person would write', () => {
  expect(formatRate({ count: 100, perMs: 60_000 })).toBe('100/m')
  expect(formatRate({ count: 5, perMs: 10_000 })).toBe('5/10s')
  expect(formatRate({ count: 1, perMs: 1_500 })).toBe('1/1500ms')
})
