// How many bytes of Redis's memory a waiting job takes: the growth of `used_memory` over `jobs` jobs, after some that
// pay for what is there once. The producer has left before each reading, so that no buffer of its connection counts.
import { Redis } from 'ioredis'
import { args, count, fill, open, print } from './support.ts'

const redis = new Redis(args.broker ?? '')
const jobs = count('jobs')
await enqueue(1_000)
const before = await usedMemory()
await enqueue(jobs)
print({ bytes: ((await usedMemory()) - before) / jobs })
await redis.quit()

async function enqueue(amount: number): Promise<void> {
  const system = await open()
  await fill(system, amount)
  await system.close()
}

async function usedMemory(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
}
