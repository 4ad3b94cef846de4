// Starting threads from modules of this library, whether they run as compiled JavaScript or as TypeScript sources.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker, workerData } from 'node:worker_threads'
import { OffstageError } from '../errors/error.ts'

interface Handed {
  readonly entry: string
  readonly data: unknown
}

/** Node 20 has no loader for TypeScript in a thread unless the thread registers one itself, before its entry. */
const BOOTSTRAP = `
const { workerData } = require('node:worker_threads')
import(workerData.loader).then(({ register }) => {
  register()
  return import(workerData.entry)
}).catch((error) => { setImmediate(() => { throw error }) })
`

/**
 * A thread that runs a module, which finds `data` by `threadData`.
 *
 * @throws TYPESCRIPT_LOADER_MISSING where the module is TypeScript and neither Node nor tsx can load it
 */
export function startThread(entry: URL, data: unknown, name: string): Worker {
  const handed: Handed = { entry: entry.href, data }
  // Arguments of the process, such as loaders, are not for threads.
  const options = { name, execArgv: [] }
  if (!entry.pathname.endsWith('.ts') || loadsTypeScript())
    return new Worker(entry, { ...options, workerData: handed })
  return new Worker(BOOTSTRAP, {
    ...options,
    eval: true,
    workerData: { ...handed, loader: findLoader(entry) },
  })
}

/** In a thread that `startThread` made: what it was handed. */
export function threadData<T>(): T {
  return (workerData as { readonly data: T }).data
}

function loadsTypeScript(): boolean {
  const { typescript } = process.features as { readonly typescript?: unknown }
  return typescript !== undefined && typescript !== false
}

function findLoader(entry: URL): string {
  try {
    // `require` would find the half for CommonJS, which cannot serve a thread of modules.
    const require = createRequire(entry)
    const manifest = require('tsx/package.json') as {
      readonly exports: { readonly './esm/api': { readonly import: { readonly default: string } } }
    }
    const folder = pathToFileURL(require.resolve('tsx/package.json'))
    return new URL(manifest.exports['./esm/api'].import.default, folder).href
  } catch (cause) {
    throw new OffstageError(
      'TYPESCRIPT_LOADER_MISSING',
      `${entry.pathname} is TypeScript and this Node cannot load it in a thread. Run npm install --save-dev tsx`,
      { cause },
    )
  }
}
