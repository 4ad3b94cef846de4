#!/usr/bin/env node
// The program `offstage`: hands the process to `run` and ends it with the code that comes back.
import { codeOf } from '../errors/error.ts'
import { run } from './run.ts'

// A reader that had enough (`offstage jobs ls | head`) is no failure: what is left to write goes nowhere, and the
// command, or the worker, goes on to its own end.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error
  })
}

const code = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
})

process.exitCode = code
// A module of tasks may leave timers or connections open; the command has ended, so the process does too, once what
// was written has been taken.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
