// How `npm test` comes by its servers: what answers is used, else one is started for the run, and what is missing is
// said, and is a failure in continuous integration.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from './support/ports.ts'
import { startRedis } from './support/redis-server.ts'
import { redisServerMissing } from './support/servers.ts'

const module = new URL('../scripts/servers.mjs', import.meta.url).href
const script = `const { provideServers } = await import('${module}')
const good = await provideServers()
console.log(JSON.stringify({ good, url: process.env.OFFSTAGE_TEST_REDIS }))`

interface Said {
  readonly good: boolean
  readonly url: string
  readonly said: string
}

function provide(env: { readonly [name: string]: string | undefined }): Said {
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, CI: undefined, ...env },
    encoding: 'utf8',
  })
  const lines = stdout.trim().split('\n')
  const last = JSON.parse(lines.at(-1) ?? '{}') as { readonly good: boolean; readonly url: string }
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
  const missing = redisServerMissing()
  if (missing !== undefined) skip(missing)
  const server = await startRedis()
  onTestFinished(() => server.stop())
  expect(provide({ OFFSTAGE_TEST_REDIS: server.url })).toMatchObject({ good: true, url: server.url })
})

test('where none answers one is started, and it ends with the run', async ({ skip }) => {
  const missing = redisServerMissing()
  if (missing !== undefined) skip(missing)
  const nobody = `redis://127.0.0.1:${await freePort()}`
  const { good, url } = provide({ OFFSTAGE_TEST_REDIS: nobody, CI: 'true' })
  expect(good).toBe(true)
  expect(url).not.toBe(nobody)
  await expect.poll(() => answers(url)).toBe(false)
})

test('where nothing can be started the reason is said, and it is a failure in continuous integration', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'offstage-path-'))
  onTestFinished(() => rmSync(empty, { recursive: true }))
  const env = { OFFSTAGE_TEST_REDIS: `redis://127.0.0.1:${await freePort()}`, PATH: empty }
  const { good, said } = provide(env)
  expect([good, said]).toEqual([true, expect.stringContaining('redis-server is not installed')])
  expect(provide({ ...env, CI: 'true' }).good).toBe(false)
})
