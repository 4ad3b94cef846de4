// The laws on the SQLite broker in memory, on a clock that is moved.
import { testLaws } from '../../../test/support/law-tests.ts'
import { sqliteMemoryHarness } from '../../../test/support/sqlite-harness.ts'

testLaws(sqliteMemoryHarness())
