// The private servers: they answer, keep their data as configured, stand still, and end with their process; poolers too.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import {
  type PostgresOptions,
  type PostgresServer,
  startPgbouncer,
  startPostgres,
} from './postgres-server.ts'
import { pgbouncerMissing, postgresServerMissing } from './servers.ts'

beforeEach(({ skip }) => {
  const reason = postgresServerMissing()
  if (reason !== undefined) skip(reason)
})

async function started(options?: PostgresOptions): Promise<PostgresServer> {
  const server = await startPostgres(options)
  onTestFinished(() => server.stop())
  return server
}

const scripts = new URL('../../scripts/postgres.mjs', import.meta.url).href
const { isAlive: alive } = (await import(scripts)) as { isAlive(pid: number): boolean }

test('a server keeps what was committed when it is killed, and takes its folder with it in the end', async () => {
  const server = await started({ settings: { fsync: 'on', work_mem: '5MB' } })
  expect(await server.sql("SHOW work_mem; SELECT current_setting('fsync') AS fsync")).toEqual([
    { fsync: 'on' },
  ])
  await server.sql('CREATE TABLE kept AS SELECT 1 AS one')
  const first = server.pid
  await server.restart()
  expect(server.pid).not.toBe(first)
  expect(await server.sql('SELECT one FROM kept WHERE one = $1', [1])).toEqual([{ one: 1 }])
  for (const mode of ['fast', 'immediate'] as const) {
    await server.shutdown(mode)
    await server.start()
    expect(await server.sql('TABLE kept')).toHaveLength(1)
  }
  const { pid } = server
  await server.stop()
  expect(alive(pid)).toBe(false)
  expect(existsSync(server.dir)).toBe(false)
})

test('a connection stands still with a paused server, and goes on with it', async () => {
  const server = await started()
  const client = new Client({ connectionString: server.url })
  await client.connect()
  onTestFinished(() => client.end())
  server.pause()
  let answered = false
  const asked = client.query('SELECT 1').then(() => {
    answered = true
  })
  await pause(100)
  expect(answered).toBe(false)
  server.resume()
  await asked
})

test('what cannot start says why', async () => {
  await expect(startPostgres({ settings: { no_such_option: 1 } })).rejects.toThrow(/no_such_option/)
})

test('a server ends when the process that started it is killed', async () => {
  const script = `import('${new URL('./postgres-server.ts', import.meta.url).href}').then(async ({ startPostgres }) => {
    const server = await startPostgres()
    server.pause()
    console.log(JSON.stringify([server.pid, server.dir]))
    setInterval(() => {}, 1000)
  })`
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [data] = (await once(child.stdout, 'data')) as [Buffer]
  const [pid, dir] = JSON.parse(data.toString()) as [number, string]
  expect([alive(pid), existsSync(dir)]).toEqual([true, true])
  child.kill('SIGKILL')
  await expect.poll(() => alive(pid) || existsSync(dir), { timeout: 15_000, interval: 20 }).toBe(false)
})

test('a pooler gives a connection of the server to one transaction after another', async ({ skip }) => {
  const reason = pgbouncerMissing()
  if (reason !== undefined) skip(reason)
  const server = await started()
  const pooler = await startPgbouncer(server, {
    poolMode: 'transaction',
    settings: { default_pool_size: 1 },
  })
  onTestFinished(() => pooler.stop())
  const clients = [1, 2].map(() => new Client({ connectionString: pooler.url }))
  await Promise.all(clients.map((client) => client.connect()))
  onTestFinished(async () => void (await Promise.all(clients.map((client) => client.end()))))
  const pids = await Promise.all(clients.map((client) => client.query('SELECT pg_backend_pid() AS pid')))
  const [first, second] = pids.map(({ rows }) => rows[0] as { readonly pid: number })
  expect(first).toEqual(second)
})
