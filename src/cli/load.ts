// Loads a user's module. JavaScript by import(); TypeScript through tsx where it is installed beside the module, else
// by Node's own stripping of types, else not at all.
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeOf, OffstageError } from '../errors/error.ts'
import { stripsTypes } from '../runtime/typescript.ts'
import { NotFoundError } from './exit.ts'
import { plain } from './text.ts'

/** The module was found and threw while it was loaded. The cause is what it threw. */
export class LoadError extends Error {
  override readonly name = 'LoadError'
}

export interface Exports {
  readonly [name: string]: unknown
}

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts', '.tsx'])

/**
 * The exports of the module at an absolute path.
 *
 * @throws NotFoundError, LoadError, OffstageError with TYPESCRIPT_LOADER_MISSING
 */
export async function loadModule(path: string): Promise<Exports> {
  if (!existsSync(path) || !statSync(path).isFile())
    throw new NotFoundError(`there is no file ${plain(path)}`)
  if (TYPESCRIPT.has(extname(path))) await loadTypeScriptLoader(path)
  try {
    const loaded = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Exports
    return unwrap(loaded)
  } catch (cause) {
    throw new LoadError(`${plain(path)} could not be loaded`, { cause })
  }
}

/** How TypeScript beside `path` would be loaded on this Node; undefined where it cannot be. */
export function typeScriptLoader(path: string): 'tsx' | 'node' | undefined {
  if (findTsx(path) !== undefined) return 'tsx'
  return stripsTypes() ? 'node' : undefined
}

const registered = new Set<string>()

async function loadTypeScriptLoader(path: string): Promise<void> {
  const tsx = findTsx(path)
  if (tsx === undefined) {
    if (stripsTypes() && extname(path) !== '.tsx') return
    const how = 'run npm install --save-dev tsx, or use Node 22.18 or newer'
    throw new OffstageError(
      'TYPESCRIPT_LOADER_MISSING',
      `${plain(path)} is TypeScript, tsx is not installed beside it, and this Node (${process.version}) cannot load it: ${how}`,
    )
  }
  if (registered.has(tsx)) return
  registered.add(tsx)
  // The same module as in `node --import tsx`: loading it registers it, for import() and for require().
  await import(/* @vite-ignore */ pathToFileURL(tsx).href)
}

/** The file of tsx as the module at `path` would find it, else as the working directory does. */
function findTsx(path: string): string | undefined {
  for (const from of [path, join(process.cwd(), 'cwd.js')]) {
    try {
      return createRequire(from).resolve('tsx')
    } catch (error) {
      if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return undefined
}

/** CommonJS in the clothes of a module: on some versions of Node its exports are found under `default` only. */
function unwrap(loaded: Exports): Exports {
  const inner = loaded.default
  const only = Object.keys(loaded).every((name) => name === 'default' || name === 'module.exports')
  if (!only || typeof inner !== 'object' || inner === null) return loaded
  const isExports = (inner as Exports).__esModule === true
  return isExports ? (inner as Exports) : loaded
}

const OWN_FOLDER = dirname(fileURLToPath(import.meta.url))

/** The stack of what a user's module threw, without the frames of Node and of this command line. */
export function userStack(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stack = error.stack ?? `${error.name}: ${error.message}`
  const kept = stack
    .split('\n')
    .filter(
      (line) => !/^\s+at /.test(line) || (!line.includes('node:internal') && !line.includes(OWN_FOLDER)),
    )
  return kept.join('\n')
}
