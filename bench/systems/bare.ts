// The machine's ceiling for accepting jobs: one script that pushes packed jobs onto a list, and nothing else. No check,
// no state, no worker.
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { connectionOf, type System, type SystemOptions } from './system.ts'

const script = "return redis.call('LPUSH', KEYS[1], unpack(ARGV))"
const sha = createHash('sha1').update(script).digest('hex')

export async function open({ broker }: SystemOptions): Promise<System> {
  const { host, port, prefix } = connectionOf(broker)
  const redis = new Redis({ host, port })
  await redis.script('LOAD', script)
  let id = 0
  const pack = (input: unknown): string => JSON.stringify([id++, 'mail', input])
  return {
    enqueue: (input) => redis.evalsha(sha, 1, `${prefix}:jobs`, pack(input)),
    enqueueMany: (inputs) => redis.evalsha(sha, 1, `${prefix}:jobs`, ...inputs.map(pack)),
    work: () => Promise.reject(new Error('the bare prototype has no worker')),
    close: () => redis.quit(),
  }
}
