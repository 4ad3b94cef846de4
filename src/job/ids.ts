// Ids and names: how they are made, and the rules they keep.
import { V7Generator } from 'uuidv7'
import { OffstageError } from '../errors/error.ts'
import { bounds } from './defaults.ts'

// Random numbers are drawn by the page: asking the system for a few bytes at a time costs more than the id itself.
const randomWords = new Uint32Array(1_024)
let usedWords = randomWords.length

function nextUint32(): number {
  if (usedWords === randomWords.length) {
    crypto.getRandomValues(randomWords)
    usedWords = 0
  }
  const word = randomWords[usedWords] as number
  usedWords += 1
  return word
}

const generator = new V7Generator({ nextUint32 })

/** A new id: a UUID of version 7, so that ids of jobs sort by the time they were made. */
export function newId(): string {
  return generator.generate().toString()
}

const NAME = /^[A-Za-z0-9_.:-]{1,128}$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what the rule forbids.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** @throws NAME_INVALID */
export function checkName(kind: 'task' | 'queue', name: unknown): asserts name is string {
  if (typeof name === 'string' && NAME.test(name)) return
  throw new OffstageError(
    'NAME_INVALID',
    `${quote(name)} is no name for a ${kind}: use 1 to ${bounds.name} letters, digits or _ . : -`,
  )
}

/**
 * Checks an id or a key.
 *
 * @param path what the value is called where the user wrote it
 * @throws ID_INVALID
 */
export function checkKey(path: string, key: unknown): asserts key is string {
  if (typeof key === 'string' && key !== '' && key.length <= bounds.key) {
    const plain = !CONTROL.test(key) && !LONE_SURROGATE.test(key)
    if (plain && (key.length * 3 <= bounds.key || Buffer.byteLength(key) <= bounds.key)) return
  }
  const rule = `1 to ${bounds.key} bytes of UTF-8 without control characters`
  throw new OffstageError('ID_INVALID', `${path} is ${quote(key)}: use ${rule}`, { details: { path } })
}

function quote(value: unknown): string {
  return typeof value === 'string'
    ? `'${value.slice(0, 60)}${value.length > 60 ? '…' : ''}'`
    : `a value of type ${typeof value}`
}
