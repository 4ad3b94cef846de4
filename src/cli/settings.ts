// Where a setting comes from: the option, else the environment, else the config file. The config file is looked for
// from the working directory upward, and read only when a setting asks for it.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { suggestion } from './closest.ts'
import { UsageError } from './exit.ts'
import type { Io } from './output.ts'
import type { ParsedArgs } from './parse.ts'

/** What `offstage.config.ts` exports by default, and what stands under `offstage` in package.json. */
interface Config {
  broker?: string | undefined
  namespace?: string | undefined
  /** Modules that export the app or its tasks, relative to the config file. */
  entry?: string | readonly string[] | undefined
  /** For `worker` and `dev`. */
  queues?: readonly string[] | undefined
  concurrency?: number | 'auto' | undefined
  lease?: number | string | undefined
  grace?: number | string | undefined
  /** For `worker`. */
  processes?: number | undefined
  maxJobs?: number | undefined
  maxMemory?: number | string | undefined
  probe?: number | string | undefined
}

export type SettingName = keyof Config

interface Source {
  readonly env: string
  readonly type: 'text' | 'list' | 'number' | 'count' | 'duration' | 'size' | 'address'
}

/** Every setting: its key in the config file is its name, and its option that in words (`maxJobs`, `--max-jobs`). */
export const settingSources: { readonly [K in SettingName]-?: Source } = {
  broker: { env: 'OFFSTAGE_BROKER', type: 'text' },
  namespace: { env: 'OFFSTAGE_NAMESPACE', type: 'text' },
  entry: { env: 'OFFSTAGE_ENTRY', type: 'list' },
  queues: { env: 'OFFSTAGE_QUEUES', type: 'list' },
  concurrency: { env: 'OFFSTAGE_CONCURRENCY', type: 'count' },
  lease: { env: 'OFFSTAGE_LEASE', type: 'duration' },
  grace: { env: 'OFFSTAGE_GRACE', type: 'duration' },
  processes: { env: 'OFFSTAGE_PROCESSES', type: 'number' },
  maxJobs: { env: 'OFFSTAGE_MAX_JOBS', type: 'number' },
  maxMemory: { env: 'OFFSTAGE_MAX_MEMORY', type: 'size' },
  probe: { env: 'OFFSTAGE_PROBE', type: 'address' },
}

/** The name of the option of a setting, without its dashes. */
export function optionOf(name: SettingName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

const configNames: readonly string[] = ['ts', 'mts', 'js', 'mjs', 'json'].map(
  (ending) => `offstage.config.${ending}`,
)

/** The three places in the order in which they win. */
export const levels = ['option', 'environment', 'config'] as const
export type Level = (typeof levels)[number]

/** A setting as text, or several of a list, and where it was found: for messages. */
export interface Setting {
  readonly values: readonly string[]
  readonly from: string
}

interface ConfigFile {
  readonly path: string
  readonly config: Config
}

export class Settings {
  readonly #args: ParsedArgs
  readonly #io: Io
  #config: Promise<ConfigFile | undefined> | undefined

  constructor(args: ParsedArgs, io: Io) {
    this.#args = args
    this.#io = io
  }

  /** The first of option, environment and config file that has the setting. */
  async find(name: SettingName): Promise<Setting | undefined> {
    for (const level of levels) {
      const found = await this.at(level, name)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The single value of a setting. */
  async text(name: SettingName): Promise<string | undefined> {
    return (await this.find(name))?.values[0]
  }

  /** The single duration of a setting, as milliseconds where it is a bare number. */
  async duration(name: SettingName): Promise<number | string | undefined> {
    const text = await this.text(name)
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
  }

  /** The setting in one of the three places. Files of the entry are absolute. */
  async at(level: Level, name: SettingName): Promise<Setting | undefined> {
    if (level === 'option') return this.#fromOption(name)
    if (level === 'environment') return this.#fromEnvironment(name)
    const file = await this.configFile()
    const value = file?.config[name]
    if (file === undefined || value === undefined) return undefined
    const values = typeof value === 'object' ? value : [String(value)]
    return this.#setting(name, values, file.path, dirname(file.path))
  }

  /** The config file and what it says; undefined where there is none. */
  configFile(): Promise<ConfigFile | undefined> {
    this.#config ??= readConfig(this.#io.cwd)
    return this.#config
  }

  #fromOption(name: SettingName): Setting | undefined {
    const option = optionOf(name)
    const values = this.#args.texts(option).flatMap((text) => (name === 'queues' ? splitList(text) : [text]))
    return values.length === 0 ? undefined : this.#setting(name, values, `--${option}`, this.#io.cwd)
  }

  #fromEnvironment(name: SettingName): Setting | undefined {
    const { env, type } = settingSources[name]
    const text = this.#io.env[env]
    if (text === undefined || text === '') return undefined
    return this.#setting(name, type === 'list' ? splitList(text) : [text], env, this.#io.cwd)
  }

  #setting(name: SettingName, values: readonly string[], from: string, base: string): Setting {
    return { values: name === 'entry' ? values.map((path) => resolve(base, path)) : values, from }
  }
}

function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Looks into each folder from `cwd` up, and reads the first config that is there. */
async function readConfig(cwd: string): Promise<ConfigFile | undefined> {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const found = configNames.map((name) => join(folder, name)).find((path) => existsSync(path))
    if (found !== undefined) return { path: found, config: checkConfig(await readFile(found), found) }
    const manifest = join(folder, 'package.json')
    const value = existsSync(manifest) ? fieldOf(readJson(manifest), 'offstage') : undefined
    if (value !== undefined) return { path: manifest, config: checkConfig(value, manifest) }
    if (folder === dirname(folder)) return undefined
  }
}

async function readFile(path: string): Promise<unknown> {
  if (path.endsWith('.json')) return readJson(path)
  const { loadModule } = await import('./load.ts')
  const loaded = await loadModule(path)
  if (loaded.default !== undefined) return loaded.default
  throw new UsageError(
    `${path} has no default export; write: export default { broker: 'sqlite:./offstage.db' }`,
  )
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown
  } catch (cause) {
    throw new UsageError(`${path} cannot be read as JSON: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    })
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as { [key: string]: unknown })[name] : undefined
}

const shapes: { readonly [T in Source['type']]: { fits: (value: unknown) => boolean; rule: string } } = {
  text: { fits: (value) => typeof value === 'string', rule: 'a string' },
  list: {
    fits: (value) =>
      typeof value === 'string' || (Array.isArray(value) && value.every((part) => typeof part === 'string')),
    rule: 'a string or an array of strings',
  },
  number: { fits: (value) => typeof value === 'number', rule: 'a number' },
  count: { fits: (value) => typeof value === 'number' || value === 'auto', rule: "a number or 'auto'" },
  duration: {
    fits: (value) => typeof value === 'number' || typeof value === 'string',
    rule: "milliseconds or a string like '30s'",
  },
  size: {
    fits: (value) => typeof value === 'number' || typeof value === 'string',
    rule: "bytes or a string like '512mb'",
  },
  address: {
    fits: (value) => typeof value === 'number' || typeof value === 'string',
    rule: "a port or a string like '0.0.0.0:8080' or 'unix:/run/worker.sock'",
  },
}

function checkConfig(value: unknown, path: string): Config {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${path} does not hold an object of settings`)
  }
  for (const [key, given] of Object.entries(value)) {
    const source = Object.hasOwn(settingSources, key) ? settingSources[key as SettingName] : undefined
    if (source === undefined) {
      throw new UsageError(`${path}: unknown setting '${key}'${suggestion(key, Object.keys(settingSources))}`)
    }
    const { fits, rule } = shapes[source.type]
    if (given !== undefined && !fits(given)) throw new UsageError(`${path}: ${key} must be ${rule}`)
  }
  return value
}
