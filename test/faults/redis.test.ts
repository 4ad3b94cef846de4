// The fault tests on Redis, each on a server of its own, and those that only Redis has.
import { cases } from './cases.ts'
import { redisCases } from './cases-redis.ts'
import { redisOptions } from './redis-servers.ts'
import { faultTests } from './suite.ts'

faultTests('Redis', redisOptions, [...cases, ...redisCases])
