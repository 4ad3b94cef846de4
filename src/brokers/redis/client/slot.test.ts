import { expect, test } from 'vitest'
import { slotOf } from './slot.ts'

test.each([
  ['123456789', 12_739],
  ['foo', 12_182],
  ['{foo}.bar', 12_182],
  ['a{foo}b{bar}', 12_182],
  ['foo{}{bar}', 8_363],
  ['', 0],
])('the slot of %j', (key, slot) => {
  expect(slotOf(key)).toBe(slot)
  expect(slotOf(key)).toBe(slot)
})
