// The servers that tests talk to. What runs already is used; else what is installed is started for this run; on Debian
// as root it is installed. Where none of that can be, the tests of that server are skipped and the reason is said; in
// continuous integration that is a failure.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, getuid } from 'node:process'
import {
  fillFolder,
  guard,
  launchPostgres,
  makeFolder,
  makeTemplate,
  pgbouncerMissing,
  postgresRefuses,
  postgresServerMissing,
} from './postgres.mjs'

const REDIS = 'redis://127.0.0.1:6379'
const POSTGRES = 'postgres://postgres@127.0.0.1:5432/test'
const START_MS = 10_000
const LOOK_MS = 50

/**
 * Sees to it that there are servers, and names them in OFFSTAGE_TEST_REDIS and OFFSTAGE_TEST_POSTGRES for whatever is
 * started from here. Answers whether tests may go on: a missing server is a failure where CI is set.
 */
export async function provideServers() {
  const missing = [
    ['Redis', 'OFFSTAGE_TEST_REDIS_MISSING', await provideRedis()],
    ['PostgreSQL', 'OFFSTAGE_TEST_POSTGRES_MISSING', await providePostgres()],
  ].filter(([, , reason]) => reason !== undefined)
  for (const [name, variable, reason] of missing) {
    env[variable] = reason
    console.log(`no ${name} for the tests: ${reason}`)
  }
  return missing.length === 0 || !isCi()
}

export function isCi() {
  return env.CI !== undefined && env.CI !== '' && env.CI !== 'false' && env.CI !== '0'
}

/** Whether a Redis server answers at the URL. One that wants a password or TLS is for the tests to find out. */
export function redisAnswers(url) {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) })
    const say = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => say(false))
    socket.once('error', () => say(false))
    socket.once('close', () => say(false))
    socket.once('data', (data) => say(/^(\+PONG|-NOAUTH)/.test(data.toString())))
    socket.write('PING\r\n')
  })
}

/** Why tests cannot start Redis servers of their own; undefined where they can. */
export function redisServerMissing() {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'redis-server is not installed (Debian: apt-get install redis-server; macOS: brew install redis)'
}

async function provideRedis() {
  // Many tests start servers of their own, so the program is wanted even where a server runs.
  if (redisServerMissing() !== undefined) install('redis-server')
  const url = env.OFFSTAGE_TEST_REDIS ?? REDIS
  if (await redisAnswers(url)) {
    env.OFFSTAGE_TEST_REDIS = url
    return redisServerMissing()
  }
  const missing = redisServerMissing()
  if (missing !== undefined) return missing
  const started = await startRedis()
  if (started === undefined)
    return 'redis-server is installed, but could not be started; see its output above'
  env.OFFSTAGE_TEST_REDIS = started
  return undefined
}

async function providePostgres() {
  if (postgresServerMissing() !== undefined) install('postgresql')
  if (pgbouncerMissing() !== undefined) install('pgbouncer')
  const missing = postgresServerMissing()
  if (missing === undefined && !existsSync(env.OFFSTAGE_TEST_POSTGRES_TEMPLATE ?? '')) {
    env.OFFSTAGE_TEST_POSTGRES_TEMPLATE = makeTemplate()
    guard(env.OFFSTAGE_TEST_POSTGRES_TEMPLATE)
  }
  const url = env.OFFSTAGE_TEST_POSTGRES ?? POSTGRES
  const refused = await postgresRefuses(url)
  if (refused === undefined) {
    env.OFFSTAGE_TEST_POSTGRES = url
    return missing
  }
  if (missing !== undefined) return missing
  const started = await startPostgres()
  if (started === undefined) return 'PostgreSQL is installed, but could not be started; see its output above'
  env.OFFSTAGE_TEST_POSTGRES = started
  return undefined
}

function install(name) {
  if (!isDebian() || getuid?.() !== 0) return
  console.error(`Installing ${name} for the tests with apt-get ...`)
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0
  const get = () => apt('install', '-y', '--no-install-recommends', name)
  // A fresh image has no lists of packages.
  if (!get() && !(apt('update') && get())) console.error(`${name} could not be installed.`)
}

function isDebian() {
  const file = '/etc/os-release'
  return existsSync(file) && /^ID(_LIKE)?=.*debian/m.test(readFileSync(file, 'utf8'))
}

/** A server of this run. It ends with this process, however that goes. */
async function startRedis() {
  const dir = mkdtempSync(join(tmpdir(), 'offstage-redis-'))
  const port = await freePort()
  const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no']
  const log = join(dir, 'log')
  const server = spawn('redis-server', [...settings.map(String), '--logfile', log], { stdio: 'ignore' })
  server.unref()
  guard(dir, server.pid)
  const url = `redis://127.0.0.1:${port}`
  for (const endsAt = performance.now() + START_MS; performance.now() < endsAt; ) {
    if (server.exitCode !== null) break
    if (await redisAnswers(url)) return url
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  server.kill('SIGKILL')
  if (existsSync(log)) console.error(readFileSync(log, 'utf8'))
  rmSync(dir, { recursive: true, force: true })
  return undefined
}

/** As `startRedis`, with the settings of any test server: what is shared is never configured. */
async function startPostgres() {
  const folder = makeFolder()
  fillFolder(folder, env.OFFSTAGE_TEST_POSTGRES_TEMPLATE)
  const port = await freePort()
  const server = launchPostgres(folder, port)
  server.unref()
  guard(folder, server.pid)
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  for (const endsAt = performance.now() + START_MS; performance.now() < endsAt; ) {
    if (server.exitCode !== null) break
    if ((await postgresRefuses(url)) === undefined) return url
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  server.kill('SIGKILL')
  console.error(readFileSync(join(folder, 'log'), 'utf8'))
  rmSync(folder, { recursive: true, force: true })
  return undefined
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}
