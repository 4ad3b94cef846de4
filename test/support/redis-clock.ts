// A Redis broker on a clock that is moved. A server's own clock cannot be, so the scripts take their time from a key
// instead; what the server itself lets go after a time is told how much has passed.
import { createHash, randomBytes } from 'node:crypto'
import { createRedisClient, type RedisClient, type Script } from '../../src/brokers/redis/client/client.ts'
import { readOptions } from '../../src/brokers/redis/options.ts'
import { RedisBroker } from '../../src/brokers/redis/redis.ts'
import type { BrokerHarness } from '../../src/laws/index.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

/** One for all that is on the server, which is private. */
const CLOCK_KEY = 'clock'
const TIME = "call('TIME')"
/** Sets the clock, and hastens what has a time to live. */
const MOVE = `
redis.call('HSET', KEYS[1], 'seconds', ARGV[1], 'micros', ARGV[2])
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - tonumber(ARGV[3])) end
end`

export class RedisOnClock {
  readonly server: RedisServer
  readonly #client: RedisClient
  #clock = new ManualClock()

  private constructor(server: RedisServer, client: RedisClient) {
    this.server = server
    this.#client = client
  }

  static async start(): Promise<RedisOnClock> {
    const server = await startRedis()
    const client = createRedisClient(readOptions(server.url))
    await client.open()
    const started = new RedisOnClock(server, client)
    await started.#move(0)
    return started
  }

  /** An opened broker on keys of its own. */
  async open(): Promise<RedisBroker> {
    const broker = new RedisBroker({
      client: this.#onClock(),
      release: async () => undefined,
      base: `${randomBytes(6).toString('hex')}:{default}:`,
      namespace: 'default',
      clock: this.#clock,
    })
    await broker.open()
    return broker
  }

  async advance(ms: number): Promise<void> {
    this.#clock.advance(ms)
    await this.#move(ms)
  }

  /** Forgets everything, and begins again at the beginning of time. */
  async reset(): Promise<void> {
    this.#clock = new ManualClock()
    await this.#client.command('', 'FLUSHALL', [])
    await this.#move(0)
  }

  async stop(): Promise<void> {
    await this.#client.close()
    await this.server.stop()
  }

  async #move(ms: number): Promise<void> {
    await this.#client.command('', 'EVAL', [MOVE, '1', CLOCK_KEY, ...this.#time(), String(ms)])
  }

  /** As TIME answers it: seconds, and microseconds of the next one. */
  #time(): [string, string] {
    const now = this.#clock.now()
    return [String(Math.floor(now / 1_000)), String((now % 1_000) * 1_000)]
  }

  #onClock(): RedisClient {
    const client = this.#client
    return {
      open: () => client.open(),
      close: async () => undefined,
      run: (script, key, args, options) => client.run(onClock(script), key, args, options),
      command: (key, name, args) =>
        name === 'TIME'
          ? Promise.resolve(this.#time().map((part) => Buffer.from(part)))
          : client.command(key, name, args),
      subscribe: (...args) => client.subscribe(...args),
      // A slow machine is no outage.
      takeOutageMs: () => 0,
      facts: (key) => client.facts(key),
      get commands() {
        return client.commands
      },
      get server() {
        return client.server
      },
    }
  }
}

const rewritten = new Map<string, Script>()

function onClock(script: Script): Script {
  const known = rewritten.get(script.name)
  if (known !== undefined) return known
  const text = script.text.replaceAll(TIME, `call('HMGET', '${CLOCK_KEY}', 'seconds', 'micros')`)
  if (text.includes('TIME')) throw new Error(`the script ${script.name} asks for the time in another way`)
  const sha = createHash('sha1').update(text).digest('hex')
  const made = { name: script.name, text, sha }
  rewritten.set(script.name, made)
  return made
}

export async function redisClockHarness(): Promise<BrokerHarness> {
  const redis = await RedisOnClock.start()
  const some = await redis.open()
  return {
    name: 'redis, on a clock that is moved',
    capabilities: some.capabilities,
    open: () => redis.open(),
    advance: (ms) => redis.advance(ms),
    dispose: async () => {
      await some.close()
      await redis.stop()
    },
  }
}
