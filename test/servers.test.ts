// How `npm test` comes by its servers: what answers is used, else one is started for the run, and what is missing is
// said, and is a failure in continuous integration.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from './support/ports.ts'
import { startPostgres } from './support/postgres-server.ts'
import { startRedis } from './support/redis-server.ts'
import { postgresServerMissing, redisServerMissing } from './support/servers.ts'

const module = new URL('../scripts/servers.mjs', import.meta.url).href
const script = `const { provideServers } = await import('${module}')
const good = await provideServers()
const { OFFSTAGE_TEST_REDIS: redis, OFFSTAGE_TEST_POSTGRES: postgres } = process.env
console.log(JSON.stringify({ good, redis, postgres }))`

interface Answer {
  readonly good: boolean
  readonly redis: string
  readonly postgres: string
}

function provide(env: { readonly [name: string]: string | undefined }): Answer & { readonly said: string } {
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, CI: undefined, ...env },
    encoding: 'utf8',
  })
  const lines = stdout.trim().split('\n')
  const last = JSON.parse(lines.at(-1) ?? '{}') as Answer
  return { ...last, said: lines.slice(0, -1).join('\n') }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.once('connect', () => socket.destroy()).once('error', () => undefined)
    socket.once('close', (hadError) => resolve(!hadError))
  })
}

test('a server that answers is used', async ({ skip }) => {
  const missing = redisServerMissing() ?? postgresServerMissing()
  if (missing !== undefined) skip(missing)
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  onTestFinished(async () => void (await Promise.all([redis.stop(), postgres.stop()])))
  const env = { OFFSTAGE_TEST_REDIS: redis.url, OFFSTAGE_TEST_POSTGRES: postgres.url }
  expect(provide(env)).toMatchObject({ good: true, redis: redis.url, postgres: postgres.url })
})

test('where none answers one is started, and it ends with the run', async ({ skip }) => {
  const missing = redisServerMissing() ?? postgresServerMissing()
  if (missing !== undefined) skip(missing)
  const nobody = {
    OFFSTAGE_TEST_REDIS: `redis://127.0.0.1:${await freePort()}`,
    OFFSTAGE_TEST_POSTGRES: `postgres://postgres@127.0.0.1:${await freePort()}/test`,
  }
  const { good, redis, postgres } = provide({ ...nobody, CI: 'true' })
  expect(good).toBe(true)
  expect(Object.values(nobody)).not.toContain(redis)
  expect(Object.values(nobody)).not.toContain(postgres)
  for (const url of [redis, postgres]) await expect.poll(() => answers(url), { timeout: 5_000 }).toBe(false)
})

test('where nothing can be started the reason is said, and it is a failure in continuous integration', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'offstage-path-'))
  onTestFinished(() => rmSync(empty, { recursive: true }))
  const env = {
    OFFSTAGE_TEST_REDIS: `redis://127.0.0.1:${await freePort()}`,
    OFFSTAGE_TEST_POSTGRES: `postgres://postgres@127.0.0.1:${await freePort()}/test`,
    OFFSTAGE_TEST_POSTGRES_BIN: empty,
    PATH: empty,
  }
  const { good, said } = provide(env)
  expect(good).toBe(true)
  for (const name of ['redis-server', 'PostgreSQL']) expect(said).toContain(`${name} is not installed`)
  expect(provide({ ...env, CI: 'true' }).good).toBe(false)
})
