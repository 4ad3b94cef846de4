// Opening a store: making the file, telling it from a file of something else, settings, migrations, namespace.
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { OffstageError } from '../../errors/error.ts'
import type { Database, Engine } from './engine.ts'
import { isBusy, toStoreError } from './errors.ts'
import { pause } from './pause.ts'
import { migrations } from './sql.generated.ts'

/** 'Offs' in ASCII: what the file says it is, in its header. */
export const APPLICATION_ID = 0x4f666673
export const SCHEMA_VERSION: number = migrations.length
/** The oldest schema that can read what this one writes. */
const READABLE_BY = 1

const CACHE_KIB = 65_536
/** Pages in the log before they are moved into the file: some 16 MB. */
const CHECKPOINT_PAGES = 4_000
const MOST_TRIES = 2_000

export interface StoreSettings {
  readonly file: string
  readonly durability: 'full' | 'normal'
  readonly namespace: string
}

/** @throws STORE_*, OPTION_INVALID for another namespace */
export function openStore(engine: Engine, settings: StoreSettings): Database {
  const { file } = settings
  let db: Database | undefined
  try {
    if (file !== ':memory:') makeFile(file)
    db = engine.open(file)
    const opened = db
    patiently(() => checkOwner(opened, file))
    patiently(() => configure(opened, settings))
    if (!patiently(() => isCurrent(opened, settings))) patiently(() => migrate(opened, settings))
    return opened
  } catch (error) {
    db?.close()
    throw toStoreError(error, file)
  }
}

/** The file is made here, so that nobody else can read it from its first moment; the engine gives its others the same mode. */
function makeFile(file: string): void {
  if (existsSync(file)) return
  makeFolder(dirname(file))
  closeSync(openSync(file, 'a', 0o600))
}

/** Level by level: Node's own way never ends in places where no folder can be made. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  }
}

function number(db: Database, sql: string): number {
  return Number(db.prepare(sql).get()?.[0] ?? 0)
}

function checkOwner(db: Database, file: string): void {
  if (isOurs(db)) return
  throw new OffstageError(
    'STORE_NOT_A_DATABASE',
    `${file} is a database of something else. Name another file; nothing was changed.`,
  )
}

/** One look: between two of them, another process may have made its tables in the new file. */
function isOurs(db: Database): boolean {
  db.exec('BEGIN')
  try {
    const tables = number(db, 'SELECT count(*) FROM sqlite_schema')
    const id = number(db, 'PRAGMA application_id')
    return id === APPLICATION_ID || (id === 0 && tables === 0)
  } finally {
    if (db.inTransaction) db.exec('ROLLBACK')
  }
}

function configure(db: Database, { durability }: StoreSettings): void {
  db.exec('PRAGMA busy_timeout = 0')
  db.prepare('PRAGMA journal_mode = WAL').get()
  db.exec(`PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`)
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
  db.exec('PRAGMA temp_store = MEMORY')
  db.prepare(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`).get()
}

/** Nothing is to be written: then the file is opened without a wait for whoever writes, such as the user's transaction. */
function isCurrent(db: Database, { namespace }: StoreSettings): boolean {
  return number(db, 'PRAGMA user_version') === SCHEMA_VERSION && readMeta(db, 'namespace') === namespace
}

function migrate(db: Database, { file, namespace }: StoreSettings): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    const version = number(db, 'PRAGMA user_version')
    if (version > SCHEMA_VERSION) checkReadable(db, file)
    for (const migration of migrations) if (migration.version > version) db.exec(migration.sql)
    if (version < SCHEMA_VERSION) {
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
      db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
      saveMeta(db, 'readable_by', String(READABLE_BY))
    }
    checkNamespace(db, file, namespace)
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function checkReadable(db: Database, file: string): void {
  const readableBy = Number(readMeta(db, 'readable_by') ?? SCHEMA_VERSION + 1)
  if (readableBy <= SCHEMA_VERSION) return
  throw new OffstageError(
    'STORE_TOO_NEW',
    `${file} can only be read by versions that know schema ${readableBy}; this one knows ${SCHEMA_VERSION}. Update the library.`,
  )
}

function checkNamespace(db: Database, file: string, namespace: string): void {
  const there = readMeta(db, 'namespace')
  if (there === undefined) saveMeta(db, 'namespace', namespace)
  else if (there !== namespace) {
    throw new OffstageError(
      'OPTION_INVALID',
      `${file} holds the namespace '${there}', not '${namespace}'; a file holds one`,
      { details: { path: 'namespace' } },
    )
  }
}

function readMeta(db: Database, key: string): string | undefined {
  return db.prepare('SELECT value FROM meta WHERE key = ?').get<[string]>(key)?.[0]
}

function saveMeta(db: Database, key: string, value: string): void {
  db.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  ).run(key, value)
}

/** Waits for others that hold the file. */
function patiently<T>(step: () => T): T {
  for (let tries = 1; ; tries += 1) {
    try {
      return step()
    } catch (error) {
      if (!isBusy(error) || tries === MOST_TRIES) throw error
      pause(tries)
    }
  }
}
