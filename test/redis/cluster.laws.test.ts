// The laws on a real cluster of three nodes: a namespace on one of them, and one that is spread over all.
import { afterAll } from 'vitest'
import { testLaws } from '../support/law-tests.ts'
import { redisHarness } from '../support/redis-harness.ts'
import { startCluster } from '../support/redis-server.ts'
import { hasRedis } from '../support/redis-tests.ts'

if (hasRedis()) {
  const cluster = await startCluster()
  const { url } = cluster
  testLaws(await redisHarness({ name: 'a cluster, on one node', url }))
  testLaws(await redisHarness({ name: 'a cluster, spread over eight shards', url, options: { shards: 8 } }))
  afterAll(() => cluster.stop())
}
