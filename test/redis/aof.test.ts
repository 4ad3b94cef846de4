// The append-only file of a server that died in the middle of a write has a part of a script at its end. The server does
// not apply that part when it starts, and leaves it in the file: at the start after the next it is applied, before all
// that came later. Cut off before the start, as docs/brokers/redis.md says, it is never applied.
import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { redis } from '../../src/brokers/redis/redis.ts'
import { request, spec, succeeded } from '../../src/laws/factories.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisTest } from '../support/redis-tests.ts'

const FILE = ['appendonlydir', 'appendonly.aof.1.incr.aof']

let server: RedisServer
beforeEach(async () => {
  server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } })
})
afterEach(() => server.stop())

async function withBroker<T>(work: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = redis(server.url)
  await broker.open()
  try {
    return await work(broker)
  } finally {
    await broker.close()
  }
}

/** Leaves all commands of the last script in the file, and a part of the one that ends it. */
async function killInTheMiddle(): Promise<void> {
  await server.kill()
  const file = join(server.dir, ...FILE)
  const end = readFileSync(file).lastIndexOf('*1\r\n$4\r\nEXEC\r\n')
  expect(end).toBeGreaterThan(0)
  truncateSync(file, end + 2)
}

redisTest('a script that was cut off is not done in part, now or later', async () => {
  await withBroker((broker) => broker.enqueue(['a', 'b', 'c', 'd'].map((id) => [spec({ id })])))
  await withBroker((broker) => broker.reserve(request({ max: 2 })))
  await killInTheMiddle()
  await server.restart()
  const first = await withBroker(async (broker) => {
    const { jobs } = await broker.reserve(request({ max: 2 }))
    await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
    return jobs.map(({ id }) => id)
  })
  await server.kill()
  await server.restart()
  await withBroker(async (broker) => {
    const { jobs } = await broker.reserve(request({ max: 9 }))
    expect([...first, ...jobs.map(({ id }) => id)]).toEqual(['a', 'b', 'c', 'd'])
    const [queue] = await broker.queues()
    expect(queue?.counts).toMatchObject({ ready: 0, active: 2, succeeded: 2 })
  })
})
