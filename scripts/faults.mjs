// `npm run faults`: every fault test on every broker, some minutes each, and a report of what was measured. Arguments
// choose test files: npm run faults -- test/faults/redis
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { argv, env, version } from 'node:process'
import { postgresVersion } from './postgres.mjs'
import { provideServers } from './servers.mjs'
import { setup } from './setup.mjs'
import { runVitest } from './vitest.mjs'

setup()
const servers = await provideServers()
const folder = mkdtempSync(join(tmpdir(), 'offstage-faults-report-'))
const file = join(folder, 'report.jsonl')
env.OFFSTAGE_FAULTS = 'all'
env.OFFSTAGE_FAULTS_REPORT = file
const filters = argv.slice(2)
const counts = runVitest(filters.length > 0 ? filters : ['test/faults'])

const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map(JSON.parse) : []
rmSync(folder, { recursive: true, force: true })
for (const [broker, cases] of groups(lines)) {
  console.log(`\n${broker}`)
  for (const { ok, ms, facts, case: title } of cases) {
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${title} (${(ms / 1000).toFixed(1)} s)`)
    for (const fact of facts) console.log(`         ${fact}`)
  }
}
console.log(`
What this does not show: a killed process is not a power cut, which the settings of fsync carry; the network between
machines is a proxy on this one. It ran with Node ${version}, ${redisVersion()} and ${postgresVersion()}.`)
for (const { name, reason } of counts.skipped) console.log(`skipped: ${name}: ${reason ?? 'no reason given'}`)
process.exitCode = counts.failed > 0 || counts.passed === 0 || !servers ? 1 : 0
console.log(`\n${counts.passed} passed, ${counts.failed} failed`)

function groups(list) {
  const found = new Map()
  for (const line of list) found.set(line.broker, [...(found.get(line.broker) ?? []), line])
  return found
}

function redisVersion() {
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return /v=([\d.]+)/.exec(stdout ?? '')?.[1]?.replace(/^/, 'Redis ') ?? 'no Redis'
}
