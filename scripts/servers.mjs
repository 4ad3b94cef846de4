// The servers that tests talk to. What runs already is used; else what is installed is started for this run; on Debian
// as root it is installed. Where none of that can be, the tests of that server are skipped and the reason is said; in
// continuous integration that is a failure.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, getuid } from 'node:process'

const REDIS = 'redis://127.0.0.1:6379'
const START_MS = 10_000
const LOOK_MS = 50

/**
 * Sees to it that there is a Redis server, and names it in OFFSTAGE_TEST_REDIS for whatever is started from here.
 * Answers whether tests may go on: a missing server is a failure where CI is set.
 */
export async function provideServers() {
  const reason = await provideRedis()
  if (reason === undefined) return true
  env.OFFSTAGE_TEST_REDIS_MISSING = reason
  console.log(`no Redis for the tests: ${reason}`)
  return !isCi()
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
  if (redisServerMissing() !== undefined) installRedis()
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

function installRedis() {
  if (!isDebian() || getuid?.() !== 0) return
  console.error('Installing redis-server for the tests with apt-get ...')
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0
  const install = () => apt('install', '-y', '--no-install-recommends', 'redis-server')
  // A fresh image has no lists of packages.
  if (!install() && !(apt('update') && install())) console.error('redis-server could not be installed.')
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
  // The pipe closes when this process is gone, even if it was killed.
  const guard = spawn(
    'sh',
    ['-c', 'cat >/dev/null; kill -9 "$0" 2>/dev/null; rm -rf "$1"', server.pid, dir],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    },
  )
  guard.unref()
  guard.stdin.unref()
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
