// `npm run slow`: what `npm test` takes a part of, whole. Every mistake that the simulation has to find, and all laws on
// PostgreSQL under the least rights and behind a pooler.
import { env } from 'node:process'
import { provideServers } from './servers.mjs'
import { setup } from './setup.mjs'
import { runVitest, tellFailures } from './vitest.mjs'

setup()
const servers = await provideServers()
env.OFFSTAGE_TESTS = 'all'
const counts = runVitest(['test/simulation', 'test/postgres/roles', 'test/postgres/pooler'])
for (const { name, reason } of counts.skipped) console.log(`skipped: ${name}: ${reason ?? 'no reason given'}`)
tellFailures(counts)
process.exitCode = counts.failures.length > 0 || counts.passed === 0 || !servers ? 1 : 0
console.log(`\n${counts.passed} passed, ${counts.failures.length} failed`)
