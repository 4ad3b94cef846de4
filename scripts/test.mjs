// `npm test`: makes the clone ready, checks generated files, types and the build, and runs the tests. The last line
// reads `N passed, N failed`. Arguments choose test files: npm test -- src/worker

import { spawnSync } from 'node:child_process'
import { argv, execPath } from 'node:process'
import { provideServers } from './servers.mjs'
import { build, checkNode, installDependencies, root, tool } from './setup.mjs'
import { runVitest, tellFailures } from './vitest.mjs'

const SLOWEST = 12

checkNode()
installDependencies()

const steps = [
  ['generated files match their sources', () => node('scripts/embed.mjs', '--check')],
  ['types', () => tool('typescript/bin/tsc', ['-p', 'tsconfig.json']).status === 0],
  ['build', () => build()],
  ['servers for the tests', () => provideServers()],
]

let passed = 0
let failed = 0
for (const [name, run] of steps) {
  const ok = await run()
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`)
  if (ok) passed += 1
  else failed += 1
}

const counts = runVitest(argv.slice(2))
if (counts.passed + counts.failures.length === 0)
  counts.failures.push({ name: 'vitest', said: 'no test ran' })
tellSkipped(counts.skipped)
tellSlowest(counts.files)
tellFailures(counts)

passed += counts.passed
failed += counts.failures.length
process.exitCode = failed > 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)

/** One line a file and reason: dozens of tests are skipped for the same cause. */
function tellSkipped(skipped) {
  const groups = new Map()
  for (const { name, reason = 'no reason given' } of skipped) {
    const key = `${name.split(' > ')[0]}: ${reason}`
    groups.set(key, (groups.get(key) ?? 0) + 1)
  }
  for (const [key, count] of groups) console.log(`skipped: ${count} of ${key}`)
}

function tellSlowest(files) {
  const slowest = files.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST)
  console.log(`slowest: ${slowest.map(({ file, ms }) => `${file} ${Math.round(ms / 1_000)} s`).join(', ')}`)
}

function node(script, ...args) {
  return (
    spawnSync(execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status ===
    0
  )
}
