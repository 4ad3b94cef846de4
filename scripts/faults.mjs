// `npm run faults`: every fault test on every broker, some minutes each, and a report of what was measured. Arguments choose
// test files (npm run faults -- test/faults/redis), and `--report <file>` writes the report as Markdown too.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { argv, env, version } from 'node:process'
import { parseArgs } from 'node:util'
import { postgresVersion } from './postgres.mjs'
import { provideServers } from './servers.mjs'
import { setup } from './setup.mjs'
import { runVitest, tellFailures } from './vitest.mjs'

setup()
const servers = await provideServers()
const folder = mkdtempSync(join(tmpdir(), 'offstage-faults-report-'))
const file = join(folder, 'report.jsonl')
env.OFFSTAGE_TESTS = 'all'
env.OFFSTAGE_FAULTS_REPORT = file
const { positionals: filters, values } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: { report: { type: 'string' } },
})
const startedAt = Date.now()
// Most cases wait most of the time; of those of brokers, the ones that load the machine run alone.
const counts = runVitest(filters.length > 0 ? filters : ['test/faults'], ['--maxWorkers=3'])

const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map(JSON.parse) : []
rmSync(folder, { recursive: true, force: true })
for (const [broker, cases] of groups(lines)) {
  console.log(`\n${broker}`)
  for (const { ok, ms, facts, case: title } of cases) {
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${title} (${(ms / 1000).toFixed(1)} s)`)
    for (const fact of facts) console.log(`         ${fact}`)
  }
}
const limits = `What this does not show: a killed process is not a power cut, which the settings of fsync carry; the network between
machines is a proxy on this one; servers are single ones, but for one case with sentinels.`
const where = `It ran in ${Math.round((Date.now() - startedAt) / 60_000)} minutes on ${cpus().length} cores (${cpus()[0]?.model.trim()}), with Node ${version},
${redisVersion()} and ${postgresVersion()}.`
console.log(`\n${limits}\n${where}`)
if (values.report !== undefined) writeFileSync(values.report, markdown())
for (const { name, reason } of counts.skipped) console.log(`skipped: ${name}: ${reason ?? 'no reason given'}`)
tellFailures(counts)
process.exitCode = counts.failures.length > 0 || counts.passed === 0 || !servers ? 1 : 0
console.log(`\n${counts.passed} passed, ${counts.failures.length} failed`)

/** A table a broker. */
function markdown() {
  const parts = [
    '# What the fault tests measured',
    'Written by `npm run faults -- --report docs/faults.md`; what the cases are for stands in [guarantees](guarantees.md).',
    where,
    limits,
  ]
  for (const [broker, cases] of groups(lines)) {
    const rows = cases.map(({ ok, ms, facts, case: title }) => {
      const cells = [title, ok ? 'yes' : '**no**', (ms / 1000).toFixed(0), facts.map(inWords).join('; ')]
      return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
    })
    parts.push(`## ${broker}\n| case | held | s | measured |\n|---|---|---|---|\n${rows.join('\n')}`)
  }
  for (const { name, reason } of counts.skipped)
    parts.push(`Skipped: ${name}: ${reason ?? 'no reason given'}.`)
  return `${parts.join('\n\n')}\n`
}

/** The figures of the checker, which are written as JSON. */
function inWords(fact) {
  if (!fact.startsWith('{"asked"')) return fact
  const { accepted, refused, ended, runs, duplicates, inHand, largestPickupMs } = JSON.parse(fact)
  const words = [`${accepted} accepted, ${ended} ended in ${runs} runs`]
  if (refused > 0) words.push(`${refused} refused`)
  words.push(`${duplicates} run twice of ${inHand} in hand at a fault`)
  if (largestPickupMs !== undefined) words.push(`picked up after a death within ${largestPickupMs} ms`)
  return words.join(', ')
}

function groups(list) {
  const found = new Map()
  for (const line of list) found.set(line.broker, [...(found.get(line.broker) ?? []), line])
  return found
}

function redisVersion() {
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return /v=([\d.]+)/.exec(stdout ?? '')?.[1]?.replace(/^/, 'Redis ') ?? 'no Redis'
}
