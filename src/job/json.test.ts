import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkJson, checkSerialisable, formatPath, MAX_DEPTH } from './json.ts'

class Point {
  readonly x = 1
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = { a: value }
  return value
}

/** Few objects, and more ways through them than can ever be walked. */
function twice(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = { a: value, b: value }
  return value
}

describe('what JSON carries passes', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'a\u0000\ud800'],
    ['numbers', [0, -0, 1.5, 1e300, Number.MIN_SAFE_INTEGER]],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['an object of another realm', runInNewContext('({ a: [1, { b: 2 }] })')],
    ['the same object twice', ((shared) => [shared, shared])({ a: 1 })],
    ['a key of its own named __proto__', JSON.parse('{"__proto__": {"admin": true}}')],
    ['the deepest nesting', nested(MAX_DEPTH)],
  ])('%s', (_, value) => {
    expect(checkJson(value, 'input')).toBe('same')
  })

  test('properties that are undefined are dropped, and that is said', () => {
    expect(checkJson({ a: undefined }, 'input')).toBe('dropped')
    expect(checkJson([{ a: [{ b: undefined }] }], 'input')).toBe('dropped')
  })

  test('whatever passes as `same` reads back equal', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'medium' }), (value) => {
        expect(checkJson(value, 'input')).toBe('same')
        checkSerialisable(value, 'result')
      }),
    )
  })

  test('whatever passes reads back as itself, or without its undefined properties', () => {
    const values = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      withNullPrototype: true,
    })
    fc.assert(
      fc.property(values, (value) => {
        try {
          checkJson(value, 'input')
        } catch {
          return
        }
        if (value === undefined) return
        // toEqual takes an absent and an undefined property for the same; JSON knows no -0.
        expect(JSON.parse(JSON.stringify(value))).toEqual(withoutMinusZero(value))
      }),
    )
  })
})

function withoutMinusZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0
  if (Array.isArray(value)) return value.map(withoutMinusZero)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutMinusZero(member)]))
}

describe('what JSON loses or changes is refused with its path', () => {
  const cycle: { self?: unknown; list: unknown[] } = { list: [] }
  cycle.list.push({ back: cycle })

  test.each([
    ['a BigInt', { a: 1n }, 'input.a is a BigInt'],
    ['a function', { a: { b: () => 1 } }, 'input.a.b is a function'],
    ['a symbol', Symbol('x'), 'input is a symbol'],
    ['NaN', [1, Number.NaN], 'input[1] is NaN'],
    ['Infinity', { a: [{ b: -Infinity }] }, 'input.a[0].b is -Infinity'],
    ['a Date', { items: [0, 1, 2, { at: new Date(0) }] }, 'input.items[3].at is an instance of Date'],
    ['a Map', new Map(), 'input is an instance of Map'],
    ['a Set', { a: new Set() }, 'input.a is an instance of Set'],
    ['bytes', { a: new Uint8Array(1) }, 'input.a is an instance of Uint8Array'],
    ['a buffer', { a: Buffer.from('a') }, 'input.a is an instance of Buffer'],
    ['an instance of a class', { a: new Point() }, 'input.a is an instance of Point'],
    ['an instance of a class without a name', new (class {})(), 'input is an instance of a class'],
    ['a boxed string', { a: Object('x') }, 'input.a is an instance of String'],
    ['an error', { a: new Error('x') }, 'input.a is an instance of Error'],
    ['a promise', { a: Promise.resolve() }, 'input.a is an instance of Promise'],
    ['undefined in an array', { a: [1, undefined] }, 'input.a[1] is undefined'],
    ['a hole', new Array(2), 'input[0] is undefined'],
    ['a toJSON of its own', { a: { toJSON: () => 1 } }, 'input.a has a toJSON method'],
    ['an odd key', { 'a b': { "it's": 1n } }, 'input["a b"]["it\'s"] is a BigInt'],
    ['a cycle', cycle, 'input.list[0].back refers back to an object that it is part of'],
    ['too deep', nested(MAX_DEPTH + 1), 'input.a.a.a is nested deeper than 256 levels'],
    ['far too deep', nested(10_000), 'input.a.a.a is nested deeper than 256 levels'],
    ['too deep, twice at each level', twice(MAX_DEPTH + 1), 'input.a.a.a is nested deeper'],
  ])('%s', (_, value, message) => {
    expect(() => checkJson(value, 'input')).toThrow(
      expect.objectContaining({ code: 'NOT_JSON', message: expect.stringContaining(message) }),
    )
  })

  test('nothing is polluted by a key named __proto__', () => {
    checkJson(
      JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'),
      'input',
    )
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})

describe('results may change where their type tells', () => {
  test.each([
    ['a Date', { at: new Date(0) }],
    ['an invalid Date', new Date(Number.NaN)],
    ['a class', new Point()],
    ['a Map', new Map([[1, 2]])],
    ['functions and undefined', { a: () => 1, b: undefined, c: [undefined] }],
    ['nothing', undefined],
  ])('%s passes', (_, value) => {
    expect(() => checkSerialisable(value, 'result')).not.toThrow()
  })

  const cycle: unknown[] = []
  cycle.push({ cycle })
  test.each([
    ['a BigInt', { a: [1n] }, 'result.a[0] is a BigInt'],
    ['NaN', { a: Number.NaN }, 'result.a is NaN'],
    ['a cycle', { a: cycle }, 'result.a[0].cycle refers back'],
    ['what toJSON makes', { a: { toJSON: () => ({ b: 1n }) } }, 'result.a.b is a BigInt'],
    ['a lone function', () => 1, 'result is a function'],
    ['a lone symbol', Symbol('x'), 'result is a symbol'],
    ['too deep', nested(MAX_DEPTH + 1), 'is nested deeper than'],
  ])('%s is refused', (_, value, message) => {
    expect(() => checkSerialisable(value, 'result')).toThrow(
      expect.objectContaining({ code: 'NOT_JSON', message: expect.stringContaining(message) }),
    )
  })
})

test('paths', () => {
  expect(formatPath('input', [])).toBe('input')
  expect(formatPath('input', ['a', 0, 'b-c', '0', ''])).toBe('input.a[0]["b-c"]["0"][""]')
})
