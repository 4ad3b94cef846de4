// The checks of the doctor that need no broker: Node, TypeScript, the config, and the folder of a store.
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { codeOf } from '../errors/error.ts'
import { typeScriptLoader } from './load.ts'
import type { Settings } from './settings.ts'
import { formatBytes, plain } from './text.ts'

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
}

const NEEDED = [20, 19] as const

/** @param version as in process.versions.node */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const enough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
  return enough
    ? ok('node', `Node ${version}`)
    : fail('node', `Node ${version} is too old; install ${NEEDED.join('.')} or newer`)
}

export async function checkConfig(settings: Settings): Promise<Check> {
  try {
    const file = await settings.configFile()
    return ok('config', file === undefined ? 'no config file' : plain(file.path))
  } catch (error) {
    return fail('config', messageOf(error))
  }
}

/** @param entries absolute paths */
export function checkTypeScript(entries: readonly string[], cwd: string): Check {
  const needed = entries.find((path) => ['.ts', '.mts', '.cts', '.tsx'].includes(extname(path)))
  const loader = typeScriptLoader(needed ?? join(cwd, 'index.ts'))
  if (loader === 'tsx') return ok('typescript', 'loaded by tsx')
  if (loader === 'node') return ok('typescript', "loaded by Node's own stripping of types")
  const how = 'run npm install --save-dev tsx, or use Node 22.18 or newer'
  return needed === undefined
    ? warn('typescript', `modules in TypeScript cannot be loaded; ${how}`)
    : fail('typescript', `${plain(needed)} cannot be loaded; ${how}`)
}

/** The file of a store: its mode, and whether it and its folder can be written. */
export function checkStoreFile(file: string): readonly Check[] {
  const folder = dirname(file)
  if (!existsSync(folder)) return [fail('store', `the folder ${plain(folder)} does not exist; make it first`)]
  const checks = [checkWritable(folder)]
  if (!existsSync(file)) return [...checks, ok('store', `${plain(file)} will be made at the first use`)]
  const mode = statSync(file).mode & 0o777
  checks.push(ok('store', `${plain(file)}, ${formatBytes(statSync(file).size)}`))
  if (!canAccess(file)) checks.push(fail('store', `${plain(file)} cannot be written by this user`))
  // Windows has no such bits.
  if (process.platform !== 'win32') {
    const open = (mode & 0o077) !== 0
    const shown = mode.toString(8).padStart(4, '0')
    checks.push(
      open
        ? warn('mode', `${plain(file)} has mode ${shown}: others may read its payloads; run chmod 600`)
        : ok('mode', shown),
    )
  }
  return checks
}

function checkWritable(folder: string): Check {
  return canAccess(folder)
    ? ok('writable', plain(folder))
    : fail('writable', `${plain(folder)} cannot be written by this user; check its owner and mode`)
}

function canAccess(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    // Whatever forbids it, the answer is no.
    return false
  }
}

const FAIL_BELOW = 16 * 1_024 ** 2
const WARN_BELOW = 1_024 ** 3

/** Room on the disk of a folder. */
export async function checkRoom(folder: string): Promise<Check> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return roomCheck(bavail * bsize)
  } catch (error) {
    return warn('disk', `its room cannot be told: ${messageOf(error)}`)
  }
}

/** @param bytes that are free */
export function roomCheck(bytes: number): Check {
  const text = `${formatBytes(bytes)} free`
  if (bytes < FAIL_BELOW) return fail('disk', `${text}: make room before jobs are refused`)
  return bytes < WARN_BELOW ? warn('disk', `${text}: that is little`) : ok('disk', text)
}

const CLOCK_TOLERANCE_MS = 1_000

/** The broker's time against this machine's. */
export function checkClock(brokerNow: number, now: number): Check {
  const apart = Math.abs(brokerNow - now)
  return apart <= CLOCK_TOLERANCE_MS
    ? ok('clock', 'agrees with the broker')
    : warn(
        'clock',
        `${(apart / 1_000).toFixed(1)} s apart from the broker's, which decides; times shown here may mislead`,
      )
}

export function ok(name: string, message: string): Check {
  return { name, status: 'ok', message }
}

export function warn(name: string, message: string): Check {
  return { name, status: 'warn', message }
}

export function fail(name: string, message: string): Check {
  return { name, status: 'fail', message }
}

export function messageOf(error: unknown): string {
  const code = codeOf(error)
  const text = plain(error instanceof Error ? error.message : String(error))
  return code === undefined ? text : `${text} (${plain(code)})`
}
