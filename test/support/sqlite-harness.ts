// The SQLite broker as the laws' suite and the properties want it: a file of its own a namespace, in real time; or in
// memory, on a clock that is moved.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { type Database, type EngineName, pickEngine } from '../../src/brokers/sqlite/engine.ts'
import { sql } from '../../src/brokers/sqlite/sql.generated.ts'
import type { SqliteBroker, SqliteOptions } from '../../src/brokers/sqlite/sqlite.ts'
import type { BrokerHarness, UserTransaction } from '../../src/laws/index.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'

type Sqlite = typeof import('../../src/brokers/sqlite/sqlite.ts')

const setup = new URL('../../scripts/setup.mjs', import.meta.url).href
const { isBuilt } = (await import(setup)) as { isBuilt(): boolean }
const built = isBuilt()
const module = new URL(
  built ? '../../dist/brokers/sqlite/sqlite.js' : '../../src/brokers/sqlite/sqlite.ts',
  import.meta.url,
).href

/** Why an engine cannot run here; undefined where it can. */
export async function engineMissing(name: EngineName): Promise<string | undefined> {
  try {
    await pickEngine(name)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The SQLite broker, from `dist` where it is up to date. */
export const { sqlite } = (await import(module)) as Sqlite

export function sqliteFileHarness(options: Omit<SqliteOptions, 'file'> = {}): BrokerHarness {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-laws-'))
  const files = new WeakMap<object, string>()
  let made = 0
  const open = async (file: string): Promise<SqliteBroker> => {
    const broker = sqlite({ ...options, file })
    files.set(broker, file)
    await broker.open()
    return broker
  }
  const fileOf = (broker: object): string => {
    const file = files.get(broker)
    if (file === undefined) throw new Error('the harness did not open this broker')
    return file
  }
  return {
    name: `sqlite, in a file, with ${options.engine ?? 'the engine that is there'}`,
    capabilities: sqlite({ ...options, file: 'x.db' }).capabilities,
    open: () => {
      made += 1
      return open(join(folder, `${made}.db`))
    },
    another: (broker) => open(fileOf(broker)),
    location: (broker) => ({
      module: new URL('./sqlite-connect.ts', import.meta.url).href,
      options: { module, sqlite: { ...options, file: fileOf(broker) } },
      execArgv: ['--import', 'tsx'],
    }),
    damage: (broker, id) =>
      withFile(fileOf(broker), (db) => {
        const changes = db.prepare(`UPDATE jobs SET rare = '{"tags":' WHERE id = ?`).run(id)
        if (changes !== 1) throw new Error(`no row of ${id} to damage`)
      }),
    transaction: (broker) => beginOn(fileOf(broker), options.engine),
    scans: (broker) => withFile(fileOf(broker), scans),
    dispose: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

export function sqliteMemoryHarness(options: Omit<SqliteOptions, 'file' | 'clock'> = {}): BrokerHarness {
  const clock = new ManualClock()
  return {
    name: 'sqlite, in memory, on a clock that is moved',
    capabilities: sqlite('sqlite::memory:').capabilities,
    open: async () => {
      const broker = sqlite({ ...options, file: ':memory:', clock })
      await broker.open()
      return broker
    },
    advance: (ms) => clock.advance(ms),
  }
}

/** Tables that stay small whatever is waiting: their rows are kinds of things, not jobs. */
const SMALL = new Set(['counters', 'meta', 'names', 'rules', 'queues', 'schedules', 'workers', 'minutes'])

/** A scan in the order of the table's own key that stops at a limit, with no condition that could pass rows over. */
function readsFirstRows(text: string, table: string): boolean {
  return new RegExp(`FROM ${table}\\s+ORDER BY id( DESC)?\\s+LIMIT`).test(text)
}

/** Opens the file beside the broker, with whatever engine is there. */
async function withFile<T>(file: string, use: (db: Database) => T): Promise<T> {
  const db = (await pickEngine()).open(file)
  try {
    return use(db)
  } finally {
    db.close()
  }
}

/** A connection of the application's own, on which BEGIN IMMEDIATE was run. */
async function beginOn(file: string, engine?: EngineName): Promise<UserTransaction> {
  const tx = await userConnection(file, engine)
  tx.exec('BEGIN IMMEDIATE')
  const end = (how: string) => async (): Promise<void> => {
    tx.exec(how)
    tx.close()
  }
  return { tx, commit: end('COMMIT'), rollback: end('ROLLBACK') }
}

type UserConnection = Pick<BetterSqlite3.Database, 'close' | 'prepare'> & { exec(sql: string): unknown }

/** As an application opens one, with the engine that the broker would take. */
export async function userConnection(file: string, engine?: EngineName): Promise<UserConnection> {
  const { name } = await pickEngine(engine)
  if (name === 'better-sqlite3') return new BetterSqlite3(file)
  const sqlite = process.getBuiltinModule('node:sqlite') as unknown as {
    readonly DatabaseSync: new (path: string, options: { readonly timeout: number }) => UserConnection
  }
  return new sqlite.DatabaseSync(file, { timeout: 5_000 })
}

/** The statements whose plan walks a large table without an index, or sorts what it found in one. */
function scans(db: Database): string[] {
  return Object.entries(sql).flatMap(([name, text]) => {
    if (/^\s*PRAGMA/im.test(text.replace(/--.*$/gm, ''))) return []
    const values = Array.from({ length: text.replace(/--.*$/gm, '').split('?').length - 1 }, () => 1)
    const plan = db
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all<readonly [id: number, parent: number, unused: number, detail: string]>(...values)
    return plan
      .map(([, , , detail]) => detail)
      .filter((detail) => {
        const table = /^SCAN (\w+)$/.exec(detail)?.[1]
        return table !== undefined && !SMALL.has(table) && !readsFirstRows(text, table)
      })
      .map((detail) => `${name}: ${detail}`)
  })
}
