// The fault tests on Redis, each on a server of its own, and what is Redis's own: scripts that are gone, no memory left,
// a primary that became a replica.
import { lua } from '../../src/brokers/redis/lua.generated.ts'
import { scripts } from '../../src/brokers/redis/scripts.ts'
import { startRedis } from '../support/redis-server.ts'
import { redisServerMissing } from '../support/servers.ts'
import { cases } from './cases.ts'
import { type Durability, faultTests } from './suite.ts'

const STORES: { readonly [D in Durability]: { readonly [name: string]: string } } = {
  durable: { appendonly: 'yes', appendfsync: 'always' },
  weaker: { appendonly: 'yes', appendfsync: 'everysec' },
  none: {},
}

/** A script is sent by its hash, and once with its text. */
const marks = (name: 'enqueue' | 'reserve' | 'settle'): readonly string[] => [
  scripts[name].sha,
  lua[name].slice(0, 100),
]

faultTests(
  'Redis',
  {
    missing: redisServerMissing(),
    url: (_, server) => `${server?.url}/0?prefix=faults:`,
    server: (durability) => startRedis({ config: STORES[durability] }),
    network: {
      through: (url, port) => url.replace(/:\d+\//, `:${port}/`),
      marks: { enqueue: marks('enqueue'), reserve: marks('reserve'), settle: marks('settle') },
    },
  },
  cases,
)
