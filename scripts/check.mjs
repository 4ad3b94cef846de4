// `npm run check`: everything that must hold before a change is handed in, each step with its outcome and time.
// All steps run even when one fails, so that one run shows all there is to mend.
import { spawnSync } from 'node:child_process'
import { execPath } from 'node:process'
import { provideServers } from './servers.mjs'
import { build, checkNode, installDependencies, root, tool } from './setup.mjs'
import { runVitest, tellFailures } from './vitest.mjs'

checkNode()
installDependencies()

const steps = [
  [
    'generated files',
    () => spawnSync(execPath, ['scripts/embed.mjs', '--check'], { cwd: root, stdio: 'inherit' }),
  ],
  ['format and lint', () => tool('@biomejs/biome/bin/biome', ['check', '.'])],
  ['types', () => tool('typescript/bin/tsc', ['-p', 'tsconfig.json'])],
  ['servers for the tests', () => provideServers()],
  ['tests', () => testsPass()],
  ['unused code and dependencies', () => tool('knip/bin/knip.js', [])],
  ['build', () => build()],
  ['package contents', () => tool('publint/src/cli.js', ['run', '--strict'])],
  [
    'package types',
    () => tool('@arethetypeswrong/cli/dist/index.js', ['--pack', '.', '--profile', 'esm-only']),
  ],
]

const report = []
for (const [name, run] of steps) {
  console.log(`\n== ${name}`)
  const startedAt = performance.now()
  const outcome = await run()
  const ok = outcome === true || outcome.status === 0
  report.push({ name, ok, seconds: (performance.now() - startedAt) / 1000 })
}

console.log('')
for (const { name, ok, seconds } of report) {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s)`)
}
process.exitCode = report.every((step) => step.ok) ? 0 : 1

function testsPass() {
  const counts = runVitest([])
  tellFailures(counts)
  return counts.passed > 0 && counts.failures.length === 0
}
