// Proves how arguments are read, and what is said where they are wrong.
import { describe, expect, test } from 'vitest'
import { UsageError } from './exit.ts'
import { findWords, parseCommand } from './parse.ts'
import type { OptionSpecs } from './spec.ts'

const specs: OptionSpecs = {
  queue: { type: 'string', short: 'Q', value: '<name>', multiple: true, help: '' },
  header: { type: 'string', value: '<name=value>', multiple: true, help: '' },
  limit: { type: 'string', value: '<count>', help: '' },
  wait: { type: 'boolean', help: '' },
}

test('options in all spellings, arguments between them, and the end of options', () => {
  const args = parseCommand(
    ['a', '-Q', 'x', '--queue=y', '-Qz', '--wait', 'b', '--', '--not-an-option'],
    specs,
  )
  expect(args.texts('queue')).toEqual(['x', 'y', 'z'])
  expect(args.text('queue')).toBe('z')
  expect(args.has('wait')).toBe(true)
  expect(args.has('limit')).toBe(false)
  expect(args.positionals).toEqual(['a', 'b', '--not-an-option'])
})

test('a value may look like an option where it is written with =', () => {
  expect(parseCommand(['--limit=-5'], specs).text('limit')).toBe('-5')
})

test.each([
  [['--quue', 'x'], "unknown option '--quue'; did you mean '--queue'?"],
  [['--zzzzzzz'], "unknown option '--zzzzzzz'"],
  [['-x'], "unknown option '-x'"],
  [['--queue'], '--queue needs a value: --queue <name>'],
  [['--queue', '--wait'], '--queue needs a value: --queue <name>'],
  [['--queue='], '--queue needs a value: --queue <name>'],
  [['--wait=yes'], '--wait takes no value'],
  [['--constructor'], "unknown option '--constructor'"],
])('%j is refused', (argv, message) => {
  expect(() => parseCommand(argv, specs)).toThrow(new UsageError(message))
})

describe('values', () => {
  test.each(['x', '1.5', '', '-1', '11', '1e1'])('%j is no whole number from 0 to 10', (text) => {
    expect(() => parseCommand([`--limit=${text}`], specs).whole('limit', 0, 10)).toThrow(UsageError)
  })

  test('whole numbers, durations and pairs', () => {
    const args = parseCommand(['--limit', '10', '--header', 'a=1=2', '--header', 'b='], specs)
    expect(args.whole('limit', 0, 10)).toBe(10)
    expect(args.duration('limit')).toBe(10)
    expect(args.pairs('header')).toEqual({ a: '1=2', b: '' })
    expect(parseCommand([], specs).pairs('header')).toBeUndefined()
    expect(() => parseCommand(['--header', 'x'], specs).pairs('header')).toThrow('write it as name=value')
  })
})

test('arguments can be written again for another process', () => {
  const again = parseCommand(['a', '--limit=-1', '--header', 'x=--y', '--wait', '--', '--b'], specs).toArgv([
    'limit',
  ])
  expect(again).toEqual(['--header=x=--y', '--wait', '--', 'a', '--b'])
  expect(parseCommand(again, specs).toArgv()).toEqual(again)
  expect(parseCommand([], specs).toArgv()).toEqual([])
})

test('the words of the command are found behind global options', () => {
  const { words } = findWords(['--broker', 'memory:', '--json', 'jobs', 'ls', '--state', 'failed'])
  expect(words.slice(0, 2).map(({ text }) => text)).toEqual(['jobs', 'ls'])
  expect(words[0]?.index).toBe(3)
  expect(() => findWords(['--jsn', 'jobs'])).toThrow("did you mean '--json'?")
  expect(findWords(['--version']).version).toBe(true)
})
