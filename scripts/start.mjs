// `npm start`: makes the clone ready, then runs the example application with the arguments passed on.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { argv, execPath, exit, on } from 'node:process'
import { root, setup } from './setup.mjs'

setup()

const child = spawn(execPath, ['--import', 'tsx', join(root, 'examples/books/main.ts'), ...argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})

// A terminal sends SIGINT to the whole group, so the child already has it; passing it on would count as a second one.
on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP']) on(signal, () => child.kill(signal))

child.on('error', (error) => {
  console.error(`The example could not be started: ${error.message}`)
  exit(1)
})
child.on('exit', (code, signal) => exit(code ?? 128 + (constants.signals[signal] ?? 0)))
