// The laws on the Redis broker with a clock that is moved: what would take minutes or a day, and everything else once
// more at exact times.

import { testLaws } from '../../../test/support/law-tests.ts'
import { redisClockHarness } from '../../../test/support/redis-clock.ts'
import { hasRedis } from '../../../test/support/redis-tests.ts'

if (hasRedis()) testLaws(await redisClockHarness())
