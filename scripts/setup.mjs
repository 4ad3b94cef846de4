// Makes a clone ready to run: Node new enough, dependencies as the lock file says, dist built from the sources.
// Each step is skipped when its stamp says that nothing has changed. Uses only what Node brings.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative, sep } from 'node:path'
import { argv, env, execPath, exit, platform, version, versions } from 'node:process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
const NEEDED = [20, 19]
const modules = join(root, 'node_modules')
const dist = join(root, 'dist')

/** Runs one of the installed tools by its entry file, and answers its exit code. */
export function tool(entry, args, options = {}) {
  return spawnSync(execPath, [join(modules, entry), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  })
}

/** Ends the process with a clear message when this Node is older than the project needs. */
export function checkNode() {
  const [major = 0, minor = 0] = versions.node.split('.').map(Number)
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return
  console.error(`Offstage needs Node ${NEEDED.join('.')} or newer; this is ${version} (${execPath}).`)
  exit(1)
}

/** Installs the dependencies with `npm ci` unless they already match the lock file. */
export function installDependencies() {
  const lock = readFileSync(join(root, 'package-lock.json'))
  // A native module is built for one ABI, so another Node means another installation.
  const wanted = sha256(lock, versions.modules, platform, process.arch)
  const stamp = join(modules, '.offstage-setup')
  if (readIfThere(stamp) === wanted) return
  if (!matchesLock(JSON.parse(lock.toString()))) {
    console.error(
      'Installing the dependencies with `npm ci` (a minute or two if better-sqlite3 must be compiled) ...',
    )
    const done = npm(['ci', '--no-audit', '--no-fund'])
    if (done.error || done.status !== 0) {
      console.error(
        `\`npm ci\` failed: ${done.error?.message ?? `exit code ${done.status}`}. See its output above.`,
      )
      exit(1)
    }
  }
  writeFileSync(stamp, wanted)
}

/** Whether dist was built from exactly these sources. */
export function isBuilt() {
  const sources = sourceFiles()
  return readIfThere(join(dist, '.stamp')) === stampOf(sources) && isComplete(sources)
}

/** Builds dist unless it was built from exactly these sources. Answers whether dist is good. */
export function build() {
  if (isBuilt()) return true
  const wanted = stampOf(sourceFiles())

  // Built beside and then swapped: what a removed source once emitted goes, and a failed build leaves the old one.
  const next = `${dist}.next`
  rmSync(next, { recursive: true, force: true })
  console.error('Building dist ...')
  const done = tool('typescript/bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', next])
  if (done.status === 0) {
    writeFileSync(join(next, '.stamp'), wanted)
    rmSync(dist, { recursive: true, force: true })
    renameSync(next, dist)
    return true
  }
  rmSync(next, { recursive: true, force: true })
  return false
}

function npm(args) {
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }
  const script = env.npm_execpath
  if (script?.endsWith('npm-cli.js')) return spawnSync(execPath, [script, ...args], options)
  return spawnSync('npm', args, { ...options, shell: platform === 'win32' })
}

// Somebody who ran `npm install` by hand has what the lock file says, only no stamp.
function matchesLock(lock) {
  const installed = readIfThere(join(modules, '.package-lock.json'))
  if (installed === undefined) return false
  const there = JSON.parse(installed).packages
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (path === '' || (wanted.optional && !there[path])) continue
    if (there[path]?.version !== wanted.version || there[path]?.integrity !== wanted.integrity) return false
  }
  const native = join(modules, 'better-sqlite3')
  return existsSync(native) && loads(native)
}

function loads(path) {
  try {
    const Database = createRequire(import.meta.url)(path)
    new Database(':memory:').close()
    return true
  } catch {
    // Built for another Node, or not built at all: installing again is the answer to both.
    return false
  }
}

function sourceFiles() {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

// Somebody may have deleted a part of dist, and the stamp knows only the sources.
function isComplete(sources) {
  return sources
    .filter((source) => !source.endsWith('.d.ts'))
    .map((source) => source.replace(/^src/, 'dist').replace(/\.ts$/, ''))
    .every((stem) => existsSync(join(root, `${stem}.js`)) && existsSync(join(root, `${stem}.d.ts`)))
}

function stampOf(sources) {
  const inputs = [...sources, 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']
  return sha256(...inputs.flatMap((path) => [path, readFileSync(join(root, path))]))
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function sha256(...parts) {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex')
}

/** Everything at once; ends the process when a step fails. */
export function setup() {
  checkNode()
  installDependencies()
  if (!build()) exit(1)
}

if (argv[1] === fileURLToPath(import.meta.url)) setup()
