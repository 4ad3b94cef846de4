// A vitest reporter that writes what ran to the file named by OFFSTAGE_COUNTS: how many tests passed, which failed and
// why, which were skipped, with the reason that `context.skip(reason)` gave, and how long each file took.
import { writeFileSync } from 'node:fs'
import { env } from 'node:process'

const FAILURE_LINES = 20

export default class CountsReporter {
  onTestRunEnd(testModules, unhandledErrors) {
    const failures = unhandledErrors.map((error) => failure('an error that no test caught', [error]))
    const counts = { passed: 0, failures, skipped: [], files: [] }
    for (const testModule of testModules) {
      const file = testModule.relativeModuleId
      counts.files.push({ file, ms: Math.round(testModule.diagnostic().duration) })
      // A module that could not be loaded, or whose hooks failed, has errors of its own.
      failures.push(...testModule.errors().map((error) => failure(file, [error])))
      for (const suite of testModule.children.allSuites())
        failures.push(...suite.errors().map((error) => failure(`${file} > ${suite.fullName}`, [error])))
      for (const test of testModule.children.allTests()) {
        const name = `${file} > ${test.fullName}`
        const result = test.result()
        if (result.state === 'passed') counts.passed += 1
        else if (result.state === 'failed') failures.push(failure(name, result.errors))
        else counts.skipped.push({ name, reason: result.note })
      }
    }
    if (env.OFFSTAGE_COUNTS) writeFileSync(env.OFFSTAGE_COUNTS, JSON.stringify(counts))
  }
}

/** What failed, and the first lines of what was said of it. */
function failure(name, errors) {
  const said = errors.map((error) => error.message ?? String(error)).join('\n')
  return { name, said: said.split('\n').slice(0, FAILURE_LINES).join('\n') }
}
