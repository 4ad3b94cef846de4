// The options of the SQLite broker, as an object or as a URL: sqlite:./jobs.db, sqlite:///srv/jobs.db, sqlite::memory:
import { isAbsolute, resolve } from 'node:path'
import { OffstageError } from '../../errors/error.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { EngineName } from './engine.ts'

export interface SqliteOptions {
  /** Path of the file, or `:memory:`. A relative one is resolved from `baseDir`. */
  readonly file: string
  /** Where relative paths start. Default the working directory. */
  readonly baseDir?: string | undefined
  /** `full` (the default) survives a power cut; `normal` may then lose the last moments, and never breaks the file. */
  readonly durability?: 'full' | 'normal' | undefined
  /** Takes no other engine than this. Default: the first that is there. */
  readonly engine?: EngineName | undefined
  /** A file holds one. Default `default`. */
  readonly namespace?: string | undefined
  /** Broker time. Default the system's clock. */
  readonly clock?: Clock | undefined
}

export interface Settings {
  /** Absolute, or `:memory:`. */
  readonly file: string
  readonly durability: 'full' | 'normal'
  readonly engine: EngineName | undefined
  readonly namespace: string
  readonly clock: Clock | undefined
}

/** @throws OPTION_INVALID */
export function readOptions(given: string | SqliteOptions): Settings {
  const options = typeof given === 'string' ? parseUrl(given) : given
  const { file, baseDir = process.cwd(), durability = 'full', engine, namespace = 'default', clock } = options
  if (typeof file !== 'string' || file === '')
    throw invalid('file', String(file), 'the path of a file, or :memory:')
  if (durability !== 'full' && durability !== 'normal')
    throw invalid('durability', durability, 'full or normal')
  if (engine !== undefined && engine !== 'node' && engine !== 'better-sqlite3')
    throw invalid('engine', engine, 'node or better-sqlite3')
  const path = file === ':memory:' || isAbsolute(file) ? file : resolve(baseDir, file)
  return { file: path, durability, engine, namespace, clock }
}

/** @throws OPTION_INVALID */
export function parseUrl(url: string): SqliteOptions {
  const [location = '', query = ''] = split(url.replace(/^sqlite:/, ''), '?')
  const file = decode(location.replace(/^\/\/(?=\/)/, ''))
  if (file.startsWith('//'))
    throw invalid('broker', 'a URL with a host', 'sqlite:./file.db or sqlite:///path/file.db')
  const options: { [name: string]: string } = { file }
  for (const [name, value] of new URLSearchParams(query)) {
    if (name !== 'durability' && name !== 'engine')
      throw invalid('broker', `a URL with the option '${name}'`, 'the options durability and engine')
    options[name] = value
  }
  return options as unknown as SqliteOptions
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('broker', 'a URL whose percent signs cannot be read', 'percent signs written as %25')
  }
}

function invalid(path: string, value: string, rule: string): OffstageError {
  return new OffstageError(
    'OPTION_INVALID',
    `${path} is ${value.slice(0, 80)}; the SQLite broker takes ${rule}`,
    {
      details: { path },
    },
  )
}
