// A vitest reporter that writes what ran to the file named by OFFSTAGE_COUNTS: how many tests passed and failed, and
// which were skipped, with the reason that `context.skip(reason)` gave.
import { writeFileSync } from 'node:fs'
import { env } from 'node:process'

export default class CountsReporter {
  onTestRunEnd(testModules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: [] }
    for (const testModule of testModules) {
      // A module that could not be loaded, or whose hooks failed, has errors of its own.
      counts.failed += testModule.errors().length
      for (const suite of testModule.children.allSuites()) counts.failed += suite.errors().length
      for (const test of testModule.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') counts.passed += 1
        else if (result.state === 'failed') counts.failed += 1
        else
          counts.skipped.push({
            name: `${testModule.relativeModuleId} > ${test.fullName}`,
            reason: result.note,
          })
      }
    }
    if (env.OFFSTAGE_COUNTS) writeFileSync(env.OFFSTAGE_COUNTS, JSON.stringify(counts))
  }
}
