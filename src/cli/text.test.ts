// Proves that foreign text cannot act on the terminal, and that widths and moments are told right.
import { expect, test } from 'vitest'
import {
  cutToWidth,
  formatAge,
  formatBytes,
  formatCount,
  plain,
  plainLines,
  plural,
  widthOf,
} from './text.ts'

test.each([
  ['\u001b[31mred', '\\x1b[31mred'],
  ['a\nb\r\tc', 'a\\nb\\r\\tc'],
  ['\u0000\u007f\u009b', '\\x00\\x7f\\x9b'],
  ['safe\u202etxt.exe', 'safe\\u202etxt.exe'],
  ['\u2028', '\\u2028'],
  ['\ud800x', '\\ud800x'],
  ['héllo 日本 🎉', 'héllo 日本 🎉'],
])('%j is written as %s', (text, expected) => {
  expect(plain(text)).toBe(expected)
})

test('text of several lines keeps its line breaks and nothing else', () => {
  expect(plainLines('a\r\n\tb\u001b[2J\nc')).toBe('a\n  b\\x1b[2J\nc')
})

test('width counts columns, not code units', () => {
  expect(widthOf('abc')).toBe(3)
  expect(widthOf('日本')).toBe(4)
  expect(widthOf('e\u0301')).toBe(1)
  expect(widthOf('🎉')).toBe(2)
})

test('text is cut to a width, never through a character', () => {
  expect(cutToWidth('abcdef', 6)).toBe('abcdef')
  expect(cutToWidth('abcdef', 4)).toBe('abc…')
  expect(cutToWidth('日本語', 4)).toBe('日…')
  expect(cutToWidth('abc', 0)).toBe('')
})

test.each([
  [1_000_000, 'now'],
  [1_000_000 - 12_900, '12s ago'],
  [1_000_000 - 150_000, '3m ago'],
  [1_000_000 + 30_000, 'in 30s'],
  [1_000_000 - 3 * 3_600_000, '3h ago'],
])('%i is %s', (at, expected) => {
  expect(formatAge(at, 1_000_000)).toBe(expected)
})

test('counts and bytes', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567')
  expect([formatBytes(12), formatBytes(1_536), formatBytes(3 * 1_024 ** 3)]).toEqual([
    '12 B',
    '1.5 KiB',
    '3.0 GiB',
  ])
  expect([plural(1, 'job'), plural(1_000, 'job')]).toEqual(['1 job', '1,000 jobs'])
})
