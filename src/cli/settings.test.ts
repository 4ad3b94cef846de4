// Proves the order in which settings win: option, environment, config file; and what a config file may hold.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeIo } from '../../test/cli/io.ts'
import { workerOptions } from './commands/worker.ts'
import { UsageError } from './exit.ts'
import { parseCommand } from './parse.ts'
import { Settings } from './settings.ts'
import { processOptions } from './supervisor/settings.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-settings-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, text: string): string {
  const whole = join(folder, path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, text)
  return whole
}

function settings(argv: readonly string[], env: { [name: string]: string } = {}, cwd = folder): Settings {
  return new Settings(parseCommand(argv, workerOptions), makeIo({ env, cwd }, { stdout: '', stderr: '' }))
}

test('option, then environment, then config file', async () => {
  const config = write('offstage.config.json', '{"broker":"memory:c"}')
  const env = { OFFSTAGE_BROKER: 'memory:b' }
  expect(await settings(['--broker', 'memory:a'], env).find('broker')).toEqual({
    values: ['memory:a'],
    from: '--broker',
  })
  expect(await settings([], env).find('broker')).toEqual({ values: ['memory:b'], from: 'OFFSTAGE_BROKER' })
  expect(await settings([]).find('broker')).toEqual({ values: ['memory:c'], from: config })
  expect(await settings([], { OFFSTAGE_BROKER: '' }).text('broker')).toBe('memory:c')
  expect(await settings([]).find('namespace')).toBeUndefined()
})

test('lists and numbers in each place', async () => {
  write('offstage.config.json', '{"queues":["e","f"],"concurrency":3,"lease":"9s"}')
  expect((await settings(['-Q', 'a,b', '-Q', 'c']).find('queues'))?.values).toEqual(['a', 'b', 'c'])
  expect((await settings([], { OFFSTAGE_QUEUES: 'd, e' }).find('queues'))?.values).toEqual(['d', 'e'])
  expect((await settings([]).find('queues'))?.values).toEqual(['e', 'f'])
  expect(await settings([], { OFFSTAGE_CONCURRENCY: '7' }).text('concurrency')).toBe('7')
  expect(await settings([]).text('concurrency')).toBe('3')
  expect(await settings([]).text('lease')).toBe('9s')
  write('offstage.config.json', '{"concurrency":"auto"}')
  expect(await settings([]).text('concurrency')).toBe('auto')
})

test('a setting of two words', async () => {
  write('offstage.config.json', '{"maxMemory":"1gb","maxJobs":3,"probe":8080}')
  const all = { ...workerOptions, ...processOptions }
  const read = (argv: readonly string[], env: { [name: string]: string } = {}) =>
    new Settings(parseCommand(argv, all), makeIo({ env, cwd: folder }, { stdout: '', stderr: '' })).find(
      'maxMemory',
    )
  expect(await read(['--max-memory', '2gb'])).toEqual({ values: ['2gb'], from: '--max-memory' })
  expect((await read([], { OFFSTAGE_MAX_MEMORY: '3gb' }))?.values).toEqual(['3gb'])
  expect((await read([]))?.values).toEqual(['1gb'])
  expect(await settings([]).text('maxJobs')).toBe('3')
  expect(await settings([]).text('probe')).toBe('8080')
})

test('files of the entry: from where they were named', async () => {
  write('offstage.config.json', '{"entry":"./tasks.ts"}')
  mkdirSync(join(folder, 'deep/er'), { recursive: true })
  const cwd = join(folder, 'deep/er')
  expect((await settings([], {}, cwd).find('entry'))?.values).toEqual([join(folder, 'tasks.ts')])
  expect((await settings([], { OFFSTAGE_ENTRY: 'a.ts,b.ts' }, cwd).find('entry'))?.values).toEqual([
    join(cwd, 'a.ts'),
    join(cwd, 'b.ts'),
  ])
  expect((await settings(['--entry', '../x.ts'], {}, cwd).find('entry'))?.values).toEqual([
    join(folder, 'deep/x.ts'),
  ])
})

describe('the config file', () => {
  test('is found upward, the nearest first; package.json counts where it has the key', async () => {
    write('package.json', '{"name":"x","offstage":{"broker":"memory:package"}}')
    write('a/package.json', '{"name":"y"}')
    expect(await settings([], {}, join(folder, 'a')).text('broker')).toBe('memory:package')
    write('a/offstage.config.json', '{"broker":"memory:near"}')
    expect(await settings([], {}, join(folder, 'a')).text('broker')).toBe('memory:near')
  })

  test('may be a module', async () => {
    write('offstage.config.mjs', "export default { broker: 'memory:module', namespace: 'n' }")
    expect(await settings([]).text('namespace')).toBe('n')
  })

  test.each([
    ['{"brokr":"memory:"}', "unknown setting 'brokr'; did you mean 'broker'?"],
    ['{"broker":1}', 'broker must be a string'],
    ['{"entry":[1]}', 'entry must be a string or an array of strings'],
    ['{"concurrency":"x"}', "concurrency must be a number or 'auto'"],
    ['{"maxMemory":true}', "maxMemory must be bytes or a string like '512mb'"],
    ['{"max-jobs":5}', "unknown setting 'max-jobs'; did you mean 'maxJobs'?"],
    ['[]', 'does not hold an object of settings'],
    ['{', 'cannot be read as JSON'],
  ])('%s is refused', async (text, message) => {
    const path = write('offstage.config.json', text)
    const error = await settings([])
      .find('broker')
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UsageError)
    expect(String(error)).toContain(message)
    expect(String(error)).toContain(path)
  })

  test('a module without a default export is refused', async () => {
    write('offstage.config.mjs', 'export const broker = 1')
    await expect(settings([]).find('broker')).rejects.toThrow('has no default export')
  })
})
