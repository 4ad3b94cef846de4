// `npm run simulate`: the seeded simulation in test/simulation, on all cores. `-- --seeds 10000` says how many worlds
// (default 10,000), `--from 1` which seeds, `--seed 123` replays one and prints all that happened in it.
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { argv, execPath, exit } from 'node:process'
import { parseArgs } from 'node:util'
import { checkNode, installDependencies, root } from './setup.mjs'
import { buildSimulation } from './simulation.mjs'

checkNode()
installDependencies()

const { values } = parseArgs({
  args: argv.slice(2),
  options: { seeds: { type: 'string' }, from: { type: 'string' }, seed: { type: 'string' } },
})
const main = join(buildSimulation(), 'test/simulation/main.js')

if (values.seed !== undefined) {
  const replay = [main, '--seed', number('seed', values.seed)]
  exit(spawnSync(execPath, replay, { cwd: root, stdio: 'inherit' }).status ?? 1)
}

const seeds = Number(number('seeds', values.seeds ?? '10000'))
const from = Number(number('from', values.from ?? String(randomInt(1, 1_000_000_000))))
console.log(`seeds ${from} to ${from + seeds - 1}`)
const startedAt = performance.now()
const share = Math.ceil(seeds / availableParallelism())
const parts = []
for (let at = 0; at < seeds; at += share) parts.push(run(from + at, Math.min(share, seeds - at)))
const summaries = await Promise.all(parts)
const minutes = (performance.now() - startedAt) / 60_000

const dealt = new Map()
for (const summary of summaries)
  for (const [what, times] of Object.entries(summary.dealt)) dealt.set(what, (dealt.get(what) ?? 0) + times)
console.log('\nwhat was dealt to them:')
for (const [what, times] of [...dealt].sort(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`${String(times).padStart(9)} ${what}`)
const failures = summaries.flatMap((summary) => summary.failures)
for (const { seed, violation, lines } of failures) {
  console.log(`\nFAILED seed ${seed}: ${violation}`)
  console.log(`replay it with: npm run simulate -- --seed ${seed}`)
  console.log(lines.join('\n'))
}
const done = summaries.reduce((sum, summary) => sum + summary.seeds, 0)
const hours = summaries.reduce((sum, summary) => sum + summary.virtualMs, 0) / 3_600_000
console.log(
  `\n${done} seeds in ${(minutes * 60).toFixed(1)} s, ${Math.round(done / minutes)} a minute, ${hours.toFixed(0)} hours of their own time; ${failures.length} failed`,
)
exit(failures.length > 0 || done === 0 ? 1 : 0)

function number(name, text) {
  if (/^\d+$/.test(text)) return text
  console.error(`--${name} is '${text}'; it is a whole number`)
  exit(1)
}

function run(first, count) {
  const args = [main, '--from', String(first), '--seeds', String(count), '--failures', '3']
  const child = spawn(execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (bytes) => {
    said += bytes
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(said))
      else reject(new Error(`the simulation of ${count} seeds from ${first} on ended with code ${code}`))
    })
  })
}
