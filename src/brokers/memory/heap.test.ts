import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Heap } from './heap.ts'

interface Item {
  order: number
  readonly name: number
}

const before = (a: Item, b: Item): boolean => (a.order === b.order ? a.name < b.name : a.order < b.order)

const act = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), name: fc.nat(30), order: fc.nat(100) }),
  fc.record({ kind: fc.constant('delete' as const), name: fc.nat(30), order: fc.constant(0) }),
  fc.record({ kind: fc.constant('pop' as const), name: fc.constant(0), order: fc.constant(0) }),
)

test('a heap answers as a sorted list does, whatever is put in, moved and taken out', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
      const heap = new Heap<Item>(before)
      const items = Array.from({ length: 31 }, (_, name) => ({ name, order: 0 }))
      const model = new Set<Item>()
      const first = (): Item | undefined => [...model].sort((a, b) => (before(a, b) ? -1 : 1))[0]
      for (const { kind, name, order } of acts) {
        const item = items[name] as Item
        if (kind === 'set') {
          item.order = order
          heap.set(item)
          model.add(item)
        } else if (kind === 'delete') {
          expect(heap.delete(item)).toBe(model.delete(item))
        } else {
          const wanted = first()
          expect(heap.pop()).toBe(wanted)
          if (wanted !== undefined) model.delete(wanted)
        }
        expect(heap.peek()).toBe(first())
        expect(heap.size).toBe(model.size)
        expect(heap.has(item)).toBe(model.has(item))
      }
    }),
  )
})

test('an empty heap has nothing to give', () => {
  const heap = new Heap<Item>(before)
  expect(heap.peek()).toBeUndefined()
  expect(heap.pop()).toBeUndefined()
  expect(heap.delete({ name: 1, order: 1 })).toBe(false)
})
