// Watches folders for changes of sources, and says so once things have been quiet for a moment.
import { type FSWatcher, watch } from 'node:fs'
import { extname, sep } from 'node:path'

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

/** Watches until the answer is called. */
export function watchSources({ folders, debounceMs, onChange, onError }: WatchOptions): () => void {
  let timer: NodeJS.Timeout | undefined
  const watchers: FSWatcher[] = []
  const close = (): void => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
  for (const folder of folders) {
    const watcher = watch(folder, { recursive: true }, (_, file) => {
      if (file === null || !isSource(file)) return
      clearTimeout(timer)
      timer = setTimeout(() => onChange(file), debounceMs)
    })
    watcher.on('error', onError)
    watchers.push(watcher)
  }
  return close
}

/** True for what a task may be made of; a store, its journal and installed packages change all the time. */
export function isSource(file: string): boolean {
  const parts = file.split(sep)
  return SOURCES.has(extname(file)) && !parts.some((part) => IGNORED.has(part))
}
