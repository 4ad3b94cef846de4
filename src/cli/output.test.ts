// Proves where text goes, when it has colours, and how tables are laid out.
import { expect, test } from 'vitest'
import { type IoOptions, makeIo } from '../../test/cli/io.ts'
import { Output } from './output.ts'

function make(options: IoOptions = {}, flags: { quiet?: boolean; noColor?: boolean } = {}) {
  const written = { stdout: '', stderr: '' }
  const io = makeIo(options, written)
  return {
    written,
    out: new Output(io, { json: false, quiet: flags.quiet ?? false, noColor: flags.noColor ?? false }),
  }
}

test('data on stdout, messages on stderr, notes not under --quiet', () => {
  const { out, written } = make()
  out.line('data')
  out.note('note')
  expect(written).toEqual({ stdout: 'data\n', stderr: 'note\n' })
  const quiet = make({}, { quiet: true })
  quiet.out.note('note')
  quiet.out.warn('careful')
  expect(quiet.written.stderr).toBe('warning: careful\n')
})

test.each<[string, IoOptions, boolean, boolean]>([
  ['a pipe', {}, false, false],
  ['a terminal', { tty: true }, false, true],
  ['a dumb terminal', { tty: true, env: { TERM: 'dumb' } }, false, false],
  ['NO_COLOR', { tty: true, env: { NO_COLOR: '1' } }, false, false],
  ['an empty NO_COLOR', { tty: true, env: { NO_COLOR: '' } }, false, true],
  ['FORCE_COLOR on a pipe', { env: { FORCE_COLOR: '1' } }, false, true],
  ['FORCE_COLOR over NO_COLOR', { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }, false, true],
  ['FORCE_COLOR=0', { tty: true, env: { FORCE_COLOR: '0' } }, false, false],
  ['--no-color over all', { tty: true, env: { FORCE_COLOR: '1' } }, true, false],
])('%s', (_, options, noColor, coloured) => {
  expect(make(options, { noColor }).out.style('red', 'x') !== 'x').toBe(coloured)
})

const columns = [{ title: 'ID' }, { title: 'N', align: 'right' as const }, { title: 'NOTE', shrinks: true }]
const rows = [
  [{ text: 'a' }, { text: '1' }, { text: 'short' }],
  [{ text: 'bbb' }, { text: '100' }, { text: 'a note that is rather long for a narrow terminal' }],
]

test('a table is aligned and whole in a pipe', () => {
  const { out, written } = make({ columns: 30 })
  out.table(columns, rows)
  expect(written.stdout.split('\n')).toEqual([
    'ID     N  NOTE',
    'a      1  short',
    'bbb  100  a note that is rather long for a narrow terminal',
    '',
  ])
})

test('a table is cut to the terminal, the column that shrinks first', () => {
  const { out, written } = make({ tty: true, columns: 30 }, { noColor: true })
  out.table(columns, rows)
  const lines = written.stdout.trimEnd().split('\n')
  expect(lines[2]).toBe('bbb  100  a note that is rath…')
  expect(Math.max(...lines.map((line) => line.length))).toBe(30)
})
