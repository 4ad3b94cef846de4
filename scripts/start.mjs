// `npm start`: makes the clone ready, then runs the example application with the arguments passed on.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import process, { argv, execPath, exit } from 'node:process'
import { root, setup } from './setup.mjs'

setup()

const child = spawn(execPath, ['--import', 'tsx', join(root, 'examples/books/main.ts'), ...argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A terminal sends SIGINT to the whole group, so the child has it already and would count a second one.
    if (signal === 'SIGINT' && process.stdin.isTTY) return
    child.kill(signal)
  })
}

child.on('error', (error) => {
  console.error(`The example could not be started: ${error.message}`)
  exit(1)
})
child.on('exit', (code, signal) => exit(code ?? 128 + (constants.signals[signal] ?? 0)))
