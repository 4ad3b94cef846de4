// The fault tests on more than one Redis server: in shards, and with a replica that sentinels watch.
import { type RedisSentinel, startSentinel } from '../support/redis-server.ts'
import { cancelCases } from './cases-cancel.ts'
import { networkCases } from './cases-network.ts'
import { processCases } from './cases-processes.ts'
import { sentinelCase } from './cases-redis.ts'
import { serverCases } from './cases-server.ts'
import { uniqueCases } from './cases-unique.ts'
import { missing, redisOptions } from './redis-servers.ts'
import { all, type FaultServer, faultTests } from './suite.ts'

faultTests(
  'Redis in two shards',
  {
    ...redisOptions,
    url: (_, server) => `${server?.url}/0?prefix=faults:&shards=2`,
    rules: { ownTokens: true },
  },
  all ? [...processCases, ...networkCases, ...serverCases, ...uniqueCases, ...cancelCases] : cancelCases,
)

const groups = new WeakMap<FaultServer, RedisSentinel>()

/** A primary with its replica and sentinels, all of which end with it. */
async function startGroup(): Promise<FaultServer> {
  const group = await startSentinel()
  const { primary } = group
  const server: FaultServer = {
    port: primary.port,
    url: group.url,
    pause: () => primary.pause(),
    resume: () => primary.resume(),
    kill: () => primary.kill(),
    restart: () => primary.restart(),
    stop: () => group.stop(),
  }
  groups.set(server, group)
  return server
}

faultTests(
  'Redis with sentinels',
  { missing, url: (_, server) => `${server?.url}/0?prefix=faults:&wait=1`, server: startGroup },
  [
    sentinelCase(({ server }) => {
      const group = groups.get(server)
      if (group === undefined) throw new Error('a server without sentinels')
      return group
    }),
  ],
)
