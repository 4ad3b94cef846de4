// What keeps a process alive: a call that is under way, and nothing else. Each case is a process of its own that has to
// end by itself, or has to stay until its answer is there.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { redisMissing, redisUrl } from '../../../../test/support/servers.ts'

const run = promisify(execFile)
const urlOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

/** The last line that the program prints, as JSON, once it has ended. */
async function program(url: string, source: string): Promise<unknown> {
  const code = `
    import { createRedisClient } from ${urlOf('./client.ts')}
    import { readOptions } from ${urlOf('../options.ts')}
    const client = createRedisClient(readOptions(${JSON.stringify(url)}))
    const print = (value) => console.log(JSON.stringify(value))
    ${source}`
  const args = ['--import', 'tsx', '--input-type=module', '-e', code]
  const { stdout } = await run(process.execPath, args, { timeout: 20_000, cwd: import.meta.dirname })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

describe.skipIf(redisMissing())('a process that', () => {
  test('made a client opens nothing', async () => {
    const opened = `process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|GetAddrInfo/.test(name))`
    expect(await program(redisUrl(), `print(${opened})`)).toEqual([])
  })

  test('asked something ends although its client was not closed', async () => {
    const source = `
      await client.open()
      print(String(await client.command('k', 'PING', [])))`
    expect(await program(redisUrl(), source)).toBe('PONG')
  })

  test('listens ends, since listening is not work', async () => {
    const source = `
      await client.open()
      await client.subscribe('k', 'quiet:' + Math.random(), () => {}, () => {})
      print('listening')`
    expect(await program(redisUrl(), source)).toBe('listening')
  })

  test('waits for an answer stays until it is there', async () => {
    const source = `
      await client.open()
      const answer = await client.command('k', 'BLPOP', ['none:' + Math.random(), '0.5'])
      print({ answer })`
    expect(await program(redisUrl(), source)).toEqual({ answer: null })
  })

  test('cannot reach its server stays until that is said, and ends', async () => {
    const source = `
      const error = await client.open().catch((error) => error)
      print(error.code)`
    expect(await program('redis://127.0.0.1:1', source)).toBe('BROKER_UNAVAILABLE')
  })
})
