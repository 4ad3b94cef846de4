import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeJson, encodeJson } from './codec.ts'
import { defaultMaxCrashes, defaultRetention } from './defaults.ts'
import { type JobSpec, packRare, unpackRare } from './record.ts'

const defaults = { retention: defaultRetention, maxCrashes: defaultMaxCrashes }
const plain: JobSpec = {
  id: 'a',
  task: 't',
  queue: 'q',
  priority: 5,
  input: { codec: 0, bytes: new Uint8Array(0) },
  ...defaults,
}

const text = fc.string({ unit: 'grapheme', maxLength: 10 })
const field = fc.string({ unit: fc.constantFrom('a', 'b', 'z', '_'), minLength: 1, maxLength: 4 })
const dictionary = fc.dictionary(field, text, { noNullPrototype: true })
const ms = fc.nat(1_000_000)
const rare = fc.record(
  {
    unique: fc.record({
      key: text,
      during: fc.constantFrom('unfinished' as const, 'waiting' as const),
      onConflict: fc.constantFrom('keep' as const, 'replace' as const),
    }),
    search: dictionary,
    tags: fc.array(text),
    headers: dictionary,
    retry: fc.record({ attempts: ms, baseMs: ms, maxMs: ms }),
    timeoutMs: ms,
    workflow: text,
    node: text,
    after: fc.array(fc.record({ id: text, when: fc.constantFrom('succeeded' as const, 'ended' as const) })),
  },
  { requiredKeys: [], noNullPrototype: true },
)
const extra = fc.dictionary(
  field.map((name) => `x-${name}`),
  fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  { minKeys: 1, noNullPrototype: true },
)

describe('the packed rare fields', () => {
  test('a plain job costs nothing', () => {
    expect(packRare(plain, defaults)).toBeNull()
    expect(packRare({ ...plain, retention: { ...defaultRetention }, tags: undefined }, defaults)).toBeNull()
    expect(unpackRare(null)).toEqual({})
    expect(unpackRare('')).toEqual({})
  })

  test('what is packed comes back, and nothing else', () => {
    fc.assert(
      fc.property(rare, (fields) => {
        const back = unpackRare(packRare({ ...plain, ...fields }, defaults))
        expect(back).toEqual(fields)
        expect(Object.keys(back).sort()).toEqual(Object.keys(fields).sort())
      }),
    )
  })

  test('fields of a newer version are kept as they came', () => {
    fc.assert(
      fc.property(rare, extra, (fields, more) => {
        const once = unpackRare(packRare({ ...plain, ...fields, extra: more }, defaults))
        expect(once).toEqual({ ...fields, extra: more })
        expect(unpackRare(packRare({ ...plain, ...once, ...defaults }, defaults))).toEqual(once)
      }),
    )
  })

  test('retention and crashes are packed where they are not the defaults', () => {
    const own = { retention: { ...defaultRetention, failedMs: 5 }, maxCrashes: 9 }
    expect(unpackRare(packRare({ ...plain, ...own }, defaults))).toEqual(own)
  })

  test('a field called __proto__ touches no prototype', () => {
    const back = unpackRare('{"__proto__":{"polluted":true},"timeoutMs":5}')
    expect(back.timeoutMs).toBe(5)
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
  })
})

describe('payloads', () => {
  test('JSON values come back as JSON has them', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeJson(encodeJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('undefined has no bytes and comes back', () => {
    expect(encodeJson(undefined).bytes.length).toBe(0)
    expect(decodeJson(encodeJson(undefined))).toBeUndefined()
  })

  test('damaged bytes and unknown codecs say so and show nothing of the payload', () => {
    const unreadable = expect.objectContaining({ code: 'PAYLOAD_UNREADABLE' })
    for (const bytes of ['{"secret":', 'secret', '\u0000'].map((one) => new TextEncoder().encode(one))) {
      expect(() => decodeJson({ codec: 0, bytes })).toThrowError(unreadable)
      expect(() => decodeJson({ codec: 0, bytes })).not.toThrowError(/secret/)
    }
    expect(() => decodeJson({ codec: 0, bytes: Uint8Array.of(0xff, 0x22) })).toThrowError(unreadable)
    expect(() => decodeJson({ codec: 9, bytes: Uint8Array.of(0x31) })).toThrowError(unreadable)
  })
})
