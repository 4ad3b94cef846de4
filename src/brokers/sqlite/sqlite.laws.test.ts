// The laws on the SQLite broker: in a file, in real time, with other processes; and in memory, on a clock that is moved.
import { testLaws } from '../../../test/support/law-tests.ts'
import { sqliteFileHarness, sqliteMemoryHarness } from '../../../test/support/sqlite-harness.ts'

testLaws(sqliteFileHarness())
testLaws(sqliteMemoryHarness())
