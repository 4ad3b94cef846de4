// Runs vitest with its usual output and answers how many tests passed, which failed and which were skipped.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import { root, tool } from './setup.mjs'

const BRIEF_LENGTH = 120

/** Runs the tests whose files match `filters` (all without any), with further options of vitest. */
export function runVitest(filters, options = []) {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-test-'))
  const file = join(folder, 'counts.json')
  try {
    const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts/counts-reporter.mjs')}`]
    const done = tool('vitest/vitest.mjs', ['run', ...reporters, ...options, ...filters], {
      env: { ...env, OFFSTAGE_COUNTS: file },
    })
    const counts = existsSync(file)
      ? JSON.parse(readFileSync(file, 'utf8'))
      : { passed: 0, failures: [], skipped: [], files: [] }
    // An exit code that the counts do not explain (a crash, no file matched) is a failure too.
    if (done.status !== 0 && counts.failures.length === 0)
      counts.failures.push({ name: 'vitest', said: `it ended with ${done.status ?? done.signal}` })
    return counts
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Says what failed: whole, and then a line each, so that who sees no more than the end of a long output sees all of it. */
export function tellFailures({ failures }) {
  for (const { name, said } of failures) console.log(`\nFAILED: ${name}\n  ${said.replaceAll('\n', '\n  ')}`)
  if (failures.length > 0) console.log('')
  for (const { name, said } of failures)
    console.log(`FAILED: ${name}: ${said.replaceAll(/\s+/g, ' ').slice(0, BRIEF_LENGTH)}`)
}
