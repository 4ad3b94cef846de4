// What the broker needs of an SQLite engine, and which engine it takes: the first that is there and passes the gate.
import { OffstageError } from '../../errors/error.ts'

export type Value = number | string | Uint8Array | null

/** A prepared statement. Rows are arrays of values in the order of the columns. */
export interface Statement {
  /** Answers how many rows were changed. */
  run(...values: Value[]): number
  get<R extends readonly Value[]>(...values: Value[]): R | undefined
  all<R extends readonly Value[]>(...values: Value[]): R[]
}

export interface Database {
  exec(sql: string): void
  prepare(sql: string): Statement
  readonly inTransaction: boolean
  close(): void
}

export interface Engine {
  readonly name: EngineName
  /** The version of SQLite inside. */
  readonly version: string
  open(path: string): Database
}

export type EngineName = 'node' | 'better-sqlite3'

/**
 * SQLite before 3.51.3 can lose committed writes when several processes write and checkpoint one WAL file; 3.50.7 and
 * 3.44.6 carry the same repair. See docs/decisions/0006-sqlite-engine.md.
 */
export function passesGate(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major !== 3) return major > 3
  if (minor === 44) return patch >= 6
  if (minor === 50) return patch >= 7
  if (minor === 51) return patch >= 3
  return minor > 51
}

const loaders: { readonly [name in EngineName]: () => Promise<Engine | undefined> } = {
  node: async () => (await import('./engine-node.ts')).load(),
  'better-sqlite3': async () => (await import('./engine-better-sqlite3.ts')).load(),
}

/**
 * The engine to use.
 *
 * @param only takes no other one than this
 * @throws SQLITE_ENGINE_MISSING with what was found
 */
export async function pickEngine(only?: EngineName): Promise<Engine> {
  const found: string[] = []
  for (const name of only === undefined ? (['node', 'better-sqlite3'] as const) : [only]) {
    const engine = await loaders[name]()
    if (engine !== undefined && passesGate(engine.version)) return engine
    const title = name === 'node' ? 'node:sqlite' : name
    found.push(
      engine === undefined
        ? `${title} is not there`
        : `${title} has SQLite ${engine.version}, which is too old`,
    )
  }
  throw new OffstageError(
    'SQLITE_ENGINE_MISSING',
    `no SQLite engine can be used (${found.join('; ')}). SQLite 3.51.3 or newer is needed: ` +
      'run npm install better-sqlite3@12, or use a newer Node',
  )
}
