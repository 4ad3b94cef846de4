import { expect, test } from 'vitest'
import { hasCode } from '../../errors/error.ts'
import { openBroker } from '../open.ts'
import { parseUrl, readOptions } from './options.ts'

test.each([
  ['sqlite:./jobs.db', '/base/jobs.db'],
  ['sqlite:jobs.db', '/base/jobs.db'],
  ['sqlite:../jobs.db', '/jobs.db'],
  ['sqlite:///srv/jobs.db', '/srv/jobs.db'],
  ['sqlite:/srv/jobs.db', '/srv/jobs.db'],
  ['sqlite:./a%20b.db', '/base/a b.db'],
  ['sqlite::memory:', ':memory:'],
])('%s is %s', (url, file) => {
  expect(readOptions({ ...parseUrl(url), baseDir: '/base' }).file).toBe(file)
})

test('options of a URL, and their defaults', () => {
  expect(readOptions('sqlite::memory:')).toMatchObject({
    durability: 'full',
    namespace: 'default',
    engine: undefined,
  })
  expect(readOptions('sqlite::memory:?durability=normal&engine=better-sqlite3')).toMatchObject({
    durability: 'normal',
    engine: 'better-sqlite3',
  })
})

test.each([
  'sqlite:./x.db?durability=maybe',
  'sqlite:./x.db?engine=other',
  'sqlite:./x.db?sync=off',
  'sqlite:',
  'sqlite://host/x.db',
  'sqlite:./%E0%A4%A.db',
])('%s is refused', (url) => {
  expect(() => readOptions(url)).toThrowError(expect.objectContaining({ code: 'OPTION_INVALID' }))
})

test('a URL opens the broker of its scheme, with paths from the base folder', async () => {
  const file = await openBroker('sqlite:./jobs.db?durability=normal', {
    baseDir: '/srv/app',
    namespace: 'shop',
  })
  expect([file.name, file.namespace, file.capabilities.durability]).toEqual(['sqlite', 'shop', 'process'])
  const memory = await openBroker('memory:')
  expect(memory.name).toBe('memory')
})

test.each(['kafka://user:secret@host/0', 'jobs.db', '', 'constructor:x'])(
  '%s names no broker that is known',
  async (url) => {
    const error = await openBroker(url).catch((thrown: unknown) => thrown)
    expect(hasCode(error, 'BROKER_UNKNOWN')).toBe(true)
    expect(String(error)).toContain('memory:, sqlite:')
    expect(String(error)).not.toContain('secret')
  },
)
