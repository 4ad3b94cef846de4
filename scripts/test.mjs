// `npm test`: makes the clone ready, checks generated files, types and the build, and runs the tests. The last line
// reads `N passed, N failed`. Arguments choose test files: npm test -- src/worker

import { spawnSync } from 'node:child_process'
import { argv, execPath } from 'node:process'
import { provideServers } from './servers.mjs'
import { build, checkNode, installDependencies, root, tool } from './setup.mjs'
import { runVitest } from './vitest.mjs'

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
const ran = counts.passed + counts.failed
if (ran === 0) console.log('FAILED: no test ran')
for (const { name, reason } of counts.skipped) console.log(`skipped: ${name}: ${reason ?? 'no reason given'}`)

passed += counts.passed
failed += ran === 0 ? 1 : counts.failed
process.exitCode = failed > 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)

function node(script, ...args) {
  return (
    spawnSync(execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status ===
    0
  )
}
