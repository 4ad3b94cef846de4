// The fault tests on Redis, each on a server of its own, and those that only Redis has.
import { type RedisSentinel, type RedisServer, startRedis, startSentinel } from '../support/redis-server.ts'
import { redisServerMissing } from '../support/servers.ts'
import { cases } from './cases.ts'
import { cancelCases } from './cases-cancel.ts'
import { networkCases } from './cases-network.ts'
import { processCases } from './cases-processes.ts'
import { redisCases, sentinelCase } from './cases-redis.ts'
import { serverCases } from './cases-server.ts'
import { uniqueCases } from './cases-unique.ts'
import { moduleUrl } from './fleet.ts'
import { all, type Durability, type FaultOptions, type FaultServer, faultTests } from './suite.ts'

type Scripts = typeof import('../../src/brokers/redis/scripts.ts')

const STORES: { readonly [D in Durability]: { readonly [name: string]: string } } = {
  durable: { appendonly: 'yes', appendfsync: 'always' },
  weaker: { appendonly: 'yes', appendfsync: 'everysec' },
  none: {},
}

/** The very scripts that the processes send: by hash, and once with the text, which ends with its own part. */
const { scripts } = (await import(moduleUrl('brokers/redis/scripts'))) as Scripts
const marks = (name: 'enqueue' | 'reserve' | 'settle'): readonly string[] => {
  const { sha, text } = scripts[name]
  const end = text.slice(-60)
  const known = Object.values(scripts).filter((script) => script.text.includes(end))
  if (known.length !== 1) throw new Error(`the end of the script ${name} tells it from no other`)
  return [sha, end]
}

const missing = redisServerMissing()

const options: FaultOptions = {
  missing,
  guarded: async (url, password, server) => {
    const redis = server as RedisServer
    await redis.cli('ACL', 'SETUSER', 'guest', 'on', `>${password}`, '~*', '&*', '+@all')
    // Known after a restart too.
    await redis.cli('CONFIG', 'REWRITE')
    return url.replace('://', `://guest:${encodeURIComponent(password)}@`)
  },
  url: (_, server) => `${server?.url}/0?prefix=faults:`,
  server: (durability) => startRedis({ config: STORES[durability] }),
  network: {
    through: (url, port) => url.replace(/:\d+\//, `:${port}/`),
    marks: { enqueue: marks('enqueue'), reserve: marks('reserve'), settle: marks('settle') },
  },
}

faultTests('Redis', options, [...cases, ...redisCases])
if (all)
  faultTests(
    'Redis in two shards',
    {
      ...options,
      url: (_, server) => `${server?.url}/0?prefix=faults:&shards=2`,
      rules: { ownTokens: true },
    },
    [...processCases, ...networkCases, ...serverCases, ...uniqueCases, ...cancelCases],
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
