import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { durationMs, formatMs } from './durations.ts'

describe('durationMs', () => {
  test.each([
    [0, 0],
    [250, 250],
    [1.6, 2],
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['5 m', 300_000],
    [' 3d ', 259_200_000],
    ['2w', 1_209_600_000],
  ])('%s', (value, ms) => {
    expect(durationMs(value, 'delay')).toBe(ms)
  })

  const none = [
    '',
    's',
    '5',
    '-5s',
    '+5s',
    '5S',
    '1e3s',
    '5s5s',
    '0x5s',
    '5,5s',
    '.5s',
    '1h 30m',
    'Infinitys',
    '1000000w',
  ]
  test.each([...none, -1, Number.NaN, Number.POSITIVE_INFINITY, 3_155_760_000_001])('refuses %s', (value) => {
    expect(() => durationMs(value, 'retry.base')).toThrowError(
      expect.objectContaining({ code: 'DURATION_INVALID', details: { path: 'retry.base' } }),
    )
  })

  test.each([[null], [undefined], [true], [5n], [{}], [Object.create(null)], [[5]], [Symbol('s')]])(
    'refuses what is neither: %s',
    (value) => {
      expect(() => durationMs(value as unknown as number, 'delay')).toThrowError(
        expect.objectContaining({ code: 'DURATION_INVALID' }),
      )
    },
  )

  test('any number of any unit is whole milliseconds', () => {
    const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
    const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]))
    fc.assert(
      fc.property(fc.nat(30_000), unit, (count, name) => {
        expect(durationMs(`${count}${name}`, 'x')).toBe(count * units[name])
      }),
    )
  })

  test('the message names the option and the value, cut', () => {
    expect(() => durationMs('x'.repeat(500), 'delay')).toThrowError(/^delay is 'x{40}'; a duration is/)
  })
})

describe('formatMs', () => {
  test.each([
    [0, '0ms'],
    [950, '950ms'],
    [999.6, '1s'],
    [1_500, '1.5s'],
    [59_949, '59.9s'],
    [59_960, '1m'],
    [120_000, '2m'],
    [3_599_000, '1h'],
    [12_000_000, '3h 20m'],
    [86_399_999, '1d'],
    [345_600_000, '4d'],
    [90_000_000, '1d 1h'],
  ])('%d', (ms, text) => {
    expect(formatMs(ms)).toBe(text)
  })

  test('no part is as large as the next unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000 }), (ms) => {
        const text = formatMs(ms)
        expect(text).not.toMatch(/(?:^| )(?:1000ms|60s|60m|24h)$/)
        expect(text).toMatch(/^[\d.]+(?:ms|s|m|h|d)(?: \d+[mh])?$/)
      }),
    )
  })
})
