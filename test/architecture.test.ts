// Holds the order of the house: who may import whom, and that time is handed in.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { violations } from './support/architecture.ts'
import { codeOnly, importsOf } from './support/sources.ts'

const src = fileURLToPath(new URL('../src', import.meta.url))

function sourcesOf(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        return [relative(folder, path).split(sep).join('/'), readFileSync(path, 'utf8')]
      }),
  )
}

const planted = (files: Record<string, string>): string[] => violations(new Map(Object.entries(files)))

test('the sources keep the order of the house', () => {
  const sources = sourcesOf(src)
  expect(sources.size).toBeGreaterThan(0)
  expect(violations(sources)).toEqual([])
})

describe('the rules find what breaks them', () => {
  test.each([
    ['a value from a later room', "import { a } from '../worker/a.ts'"],
    ['a type from a later room', "import type { A } from '../worker/a.ts'"],
    ['a lazy import from a later room', "const a = () => import('../worker/a.ts')"],
    ['a type written as an import', "export type A = import('../worker/a.ts').A"],
    ['a re-export from a later room', "export { a, type B } from '../worker/a.ts'"],
    ['everything from a later room', "export * from '../worker/a.ts'"],
    ['everything under a name', "import * as a from '../worker/a.ts'"],
    ['a bare import of a later room', "import '../worker/a.ts'"],
    ['an import over several lines', "import {\n  a,\n  b,\n} from '../worker/a.ts'"],
  ])('%s', (_, source) => {
    expect(planted({ 'job/job.ts': source })).toEqual([
      'job/job.ts: imports "../worker/a.ts"; job comes before worker and may not know it',
    ])
  })

  test('an earlier room, the own room and packages are free', () => {
    const source = [
      "import { a } from '../job/a.ts'",
      "import type { B } from './b.ts'",
      "import z from 'zod'",
      "import { join } from 'node:path'",
    ].join('\n')
    expect(planted({ 'worker/worker.ts': source })).toEqual([])
  })

  test('the index may import anything, and nothing imports the index', () => {
    expect(
      planted({ 'index.ts': "export * from './laws/index.ts'\nexport * from './errors/error.ts'" }),
    ).toEqual([])
    expect(planted({ 'job/job.ts': "import { a } from '../index.ts'" })).toHaveLength(1)
    expect(planted({ 'job/job.ts': "import { a } from 'offstage'" })).toHaveLength(1)
  })

  test('a test file may import anything', () => {
    expect(planted({ 'job/job.test.ts': "import '../laws/index.ts'\nsetTimeout(Date.now)" })).toEqual([])
  })

  test('a room that nobody knows, and a file outside the rooms', () => {
    expect(planted({ 'utils/a.ts': '' })).toEqual(['utils/a.ts: "utils" is not a room of the house'])
    expect(planted({ 'helper.ts': '' })).toEqual(['helper.ts: only index.ts stands outside the rooms'])
  })

  test('a broker that imports another', () => {
    expect(planted({ 'brokers/sqlite/a.ts': "import '../memory/b.ts'" })).toEqual([
      'brokers/sqlite/a.ts: imports "../memory/b.ts"; brokers/sqlite may not know brokers/memory',
    ])
    expect(planted({ 'brokers/open.ts': "const a = () => import('./memory/b.ts')" })).toEqual([])
  })

  test('folders that import each other, even by types', () => {
    const files = {
      'worker/one/a.ts': "import type { B } from '../two/b.ts'",
      'worker/two/b.ts': "import type { C } from '../one/c.ts'",
    }
    expect(planted(files)).toEqual(['folders import each other: worker/one -> worker/two -> worker/one'])
  })

  test('files that load each other; types and lazy imports may', () => {
    const other = { 'job/b.ts': "import './a.ts'" }
    expect(planted({ ...other, 'job/a.ts': "export { b } from './b.ts'" })).toEqual([
      'files import each other: job/b.ts -> job/a.ts -> job/b.ts',
    ])
    expect(planted({ ...other, 'job/a.ts': "import type { B } from './b.ts'" })).toEqual([])
    expect(planted({ ...other, 'job/a.ts': "const b = () => import('./b.ts')" })).toEqual([])
  })

  test.each([
    ['Date.now', 'const at = Date.now()'],
    ['Date.now', 'const read = Date.now'],
    ['setTimeout', 'setTimeout(run, 10)'],
    ['globalThis.setTimeout', 'globalThis.setTimeout(run, 10)'],
    ['setInterval', `const text = \`\${setInterval(run, 10)}\``],
    ['new Date', 'const at = new Date()'],
    ['new Date', 'const at = new Date'],
  ])('time that is not handed in: %s', (name, source) => {
    const expected = `worker/a.ts:2: uses ${name}; time comes from the clock in runtime/clock.ts`
    expect(planted({ 'worker/a.ts': `\n${source}` })).toEqual([expected])
    expect(planted({ 'runtime/clock.ts': source, 'cli/a.ts': source, 'laws/a.ts': source })).toEqual([])
  })

  test('timers from a module', () => {
    expect(
      planted({ 'worker/a.ts': "import { setTimeout as wait } from 'node:timers/promises'" }),
    ).toHaveLength(2)
  })

  test('a date made from a given time, a method of that name, prose and strings are free', () => {
    const source = [
      '// setTimeout and Date.now are only named here',
      "const help = 'setTimeout(run, 10)'",
      'const at = new Date(job.runAt)',
      'const format = new DateFormat()',
      'socket.setTimeout(10)',
      'const pattern = /[\'"`]setInterval/',
    ].join('\n')
    expect(planted({ 'worker/a.ts': source })).toEqual([])
  })
})

describe('the scanner', () => {
  test('leaves comments, strings and templates out', () => {
    const source = [
      "// import { a } from '../worker/a.ts'",
      "/* import { a } from '../worker/a.ts' */",
      'const text = "import { a } from \'../worker/a.ts\'"',
      "const template = `import { a } from '../worker/a.ts' ${name({ a: `}` })} import './b.ts'`",
      "import { real } from './real.ts'",
    ].join('\n')
    expect(importsOf(source)).toEqual([{ specifier: './real.ts', typeOnly: false, dynamic: false }])
  })

  test('tells a division from a regular expression', () => {
    expect(codeOnly("const a = b / c; import('x') / d")).toContain("import(' ')")
    expect(codeOnly("const a = /['/]/; const b = 'x'")).toBe(
      "const a = /    /; const b = ' '".replace('    ', '    '),
    )
  })

  test('keeps length and lines, so that a finding names its line', () => {
    const source = "const a = 'x' // y\n/* z\n */ const b = `\n${a}\n`\n"
    expect(codeOnly(source)).toHaveLength(source.length)
    expect(codeOnly(source).split('\n')).toHaveLength(source.split('\n').length)
  })
})
