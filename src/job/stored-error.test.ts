import { describe, expect, test } from 'vitest'
import { bounds } from './defaults.ts'
import { cleanText, storedError } from './stored-error.ts'

describe('what is thrown becomes text', () => {
  test('an error with code and cause', () => {
    const cause = Object.assign(new TypeError('refused'), { code: 'ECONNREFUSED' })
    const stored = storedError(new Error('could not send', { cause }))
    expect(stored).toMatchObject({
      name: 'Error',
      message: 'could not send',
      cause: { name: 'TypeError', message: 'refused', code: 'ECONNREFUSED' },
    })
    expect(stored.stack).toContain('stored-error.test.ts')
    expect(stored.fingerprint).toMatch(/^[0-9a-f]{16}$/)
  })

  test.each([
    ['a string', 'broken', 'broken'],
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['a number', 42, '42'],
    ['a BigInt', 10n, '10n'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['a plain object', { a: 1 }, '{ a: 1 }'],
    ['an empty string', '', ''],
  ])('%s', (_, thrown, message) => {
    expect(storedError(thrown)).toMatchObject({ name: 'Error', message })
  })

  test('a numeric code, and a message that is no string', () => {
    expect(storedError({ name: 'Odd', code: 7, message: 5 })).toMatchObject({ name: 'Odd', code: '7' })
  })

  test('an aggregate says what its first part says', () => {
    const stored = storedError(new AggregateError([new Error('first'), new Error('second')], 'all failed'))
    expect(stored).toMatchObject({ message: 'all failed', cause: { message: 'first' } })
  })
})

describe('hostile values', () => {
  const throwing = (what: string) => () => {
    throw new Error(`hostile ${what}`)
  }

  test('getters that throw', () => {
    const error = {}
    for (const key of ['name', 'message', 'stack', 'code', 'cause', 'errors', 'toString']) {
      Object.defineProperty(error, key, { get: throwing(key), enumerable: true })
    }
    expect(storedError(error)).toMatchObject({ name: 'Error' })
  })

  test('a proxy that throws at everything, also one that was revoked', () => {
    const handler = new Proxy({}, { get: throwing('trap') })
    expect(storedError(new Proxy({}, handler)).name).toBe('Error')
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(storedError(proxy).name).toBe('Error')
    expect(storedError(new Error('x', { cause: proxy })).message).toBe('x')
  })

  test('code of its own is not run', () => {
    const thrown = {
      [Symbol.for('nodejs.util.inspect.custom')]: throwing('inspect'),
      toJSON: throwing('toJSON'),
    }
    expect(storedError(thrown).message).toContain('toJSON')
  })

  test('circular and endless causes end', () => {
    const error = new Error('round')
    error.cause = error
    expect(storedError(error).cause).toBeUndefined()
    const endless: object = new Proxy(
      { message: 'deeper' },
      {
        get: (target, key) =>
          key === 'cause' ? new Proxy(target, { get: () => endless }) : Reflect.get(target, key),
      },
    )
    let depth = 0
    for (let at: { cause?: unknown } | undefined = storedError(endless); at; at = at.cause as typeof at)
      depth += 1
    expect(depth).toBeLessThanOrEqual(5)
  })

  test('frozen errors, errors of another realm and without prototype', () => {
    expect(storedError(Object.freeze(new Error('cold'))).message).toBe('cold')
    expect(storedError(Object.create(null)).name).toBe('Error')
  })

  test('NUL and lone surrogates are replaced, pairs are kept', () => {
    const stored = storedError(new Error('a\u0000b\ud800c\udc00d\u{1f600}'))
    expect(stored.message).toBe('a\ufffdb\ufffdc\ufffdd\u{1f600}')
    expect(stored.stack).not.toContain('\u0000')
  })

  test('five megabytes are cut, and no pair is cut in half', () => {
    const stored = storedError(new Error('\u{1f600}'.repeat(2_500_000)))
    expect(stored.message.length).toBe(bounds.errorMessage)
    expect(stored.stack?.length).toBeLessThanOrEqual(bounds.errorStack)
    expect(Buffer.from(stored.message).toString()).toBe(stored.message)
    expect(cleanText('\u{1f600}'.repeat(10), 4)).toBe('\u{1f600}\ufffd…')
    expect(cleanText('short', 5)).toBe('short')
  })
})

describe('fingerprints', () => {
  const fail = (message: string): Error => new Error(message)
  const print = (error: unknown): string => storedError(error).fingerprint

  test('numbers, hashes and ids in the message make no difference', () => {
    const of = (n: number, id: string, hash: string): string =>
      print(fail(`job ${n} of ${id} at ${hash} timed out after ${n}ms`))
    expect(of(1, '018f4e9c-1111-7abc-8def-000000000001', 'deadbeef01')).toBe(
      of(934, '018f4e9c-2222-7abc-9def-00000000ffff', '0123456789abcdef'),
    )
  })

  test('another message, name, code or place makes another', () => {
    const elsewhere = (): Error => new Error('a')
    const prints = [
      print(fail('a')),
      print(fail('b')),
      print(elsewhere()),
      print(Object.assign(fail('a'), { code: 'E' })),
      print(Object.assign(fail('a'), { name: 'Other' })),
      print('a'),
    ]
    expect(new Set(prints).size).toBe(prints.length)
  })

  test('folders, lines and queries make no difference', () => {
    const at = (frame: string): string =>
      print(Object.assign(new Error('a'), { stack: `Error: a\n    at node:internal/x:1:1\n    at ${frame}` }))
    expect(at('send (/srv/v1/app/mail.ts:10:5)')).toBe(at('send (file:///opt/v2/mail.ts?t=12:99:1)'))
    expect(at('send (/srv/app/mail.ts:10:5)')).not.toBe(at('send (/srv/app/post.ts:10:5)'))
  })
})
