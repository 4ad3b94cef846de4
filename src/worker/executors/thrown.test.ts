import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NonRetryable, RetryAfter, Snooze } from '../../errors/control.ts'
import { OffstageError } from '../../errors/error.ts'
import { storedError } from '../../job/stored-error.ts'
import { pack, unpack } from './thrown.ts'

/** As it is after it went through the structured clone of a port or a channel. */
const cross = (thrown: unknown): unknown => unpack(structuredClone(pack(thrown)))

class Refused extends Error {
  override readonly name = 'Refused'
  readonly code = 'E_REFUSED'
}

const hostile = new Proxy(
  {},
  {
    get: () => {
      throw new Error('no')
    },
  },
)

describe('what is stored of an error is the same on both sides, its fingerprint too', () => {
  const cycle = new Error('round')
  cycle.cause = cycle
  test.each([
    ['an error', new Error('plain')],
    ['a class with a code', new Refused('no', { cause: new TypeError('because', { cause: 'text' }) })],
    ['one of the library', new OffstageError('NOT_JSON', 'path', { details: { path: 'a' } })],
    ['many in one', new AggregateError([new RangeError('first'), new Error('second')], 'all')],
    ['no message', new Error()],
    ['no stack', Object.assign(new Error('bare'), { stack: undefined })],
    ['a long one', new Error('x'.repeat(100_000))],
    ['bad text', new Error('a\u0000b\ud800')],
    ['a number for a code', Object.assign(new Error('duplicate'), { code: 11_000 })],
    ['a plain object', { message: 'plain', code: 'E_PLAIN' }],
    ['an empty object', {}],
    ['an array', [1, 2]],
    ['a cycle', cycle],
    ['a hostile proxy', hostile],
    ['a function', () => 1],
    ['text', 'text'],
    ['no text', ''],
    ['a number', 42],
    ['a BigInt', 1n],
    ['null', null],
    ['undefined', undefined],
    ['a deep chain', [1, 2, 3, 4, 5, 6].reduce((cause, n) => new Error(`${n}`, { cause }), new Error('0'))],
  ])('%s', (_, thrown) => {
    expect(storedError(cross(thrown))).toEqual(storedError(thrown))
  })

  test('whatever it is', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }),
        (thrown) => {
          expect(storedError(cross(thrown))).toEqual(storedError(thrown))
        },
      ),
    )
  })
})

test('errors are errors again, with their causes', () => {
  const error = cross(new Refused('no', { cause: new TypeError('because') }))
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'Refused', message: 'no', code: 'E_REFUSED' })
  expect((error as Error).cause).toBeInstanceOf(Error)
  expect((error as Error).stack).toContain('thrown.test')
  expect(Object.keys(error as Error)).toEqual(['code'])
})

test.each([
  [new RetryAfter('10s'), { code: 'RETRY_AFTER', delay: '10s' }],
  [new Snooze(500), { code: 'SNOOZE', delay: 500 }],
  [new NonRetryable('gone'), { code: 'NON_RETRYABLE', message: 'gone' }],
  [Object.assign(new Error('x'), { delay: { toString: () => '1s' } }), { message: 'x' }],
])('what a handler asks for by throwing is kept: %s', (thrown, kept) => {
  expect(cross(thrown)).toMatchObject(kept)
})

test('a code that is a number stays one', () => {
  expect(cross(Object.assign(new Error('x'), { code: 11_000 }))).toMatchObject({ code: 11_000 })
})
