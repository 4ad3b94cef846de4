// The user with the fewest rights that the docs describe: the laws pass under it, and administration is refused.
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { createRedisClient } from '../../src/brokers/redis/client/client.ts'
import { readOptions } from '../../src/brokers/redis/options.ts'
import { testLaws } from '../support/law-tests.ts'
import { redisHarness } from '../support/redis-harness.ts'
import { startRedis } from '../support/redis-server.ts'
import { hasRedis } from '../support/redis-tests.ts'

const page = readFileSync(new URL('../../docs/brokers/redis.md', import.meta.url), 'utf8')
const rule = /^ACL SETUSER (.+?)(?:\n```)/ms.exec(page)?.[1]?.replaceAll(/\\\n\s*/g, '')
if (rule === undefined) throw new Error('docs/brokers/redis.md has no ACL SETUSER any more')
const words = rule.trim().split(/\s+/)
const [username = ''] = words
const password = words.find((word) => word.startsWith('>'))?.slice(1) ?? ''

if (hasRedis()) {
  const server = await startRedis()
  await server.cli('ACL', 'SETUSER', ...words)
  const options = { username, password }
  testLaws(await redisHarness({ name: 'redis, under the user of the docs', server, options }))

  describe('the user of the docs', () => {
    afterAll(() => server.stop())

    const refused: readonly (readonly string[])[] = [
      ['FLUSHALL'],
      ['CONFIG', 'SET', 'maxmemory', '1'],
      ['KEYS', '*'],
      ['SHUTDOWN'],
      ['ACL', 'LIST'],
      ['SCRIPT', 'FLUSH'],
      ['GET', 'elsewhere'],
      ['PUBLISH', 'elsewhere', 'x'],
    ]
    for (const [name = '', ...args] of refused)
      test(`may not run ${[name, ...args].join(' ')}`, async () => {
        const client = createRedisClient(
          readOptions({ nodes: [{ host: '127.0.0.1', port: server.port }], ...options }),
        )
        await client.open()
        try {
          await expect(client.command('', name, args)).rejects.toMatchObject({ code: 'BROKER_FORBIDDEN' })
        } finally {
          await client.close()
        }
      })
  })
}
