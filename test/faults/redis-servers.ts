// Redis as the fault tests want it: a server of its own a case, which they restart, guard and cut off.
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisServerMissing } from '../support/servers.ts'
import { moduleUrl } from './fleet.ts'
import type { Durability, FaultOptions } from './suite.ts'

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

export const missing: string | undefined = redisServerMissing()

export const redisOptions: FaultOptions = {
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
