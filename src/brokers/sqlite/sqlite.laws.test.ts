// The laws on the SQLite broker in a file: in real time, with other processes, and on every engine that can run here.
import { test } from 'vitest'
import { testLaws } from '../../../test/support/law-tests.ts'
import { engineMissing, sqliteFileHarness } from '../../../test/support/sqlite-harness.ts'

for (const engine of ['better-sqlite3', 'node'] as const) {
  const missing = await engineMissing(engine)
  if (missing === undefined) testLaws(sqliteFileHarness({ engine }))
  else test(`the laws on sqlite, in a file, with ${engine}`, ({ skip }) => skip(missing))
}
