// Runs the example as a user would, on a server of its own: rows that are inserted are greeted, and those of a transaction
// that is rolled back are not.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../test/support/postgres-server.ts'
import { hasPostgresServer } from '../../test/support/postgres-tests.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

if (hasPostgresServer()) {
  let server: PostgresServer
  let example: ChildProcess | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(async () => {
    example?.kill('SIGKILL')
    await server.stop()
  })

  test('what a trigger enqueues is run, once the row is there', async () => {
    const tsx = pathToFileURL(`${root}/node_modules/tsx/dist/loader.mjs`).href
    example = spawn(process.execPath, ['--import', tsx, 'examples/trigger/trigger.ts'], {
      cwd: root,
      env: { ...process.env, DATABASE_URL: server.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let printed = ''
    example.stdout?.on('data', (text: Buffer) => {
      printed += text.toString()
    })
    await expect.poll(() => printed, { timeout: 20_000 }).toContain('Waiting')
    await server.sql("BEGIN; INSERT INTO users (name) VALUES ('Nobody'); ROLLBACK")
    await server.sql("INSERT INTO users (name) VALUES ('Ada'), ('Grace')")
    await expect.poll(() => printed, { timeout: 20_000 }).toMatch(/Welcome, Ada!.*Welcome, Grace!/s)
    expect(printed).not.toContain('Nobody')
    const ended = once(example, 'exit')
    example.kill('SIGINT')
    expect(await ended).toEqual([0, null])
  })
}
