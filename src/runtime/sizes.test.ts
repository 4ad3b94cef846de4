import { describe, expect, test } from 'vitest'
import { bytesOf, formatBytes } from './sizes.ts'

const read = (value: unknown): number => bytesOf(value, 'memory', 1, 2 ** 40)

test.each([
  [1_024, 1_024],
  ['512b', 512],
  ['1kb', 1_024],
  ['64mb', 67_108_864],
  ['1.5GB', 1_610_612_736],
  [' 2 gb ', 2_147_483_648],
])('%j is %i bytes', (value, bytes) => {
  expect(read(value)).toBe(bytes)
})

describe('what is no size is refused with the bounds', () => {
  test.each([[''], ['64'], ['mb'], ['-1mb'], ['1tb'], [0], [-1], [Number.NaN], [null], [{}], [Symbol('x')]])(
    '%s',
    (value) => {
      expect(() => read(value)).toThrow(/^memory is .*from 1 B to 1024 GB$/)
    },
  )
})

test.each([
  [16_777_216, '16 MB'],
  [1_610_612_736, '1.5 GB'],
  [2_048, '2 kB'],
  [12, '12 B'],
])('%i bytes read %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})
