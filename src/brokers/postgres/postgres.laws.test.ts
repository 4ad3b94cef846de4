import { testLaws } from '../../../test/support/law-tests.ts'
import { postgresHarness } from '../../../test/support/postgres-harness.ts'
import { hasPostgresServer } from '../../../test/support/postgres-tests.ts'

if (hasPostgresServer()) testLaws(await postgresHarness())
