// Proves the embedding of SQL and Lua files: what it writes, that it notices drift, and what it refuses.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const script = fileURLToPath(new URL('../scripts/embed.mjs', import.meta.url))
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-embed-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

function embed(...args: string[]): { status: number | null; errors: string } {
  const done = spawnSync(process.execPath, [script, folder, ...args], { encoding: 'utf8' })
  return { status: done.status, errors: done.stderr }
}

const load = (path: string): Promise<Record<string, unknown>> =>
  import(pathToFileURL(join(folder, path)).href)

test('statements and migrations become a module, without their headers', async () => {
  const tricky = "SELECT '\\', `a`, '${b}' -- kept\nFROM jobs;"
  write('x/sql/claim-jobs.sql', `-- Claims jobs.\n-- Cost: one index walk.\n\n${tricky}\n`)
  write('x/sql/count.sql', '/* Counts\n * jobs. */\nSELECT count(*) FROM jobs\n')
  write('x/sql/migrations/0001_first.sql', '-- The first layout.\nCREATE TABLE jobs (id TEXT);\n')
  write('x/sql/migrations/0002_index.sql', 'CREATE INDEX one ON jobs (id);\n')
  expect(embed()).toEqual({ status: 0, errors: '' })

  const made = await load('x/sql.generated.ts')
  expect(made.sql).toEqual({ claimJobs: tricky, count: 'SELECT count(*) FROM jobs' })
  expect(made.migrations).toEqual([
    { version: 1, name: 'first', sql: 'CREATE TABLE jobs (id TEXT);' },
    { version: 2, name: 'index', sql: 'CREATE INDEX one ON jobs (id);' },
  ])
  expect(readFileSync(join(folder, 'x/sql.generated.ts'), 'utf8')).toContain('readonly claimJobs: string')
})

test('scripts in Lua become a module of their own', async () => {
  write('y/lua/settle.lua', '--[[ Settles.\nKEYS[1] jobs ]]\n-- and more\nlocal a = 1 -- kept\nreturn a\n')
  expect(embed().status).toBe(0)
  expect((await load('y/lua.generated.ts')).lua).toEqual({ settle: 'local a = 1 -- kept\nreturn a' })
})

test('drift is noticed: a change, and a module whose sources are gone', () => {
  write('x/sql/count.sql', 'SELECT 1')
  expect(embed('--check').status).toBe(1)
  expect(embed().status).toBe(0)
  expect(embed('--check')).toEqual({ status: 0, errors: '' })
  write('x/sql/count.sql', 'SELECT 2')
  expect(embed('--check').errors).toContain('sql.generated.ts does not match its sources')
  embed()
  rmSync(join(folder, 'x/sql/count.sql'))
  expect(embed('--check').status).toBe(1)
  expect(embed().status).toBe(0)
  expect(embed('--check').status).toBe(0)
})

test.each([
  ['x/sql/Claim.sql', 'SELECT 1', 'lower case with hyphens'],
  ['x/sql/empty.sql', '-- only a header\n', 'holds no statement'],
  ['x/sql/more/deep.sql', 'SELECT 1', 'only .sql files and a folder "migrations" belong here'],
  ['x/sql/migrations/first.sql', 'SELECT 1', 'named like 0001_what_it_does.sql'],
  ['x/sql/migrations/0002_second.sql', 'SELECT 1', 'numbered from 0001 without gaps'],
])('refuses %s', (path, text, reason) => {
  write(path, text)
  const done = embed()
  expect(done.status).toBe(1)
  expect(done.errors).toContain(reason)
})
