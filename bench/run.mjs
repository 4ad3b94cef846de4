// `npm run bench -- sqlite [--runs 5] [--only enqueue,drain] [--no-record]`: prepares the checkout, then runs a suite of figures.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setup } from '../scripts/setup.mjs'

setup()
const main = fileURLToPath(new URL('./main.ts', import.meta.url))
const child = spawn(process.execPath, ['--import', 'tsx', main, ...process.argv.slice(2)], {
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
