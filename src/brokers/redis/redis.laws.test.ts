import { testLaws } from '../../../test/support/law-tests.ts'
import { redisHarness } from '../../../test/support/redis-harness.ts'

testLaws(await redisHarness())
