// Watches folders for changes of sources, and says so once things have been quiet for a moment. By chokidar, since Node's
// own recursive watching misses files that editors replace by renaming.
import { extname, relative, sep } from 'node:path'
import { watch } from 'chokidar'

const SOURCES = new Set(['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx', '.json', '.env'])
const IGNORED = new Set(['node_modules', '.git', 'coverage'])

export interface WatchOptions {
  readonly folders: readonly string[]
  /** How long nothing may change before it is told. */
  readonly debounceMs: number
  /** Told the last file that changed, relative to its folder. */
  readonly onChange: (file: string) => void
  readonly onError: (error: unknown) => void
}

/** Watches until the answer is called. Changes from before it was `ready` may be missed. */
export interface Watching {
  readonly ready: Promise<void>
  close(): Promise<void>
}

export function watchSources({ folders, debounceMs, onChange, onError }: WatchOptions): Watching {
  let timer: NodeJS.Timeout | undefined
  const shorten = (path: string): string => {
    const folder = folders.find((start) => path === start || path.startsWith(start + sep))
    return folder === undefined ? path : relative(folder, path)
  }
  const watcher = watch([...folders], {
    ignoreInitial: true,
    ignored: (path, stats) =>
      isIgnored(shorten(path)) || (stats?.isFile() === true && !isSource(shorten(path))),
  })
  watcher.on('all', (_, path) => {
    if (!isSource(shorten(path))) return
    clearTimeout(timer)
    timer = setTimeout(() => onChange(shorten(path)), debounceMs)
  })
  watcher.on('error', onError)
  return {
    ready: new Promise((resolve) => watcher.once('ready', resolve)),
    async close() {
      clearTimeout(timer)
      await watcher.close()
    },
  }
}

/** True for what a task may be made of; a store and its journal change all the time. */
export function isSource(file: string): boolean {
  return SOURCES.has(extname(file)) && !isIgnored(file)
}

/** Installed packages and the like. */
function isIgnored(path: string): boolean {
  return path.split(sep).some((part) => IGNORED.has(part))
}
