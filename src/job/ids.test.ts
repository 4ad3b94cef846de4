import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkKey, checkName, newId } from './ids.ts'

const passes = (check: () => void): boolean => {
  try {
    check()
    return true
  } catch (error) {
    expect(error).toMatchObject({ name: 'OffstageError' })
    return false
  }
}

test('new ids are UUIDs of version 7 that sort by the time they were made', () => {
  const ids = Array.from({ length: 5_000 }, newId)
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids).size).toBe(5_000)
  expect([...ids].sort()).toEqual(ids)
})

describe('checkName', () => {
  test.each(['a', 'send-welcome', 'mail.send:v2', 'A_b', '0', 'x'.repeat(128)])('%s is a name', (name) => {
    expect(() => checkName('task', name)).not.toThrow()
  })

  test.each([
    '',
    ' ',
    'a b',
    'ä',
    'a/b',
    'a\n',
    '\u0000',
    'x'.repeat(129),
    5,
    null,
    undefined,
    {},
    Symbol('s'),
  ])('%s is none', (name) => {
    expect(() => checkName('queue', name)).toThrowError(expect.objectContaining({ code: 'NAME_INVALID' }))
  })
})

describe('checkKey', () => {
  test('takes 1 to 512 bytes of well-formed text without control characters, and nothing else', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({
        unit: fc.constantFrom('a', 'é', '€', '😀', '\ud800', '\udc00', '\u0007', '\u0085'),
        maxLength: 8,
      }),
      fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀'), minLength: 100, maxLength: 600 }),
    )
    fc.assert(
      fc.property(text, (key) => {
        const bytes = Buffer.byteLength(key)
        const control = [...key].some((one) => /\p{Cc}/u.test(one))
        const lone = Buffer.from(key, 'utf8').toString('utf8') !== key
        const valid = bytes >= 1 && bytes <= 512 && !control && !lone
        expect(passes(() => checkKey('id', key))).toBe(valid)
      }),
      { numRuns: 2_000 },
    )
  })

  test('the bound is in bytes', () => {
    expect(passes(() => checkKey('id', 'x'.repeat(512)))).toBe(true)
    expect(passes(() => checkKey('id', 'x'.repeat(513)))).toBe(false)
    expect(passes(() => checkKey('id', '€'.repeat(170)))).toBe(true)
    expect(passes(() => checkKey('id', '€'.repeat(171)))).toBe(false)
  })

  test.each([[5], [null], [undefined], [{}], [['a']]])('refuses %s', (key) => {
    expect(() => checkKey('unique.key', key)).toThrowError(
      expect.objectContaining({ code: 'ID_INVALID', details: { path: 'unique.key' } }),
    )
  })

  test('the message names the option and cuts the value', () => {
    expect(() => checkKey('id', 'y'.repeat(2_000))).toThrowError(/^id is 'y{60}…': use 1 to 512 bytes/)
  })
})
