#!/usr/bin/env node
// The program `offstage`: hands the process to `run` and ends it with the code that comes back.
import { codeOf } from '../errors/error.ts'
import { run } from './run.ts'

// A reader that had enough (`offstage jobs ls | head`) is no failure; without stderr there is nobody to tell.
process.stdout.on('error', (error) => (codeOf(error) === 'EPIPE' ? process.exit(0) : fail(error)))
process.stderr.on('error', (error) => (codeOf(error) === 'EPIPE' ? undefined : fail(error)))

function fail(error: unknown): never {
  process.exitCode = 1
  throw error
}

const code = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
})

// A module of tasks may leave timers or connections open; the command has ended, so the process does too, once what
// was written has been taken.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
