import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Sequence } from './sequence.ts'

interface Item {
  readonly seq: number
}

const seqs = (items: Iterable<Item>): number[] => [...items].map(({ seq }) => seq)

test('a sequence reads as a sorted list from any point in either direction', () => {
  const acts = fc.array(fc.record({ seq: fc.nat(3_000), add: fc.boolean() }), {
    minLength: 1,
    maxLength: 300,
  })
  fc.assert(
    fc.property(acts, fc.nat(3_000), (list, from) => {
      const sequence = new Sequence<Item>()
      const model = new Map<number, Item>()
      for (const { seq, add } of list) {
        const there = model.get(seq)
        if (add && there === undefined) {
          const item = { seq }
          model.set(seq, item)
          sequence.add(item)
        } else if (!add) {
          expect(sequence.delete(there ?? { seq })).toBe(model.delete(seq))
        }
      }
      const sorted = [...model.keys()].sort((a, b) => a - b)
      expect(sequence.size).toBe(sorted.length)
      expect(seqs(sequence.ascending(({ seq }) => seq >= from))).toEqual(sorted.filter((seq) => seq >= from))
      expect(seqs(sequence.descending(({ seq }) => seq >= from))).toEqual(
        sorted.filter((seq) => seq < from).reverse(),
      )
    }),
  )
})

test('a long sequence splits into chunks and stays whole', () => {
  const sequence = new Sequence<Item>()
  const items = Array.from({ length: 5_000 }, (_, i) => ({ seq: (i * 7_919) % 5_000 }))
  for (const item of items) sequence.add(item)
  expect(seqs(sequence.ascending(() => true))).toEqual(Array.from({ length: 5_000 }, (_, i) => i))
  for (const item of items) if (item.seq % 3 !== 0) expect(sequence.delete(item)).toBe(true)
  expect(seqs(sequence.descending(({ seq }) => seq >= 10))).toEqual([9, 6, 3, 0])
  for (const item of items) if (item.seq % 3 === 0) expect(sequence.delete(item)).toBe(true)
  expect(sequence.size).toBe(0)
  expect(seqs(sequence.ascending(() => true))).toEqual([])
})
