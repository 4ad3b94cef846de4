// PostgreSQL for tests: finds what is installed, makes an empty cluster once and copies it for each server, and starts
// servers that end with the process that started them.
import { spawn, spawnSync } from 'node:child_process'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { env, getuid, kill } from 'node:process'

const ANSWER_MS = 3_000
/** What a server of the tests is unless one wants it otherwise: reached over loopback only, small and quick. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  shared_buffers: '64MB',
  // What was written survives the death of the server, not that of the machine.
  fsync: 'off',
}

/** Why nobody takes work at the URL; undefined where somebody does. */
export async function postgresRefuses(url) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: ANSWER_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return undefined
  } catch (error) {
    return error.message || error.code || String(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Why tests cannot start PostgreSQL servers of their own; undefined where they can. */
export function postgresServerMissing() {
  if (binaries() === undefined)
    return 'PostgreSQL is not installed (Debian: apt-get install postgresql; macOS: brew install postgresql)'
  if (getuid?.() === 0 && account() === undefined)
    return 'PostgreSQL does not run as root, and there is no user postgres to run it as'
  return undefined
}

/** What the servers that tests start are, for reports. */
export function postgresVersion() {
  const folder = binaries()
  if (folder === undefined) return 'no PostgreSQL'
  const { stdout } = spawnSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' })
  return `PostgreSQL ${/[\d.]+/.exec(stdout)?.[0]}`
}

/** Why tests cannot start a pooler; undefined where they can. */
export function pgbouncerMissing() {
  return program('pgbouncer') === undefined
    ? 'pgbouncer is not installed (Debian: apt-get install pgbouncer; macOS: brew install pgbouncer)'
    : postgresServerMissing()
}

/** A folder that the servers may write to. */
export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-postgres-'))
  give(folder)
  return folder
}

/** An empty cluster in a folder of its own, to be copied. It takes a second. Short segments of the log make a quicker copy. */
export function makeTemplate(segmentMb = 1) {
  const template = makeFolder()
  const options = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C', '--no-sync']
  run(join(binaries(), 'initdb'), [
    ...options,
    `--wal-segsize=${segmentMb}`,
    `--pgdata=${join(template, 'data')}`,
  ])
  return template
}

/** Puts the data of a new server into a folder. */
export function fillFolder(folder, template) {
  run('/bin/cp', ['-R', join(template, 'data'), folder])
}

/** Starts the server of a folder, where it also writes its log. It may not take work yet. */
export function launchPostgres(folder, port, settings = {}) {
  const wanted = Object.entries({ ...SETTINGS, ...settings, port })
  const lines = wanted.map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
  writeFileSync(join(folder, 'data', 'postgresql.auto.conf'), lines.join(''))
  return launch(join(binaries(), 'postgres'), ['-D', join(folder, 'data')], folder)
}

/** Starts a pooler that is configured in a folder. */
export function launchPgbouncer(folder, config) {
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(file, config)
  give(file)
  return launch(program('pgbouncer'), [file], folder)
}

/**
 * Ends a process, with what it started, and removes a folder when this process is gone, however it went: a pipe closes
 * then. The answer calls it off.
 */
export function guard(folder, pid = '') {
  const script = `cat >/dev/null
[ -n "$1" ] && for stat in /proc/[0-9]*/stat; do
  { read -r id name state parent rest <"$stat"; } 2>/dev/null && [ "$parent" = "$1" ] && children="$children $id"
done
[ -n "$1" ] && kill -9 $1 $children 2>/dev/null
rm -rf "$0"`
  const started = spawn('/bin/sh', ['-c', script, folder, String(pid)], {
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  started.unref()
  // A pipe would keep the process alive.
  started.stdin.unref()
  return () => void started.kill('SIGKILL')
}

/** The processes that a process started and that still are. */
export function childrenOf(pid) {
  const pairs = existsSync('/proc/self/stat') ? processesByProc() : processesByPs()
  return pairs.filter(([, parent]) => parent === pid).map(([id]) => id)
}

/** Whether a process still runs. One that has ended, and that nobody has asked about, does not. */
export function isAlive(pid) {
  try {
    kill(pid, 0)
    return !existsSync('/proc/self/stat') || !/^[ZX]/.test(afterName(pid))
  } catch {
    return false
  }
}

function processesByProc() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [, parent] = afterName(name).split(' ')
        return [[Number(name), Number(parent)]]
      } catch {
        // It has ended meanwhile.
        return []
      }
    })
}

/** What the system says of a process, behind its name: the state, the parent and more. */
function afterName(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2)
}

function processesByPs() {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
}

/** Where `initdb` and `postgres` are; the newest, where there are several. OFFSTAGE_TEST_POSTGRES_BIN says otherwise. */
function binaries() {
  const { OFFSTAGE_TEST_POSTGRES_BIN: chosen } = env
  const folders = chosen === undefined ? [...debianFolders(), ...pathFolders()] : [chosen]
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))))
}

function debianFolders() {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  const versions = readdirSync(root).filter((name) => /^\d+$/.test(name))
  return versions.sort((a, b) => Number(b) - Number(a)).map((name) => join(root, name, 'bin'))
}

function pathFolders() {
  const { stdout } = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' })
  return [...(stdout ? [stdout.trim()] : []), ...(env.PATH ?? '').split(delimiter)]
}

function program(name) {
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/sbin']
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/** Whom the servers run as where this is root, as whom they refuse to. */
function account() {
  if (getuid?.() !== 0) return undefined
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

function give(path) {
  const owner = account()
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
}

function run(command, args) {
  const { status, stderr, error } = spawnSync(command, args, { ...account(), cwd: '/', encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`)
}

function launch(command, args, folder) {
  mkdirSync(folder, { recursive: true })
  const log = openSync(join(folder, 'log'), 'a')
  // In a group of its own: Ctrl-C is for the tests, which end it then.
  const started = spawn(command, args, {
    ...account(),
    cwd: folder,
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  return started
}
