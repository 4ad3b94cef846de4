// The Redis broker as the laws' suite and the properties want it: a prefix of its own a namespace, on a private server
// that can be stopped.
import { randomBytes } from 'node:crypto'
import type { Broker } from '../../src/broker/contract.ts'
import { placement } from '../../src/broker/shards/place.ts'
import { createRedisClient } from '../../src/brokers/redis/client/client.ts'
import { readOptions } from '../../src/brokers/redis/options.ts'
import { type RedisOptions, redis } from '../../src/brokers/redis/redis.ts'
import { parseUrl } from '../../src/brokers/redis/url.ts'
import { packId } from '../../src/brokers/redis/wire/ids.ts'
import type { BrokerHarness } from '../../src/laws/index.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

export interface RedisHarnessOptions {
  readonly name?: string | undefined
  /** Default: a private one, which the harness starts and stops. */
  readonly server?: RedisServer | undefined
  /** In place of a server: where others were started. They are not paused, and their commands are not counted. */
  readonly url?: string | undefined
  readonly dispose?: (() => Promise<void>) | undefined
  readonly options?: Partial<RedisOptions> | undefined
}

export async function redisHarness({
  name = 'redis',
  server: given,
  url: givenUrl,
  options = {},
  dispose,
}: RedisHarnessOptions = {}): Promise<BrokerHarness> {
  const server = given ?? (givenUrl === undefined ? await startRedis() : undefined)
  const url = givenUrl ?? server?.url ?? ''
  const client = createRedisClient(readOptions(url))
  await client.open()
  const opened = new WeakMap<object, RedisOptions>()
  const open = async (wanted: RedisOptions): Promise<Broker> => {
    const broker = redis(wanted)
    opened.set(broker, wanted)
    await broker.open()
    return broker
  }
  const optionsOf = (broker: object): RedisOptions => {
    const found = opened.get(broker)
    if (found === undefined) throw new Error('the harness did not open this broker')
    return found
  }
  return {
    name,
    capabilities: redis({ ...parseUrl(url), ...options }).capabilities,
    open: () =>
      open({ ...parseUrl(url), ...options, prefix: `offstage:laws-${randomBytes(6).toString('hex')}:` }),
    another: (broker) => open(optionsOf(broker)),
    location: (broker) => ({
      module: new URL('./redis-connect.ts', import.meta.url).href,
      options: optionsOf(broker),
      execArgv: ['--import', 'tsx'],
    }),
    damage: async (broker, id) => {
      const { prefix, shards = 1 } = optionsOf(broker)
      const tag = shards === 1 ? 'default' : `default/${placement(shards).shardOf(id)}`
      const key = `${prefix}{${tag}}:jobs`
      await client.command(key, 'HSET', [key, packId(id), Buffer.from('damaged')])
    },
    ...(server === undefined
      ? {}
      : {
          outage: (broker, ms) => outage(server, broker, ms),
          commands: async () => commandCount(String(await client.command('', 'INFO', ['commandstats']))),
        }),
    dispose: async () => {
      await client.close()
      if (given === undefined) await server?.stop()
      await dispose?.()
    },
  }
}

async function outage(server: RedisServer, broker: Broker, ms: number): Promise<void> {
  server.pause()
  // As every worker does all the time: somebody waits for an answer meanwhile.
  const waiting = broker.maintain().catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, ms))
  server.resume()
  await waiting
}

/** Commands that were run so far, those of scripts included. */
function commandCount(stats: string): number {
  let count = 0
  for (const [, calls] of stats.matchAll(/calls=(\d+)/g)) count += Number(calls)
  return count
}
