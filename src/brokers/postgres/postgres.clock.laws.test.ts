// The laws on the PostgreSQL broker with a clock that is moved: what would take minutes or a day, and everything else
// once more at exact times.
import { testLaws } from '../../../test/support/law-tests.ts'
import { postgresClockHarness } from '../../../test/support/postgres-clock.ts'
import { hasPostgresServer } from '../../../test/support/postgres-tests.ts'

if (hasPostgresServer()) testLaws(await postgresClockHarness())
