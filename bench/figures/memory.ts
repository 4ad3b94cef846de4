// How many bytes of Redis's memory a waiting job takes: the growth of `used_memory` over `jobs` jobs, after some that
// pay for what is there once. The producer has left before each reading, so that no buffer of its connection counts.
import { redisInfo } from './redis-info.ts'
import { count, fill, open, print } from './support.ts'

const jobs = count('jobs')
await enqueue(1_000)
const before = await redisInfo('memory', 'used_memory')
await enqueue(jobs)
print({ bytes: ((await redisInfo('memory', 'used_memory')) - before) / jobs })

async function enqueue(amount: number): Promise<void> {
  const system = await open()
  await fill(system, amount)
  await system.close()
}
