// TypeScript in threads and in processes of this library's own: by tsx where it is installed beside the module, else by
// Node's own stripping of types, else not at all.
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeOf, OffstageError } from '../errors/error.ts'

const TYPESCRIPT = /\.(?:ts|mts|cts|tsx)$/
const ABSENT = new Set(['MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'])

/** The half of tsx that serves modules, and the one that serves `require`. */
type Half = 'esm' | 'cjs'

/** Node takes the types away by itself: 22.18 and newer. Older ones do not know the field. */
export function stripsTypes(): boolean {
  const feature: unknown = Reflect.get(process.features, 'typescript')
  return feature !== undefined && feature !== false
}

/** Where the interface of tsx is, as a module at `from` would find it, else as the working directory does. */
export function findTsx(from: URL, half: Half): string | undefined {
  for (const place of [from, new URL('none.js', pathToFileURL(`${process.cwd()}/`))]) {
    try {
      // `require` would find the halves for CommonJS, which cannot serve a thread of modules.
      const require = createRequire(place)
      const manifest = require('tsx/package.json') as {
        readonly exports: { readonly [path: string]: { readonly import: { readonly default: string } } }
      }
      const file = manifest.exports[`./${half}/api`]?.import.default
      const folder = pathToFileURL(require.resolve('tsx/package.json'))
      if (file !== undefined) return new URL(file, folder).href
    } catch (error) {
      if (!ABSENT.has(codeOf(error) ?? '')) throw error
    }
  }
  return undefined
}

const registered = new Set<string>()

/**
 * Makes this thread ready to import a module of the user's that may be TypeScript.
 *
 * @throws TYPESCRIPT_LOADER_MISSING
 */
export async function readyForTypeScript(module: URL): Promise<void> {
  if (!TYPESCRIPT.test(module.pathname)) return
  const halves = [findTsx(module, 'esm'), findTsx(module, 'cjs')]
  if (halves[0] === undefined) {
    if (stripsTypes() && !module.pathname.endsWith('.tsx')) return
    throw loaderMissing(module)
  }
  for (const half of halves) {
    if (half === undefined || registered.has(half)) continue
    registered.add(half)
    const { register } = (await import(/* @vite-ignore */ half)) as { register(): unknown }
    register()
  }
}

export function loaderMissing(module: URL): OffstageError {
  return new OffstageError(
    'TYPESCRIPT_LOADER_MISSING',
    `${fileURLToPath(module)} is TypeScript and this Node (${process.version}) cannot load it. Run npm install --save-dev tsx, or use Node 22.18 or newer`,
  )
}
