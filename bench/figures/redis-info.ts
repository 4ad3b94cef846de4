// One number out of the server's INFO, by a connection that is there for no longer than that.
import { Redis } from 'ioredis'
import { args } from './support.ts'

export async function redisInfo(section: string, field: string): Promise<number> {
  const redis = new Redis(args.broker ?? '')
  const text = await redis.info(section)
  await redis.quit()
  return Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(text)?.[1])
}
