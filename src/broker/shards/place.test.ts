import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newId } from '../../job/ids.ts'
import type { JobSpec } from '../../job/record.ts'
import { spec, unique } from '../../laws/factories.ts'
import { anchorOf, crc16, placement, shardOf } from './place.ts'

const { place, refusal } = placement(8)

const job = (fields: Partial<JobSpec>): JobSpec => spec(fields)

describe('the anchor of an id', () => {
  test.each([
    ['order-42', 'order-42'],
    ['order-{customer-7}-42', 'customer-7'],
    ['{customer-7}', 'customer-7'],
    ['a{b}c{d}', 'b'],
    ['a{{b}c}', '{b'],
    ['a{}b', 'a{}b'],
    ['a{}{b}', 'a{}{b}'],
    ['a{b', 'a{b'],
    ['a}b{', 'a}b{'],
  ])('of %s is %s, as Redis Cluster reads it', (id, anchor) => {
    expect(anchorOf(id)).toBe(anchor)
  })
})

describe('the shard of an id', () => {
  test('is told by the hash of Redis Cluster', () => {
    expect(crc16('123456789')).toBe(0x31c3)
    expect(crc16('')).toBe(0)
    // CLUSTER KEYSLOT foo is 12182.
    expect(crc16('foo') % 16_384).toBe(12_182)
    expect(shardOf('{foo}-bar', 8)).toBe(12_182 % 8)
    expect(crc16('näme')).toBe(crc16('näme'))
  })

  test('is in the last four digits of a UUID of version 7, and only of that', () => {
    const id = '01890b2e-7c3d-7f00-8abc-0123456700ff'
    expect(shardOf(id, 64)).toBe(255 % 64)
    expect(shardOf(`mail-{${id}}`, 64)).toBe(255 % 64)
    // The last digits of other UUIDs may be the same for all of a machine.
    const old = '01890b2e-7c3d-1f00-8abc-0123456700ff'
    expect(shardOf(old, 64)).toBe(crc16(old) % 64)
    expect(shardOf(id.toUpperCase(), 64)).toBe(crc16(id.toUpperCase()) % 64)
  })

  test.each([2, 3, 7, 8, 64])('spreads generated ids and running numbers evenly over %i', (shards) => {
    const counts = (ids: string[]): number[] => {
      const found = Array.from({ length: shards }, () => 0)
      for (const id of ids) found[shardOf(id, shards)] = (found[shardOf(id, shards)] ?? 0) + 1
      return found
    }
    const all = 400 * shards
    for (const ids of [
      Array.from({ length: all }, newId),
      Array.from({ length: all }, (_, n) => `order-${n}`),
      Array.from({ length: all }, (_, n) => `user-${n * 8}@example.com`),
    ]) {
      for (const count of counts(ids)) {
        expect(count).toBeGreaterThan(250)
        expect(count).toBeLessThan(600)
      }
    }
  })
})

describe('a generated id', () => {
  test('without a home stays as it is', () => {
    const one = job({})
    expect(place(one)).toBe(one.id)
  })

  test('goes to the shard of its key, its partition or its workflow, and is the same again', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 64 }), (key, shards) => {
        const by = placement(shards)
        for (const fields of [
          { unique: unique(`work/${key}`) },
          { partition: key },
          { workflow: key },
          { partition: key, unique: unique(`work/${key}`) },
        ]) {
          const one = job(fields)
          const id = by.place(one)
          expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
          expect(id.slice(0, -4)).toBe(one.id.slice(0, -4))
          expect(by.shardOf(id)).toBe(by.shardOf(key))
          expect(by.place({ ...one, id })).toBe(id)
          expect(by.refusal({ ...one, id })).toBeUndefined()
        }
      }),
    )
  })

  test('is moved no further than it must, also at the end of its range', () => {
    const last = '01890b2e-7c3d-7f00-8abc-01234567ffff'
    const by = placement(3)
    for (const partition of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const id = by.place(job({ id: last, partition }))
      expect(by.shardOf(id)).toBe(by.shardOf(partition))
      expect(0xffff - Number.parseInt(id.slice(-4), 16)).toBeLessThan(3)
    }
  })
})

describe('an id that was made of something', () => {
  test('carries the anchor of its home', () => {
    const tick = job({ id: 'nightly:1700000000000', partition: 'north' })
    const id = place(tick)
    expect(id).toBe('nightly:1700000000000{north}')
    expect(place({ ...tick, id })).toBe(id)
    expect(refusal({ ...tick, id })).toBeUndefined()
  })

  test('stays as it is where that cannot be, and is refused', () => {
    for (const fields of [
      { id: 'a-{b}', partition: 'north' },
      { id: 'a', partition: 'n}orth' },
      { id: 'a'.repeat(510), partition: 'north' },
    ]) {
      const one = job(fields)
      expect(place(one)).toBe(one.id)
      expect(refusal(one)).toContain('another shard')
    }
  })
})

describe('a job is refused', () => {
  test('where its own id says nothing of what it belongs to, even if the shard would be right by chance', () => {
    const key = 'customer-7'
    const lucky = Array.from({ length: 100 }, (_, n) => `id-${n}`).find(
      (id) => shardOf(id, 8) === shardOf(key, 8),
    )
    expect(lucky).toBeDefined()
    for (const fields of [{ partition: key }, { unique: unique(`work/${key}`) }, { workflow: key }]) {
      expect(refusal(job({ id: lucky ?? '', ...fields }))).toContain('put the same text in braces')
      expect(refusal(job({ id: 'order-{customer-7}-42', ...fields }))).toBeUndefined()
      expect(refusal(job({ id: key, ...fields }))).toBeUndefined()
    }
  })

  test('where its key and its partition do not share an anchor', () => {
    const said = refusal(job({ partition: 'tenant-7', unique: unique('work/order-42') }))
    expect(said).toContain("unique key 'order-42'")
    expect(said).toContain("partition 'tenant-7'")
    expect(
      refusal({ ...spec({ partition: 'tenant-7', unique: unique('work/{tenant-7}-42') }), id: '{tenant-7}' }),
    ).toBe(undefined)
  })

  test('never with one shard', () => {
    const one = placement(1)
    const torn = job({ id: 'a', partition: 'b', unique: unique('c'), workflow: 'd' })
    expect(one.refusal(torn)).toBeUndefined()
    expect(one.place(torn)).toBe('a')
    expect(one.shardOf('anything')).toBe(0)
  })
})

test('a key without the name of its task counts as it is', () => {
  expect(refusal(job({ id: 'k', unique: unique('k') }))).toBeUndefined()
  expect(refusal(job({ id: 'k', unique: unique('other/k') }))).toBeDefined()
})
