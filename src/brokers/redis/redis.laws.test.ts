import { testLaws } from '../../../test/support/law-tests.ts'
import { redisHarness } from '../../../test/support/redis-harness.ts'
import { hasRedis } from '../../../test/support/redis-tests.ts'

if (hasRedis()) testLaws(await redisHarness())
