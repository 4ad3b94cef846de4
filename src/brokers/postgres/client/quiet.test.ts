// What keeps a process alive: a call that is under way, and nothing else. Each case is a process of its own that has to
// end by itself, or has to stay until its answer is there.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { postgresTest } from '../../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../../test/support/servers.ts'

const run = promisify(execFile)
const urlOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

/** The last line that the program prints, as JSON, once it has ended. */
async function program(url: string, source: string): Promise<unknown> {
  const code = `
    import { createPostgresClient } from ${urlOf('./client.ts')}
    import { readOptions } from ${urlOf('../options.ts')}
    const client = createPostgresClient(readOptions(${JSON.stringify(url)}))
    const print = (value) => console.log(JSON.stringify(value))
    ${source}`
  const args = ['--import', 'tsx', '--input-type=module', '-e', code]
  const { stdout } = await run(process.execPath, args, { timeout: 20_000, cwd: import.meta.dirname })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

describe('a process that', () => {
  test('made a client opens nothing', async () => {
    const opened = `process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|GetAddrInfo/.test(name))`
    expect(await program(postgresUrl, `print(${opened})`)).toEqual([])
  })

  postgresTest('asked something ends although its client was not closed', async () => {
    const source = `
      await client.open()
      const answers = await Promise.all([1, 2, 3, 4].map((n) => client.run({ text: 'select ' + n + '::text' })))
      print(answers.map(([row]) => String(row[0])))`
    expect(await program(postgresUrl, source)).toEqual(['1', '2', '3', '4'])
  })

  postgresTest('listens ends, since listening is not work', async () => {
    const source = `
      await client.open()
      await client.listen('quiet', () => {}, () => {}).ready()
      print('listening')`
    expect(await program(postgresUrl, source)).toBe('listening')
  })

  postgresTest('waits for an answer stays until it is there', async () => {
    const source = `
      await client.open()
      const [row] = await client.run({ text: "select 'done' from pg_sleep(0.5)" })
      print(String(row[0]))`
    expect(await program(postgresUrl, source)).toBe('done')
  })

  postgresTest('closes stays until that is done', async () => {
    const source = `
      await client.open()
      await client.listen('quiet', () => {}, () => {}).ready()
      await client.close()
      print('closed')`
    expect(await program(postgresUrl, source)).toBe('closed')
  })

  test('cannot reach its server stays until that is said, and ends', async () => {
    const source = `
      const error = await client.open().catch((error) => error)
      print(error.code)`
    expect(await program('postgres://u@127.0.0.1:1/d', source)).toBe('BROKER_UNAVAILABLE')
  })
})
