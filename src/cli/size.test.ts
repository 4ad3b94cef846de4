// Proves how sizes are read.
import { expect, test } from 'vitest'
import { UsageError } from './exit.ts'
import { bytesOf } from './size.ts'

const MIN = 32 * 1_024 ** 2

test.each([
  ['512mb', 512 * 1_024 ** 2],
  ['512 MiB', 512 * 1_024 ** 2],
  ['1.5g', 1.5 * 1_024 ** 3],
  ['2GB', 2 * 1_024 ** 3],
  ['65536k', 64 * 1_024 ** 2],
  ['40000000', 40_000_000],
])('%s is %i bytes', (text, bytes) => {
  expect(bytesOf(text, '--max-memory', MIN)).toBe(bytes)
})

test.each(['512', '0mb', '-1gb', 'much', '', '1tb', '1e9', 'mb', '99999999999gb'])(
  '%s is refused',
  (text) => {
    expect(() => bytesOf(text, '--max-memory', MIN)).toThrow(UsageError)
    expect(() => bytesOf(text, '--max-memory', MIN)).toThrow(/--max-memory is '.*'; a size is .* from 32mb/)
  },
)
