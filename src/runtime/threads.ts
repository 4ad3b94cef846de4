// Starting threads from modules of this library, whether they run as compiled JavaScript or as TypeScript sources.
import { Worker, workerData } from 'node:worker_threads'
import { findTsx, loaderMissing, stripsTypes } from './typescript.ts'

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
  const loader = loaderOf(entry)
  if (loader === undefined) return new Worker(entry, { ...options, workerData: handed })
  return new Worker(BOOTSTRAP, { ...options, eval: true, workerData: { ...handed, loader } })
}

/** In a thread that `startThread` made: what it was handed. */
export function threadData<T>(): T {
  return (workerData as { readonly data: T }).data
}

/**
 * The arguments of Node that let a thread or process start with a module of this library, which is TypeScript where the
 * library runs from its sources.
 *
 * @throws TYPESCRIPT_LOADER_MISSING
 */
export function loaderArguments(entry: URL): readonly string[] {
  const loader = loaderOf(entry)
  if (loader === undefined) return []
  const code = `import { register } from ${JSON.stringify(loader)}; register()`
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`]
}

/** What has to be registered before the entry can be loaded; undefined where nothing has. */
function loaderOf(entry: URL): string | undefined {
  if (!entry.pathname.endsWith('.ts') || stripsTypes()) return undefined
  const loader = findTsx(entry, 'esm')
  if (loader === undefined) throw loaderMissing(entry)
  return loader
}
