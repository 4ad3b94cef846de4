// `npm run bench -- <suite> [--runs 5] [--only enqueue,drain] [--systems offstage,bullmq] [--quick] [--profile] [--no-record]`:
// prepares the checkout, and for a suite with peers their packages and the current Node, then runs the suite.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { env, execPath, exit, platform } from 'node:process'
import { fileURLToPath } from 'node:url'
import { setup } from '../scripts/setup.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const modules = `${here}node_modules`
const suitesWithPeers = ['redis', 'postgres', 'worker']

setup()
const node = suitesWithPeers.some((suite) => process.argv.includes(suite)) ? installPeers() : execPath
linkOffstage()
const child = spawn(execPath, ['--import', 'tsx', `${here}main.ts`, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...env, BENCH_NODE: node },
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})

/** Answers the Node to measure on. */
function installPeers() {
  const lock = readFileSync(`${here}package-lock.json`, 'utf8')
  const stamp = `${modules}/.offstage-setup`
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    console.error('Installing what is measured against (`npm ci` in bench) ...')
    const done = spawnSync('npm', ['ci'], {
      cwd: here,
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: platform === 'win32',
    })
    if (done.status !== 0) exit(1)
    writeFileSync(stamp, lock)
  }
  const current = `${modules}/node-${platform}-${process.arch}/bin/node`
  if (existsSync(current)) return current
  console.error(
    `There is no current Node for ${platform} ${process.arch} here: all runs on ${process.version}.`,
  )
  return execPath
}

/** The figures import the package by its name, as it was built. bench is a package of its own, so it needs this. */
function linkOffstage() {
  mkdirSync(modules, { recursive: true })
  if (!existsSync(`${modules}/offstage`))
    symlinkSync(fileURLToPath(new URL('..', import.meta.url)), `${modules}/offstage`, 'junction')
}
