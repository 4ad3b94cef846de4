// The laws on the SQLite broker in a file: in real time, and with other processes.
import { testLaws } from '../../../test/support/law-tests.ts'
import { sqliteFileHarness } from '../../../test/support/sqlite-harness.ts'

testLaws(sqliteFileHarness())
