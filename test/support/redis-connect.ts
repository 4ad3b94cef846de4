// Reaches the data of a Redis harness from a process of its own.
import type { Broker } from '../../src/broker/contract.ts'
import { type RedisOptions, redis } from '../../src/brokers/redis/redis.ts'

export async function connect(options: RedisOptions): Promise<Broker> {
  const broker = redis(options)
  await broker.open()
  return broker
}
