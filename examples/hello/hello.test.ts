// Runs the first program of the README as a user would: in a project of its own that has offstage and zod installed.
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
let project: string

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'offstage-hello-'))
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(root, join(project, 'node_modules/offstage'))
  symlinkSync(join(root, 'node_modules/zod'), join(project, 'node_modules/zod'))
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  copyFileSync(join(root, 'examples/hello/hello.ts'), join(project, 'hello.ts'))
})

afterEach(() => rmSync(project, { recursive: true, force: true }))

test('the README’s first program greets, ends by itself, and leaves its jobs in a file of its own', async () => {
  const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', tsx, 'hello.ts'], {
    cwd: project,
    timeout: 30_000,
  })
  expect(stdout).toBe('Welcome, Ada!\n')
  expect(statSync(join(project, 'offstage.db')).mode & 0o777).toBe(0o600)
})
