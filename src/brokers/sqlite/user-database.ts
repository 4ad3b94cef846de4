// A connection that the user has opened, as the parts of the broker take one, where it can hold jobs: an open transaction
// on the very file, with an SQLite that may write to it.
import { statSync } from 'node:fs'
import { OffstageError } from '../../errors/error.ts'
import { type Database, passesGate } from './engine.ts'
import { wrap as wrapBetterSqlite3 } from './engine-better-sqlite3.ts'
import { wrap as wrapNode } from './engine-node.ts'

type BetterSqlite3 = Parameters<typeof wrapBetterSqlite3>[0]
type NodeSqlite = Parameters<typeof wrapNode>[0]

/**
 * @param file where the jobs are
 * @throws TX_INVALID, TX_UNSUPPORTED
 */
export function userDatabase(tx: unknown, file: string): Database {
  const db = wrapped(tx)
  if (!db.inTransaction) throw invalid('no transaction is open on it; run BEGIN IMMEDIATE first')
  const files = db.prepare('PRAGMA database_list').all<[number, string, string]>()
  const holds = files.find(([, , path]) => isSame(path, file))
  if (holds === undefined) throw invalid(`it is on another file than the jobs, which are in ${file}`)
  if (holds[1] !== 'main')
    throw unsupported(
      `the file of the jobs is attached to it as ${holds[1]}: a commit to several files is not atomic`,
    )
  const version = db.prepare('SELECT sqlite_version()').get<[string]>()?.[0] ?? ''
  if (!passesGate(version)) throw unsupported(`its SQLite ${version} is too old to write beside others`)
  return db
}

/** @throws TX_UNSUPPORTED where a temporary table would be written to instead of one of the broker's */
export function checkNames(db: Database): void {
  const hidden = db
    .prepare('SELECT name FROM temp.sqlite_schema WHERE name IN (SELECT name FROM main.sqlite_schema)')
    .get<[string]>()
  if (hidden !== undefined) throw unsupported(`its temporary table ${hidden[0]} hides that of the jobs`)
}

function wrapped(tx: unknown): Database {
  const { exec, prepare, pragma, isTransaction, inTransaction } = Object(tx) as {
    readonly [name: string]: unknown
  }
  if (typeof exec !== 'function' || typeof prepare !== 'function')
    throw invalid('it is no database of node:sqlite or better-sqlite3')
  if (typeof inTransaction === 'boolean' && typeof pragma === 'function')
    return wrapBetterSqlite3(tx as BetterSqlite3)
  if (typeof isTransaction === 'boolean') return wrapNode(tx as NodeSqlite)
  throw unsupported(
    'it does not say whether a transaction is open on it; use a newer Node, or better-sqlite3',
  )
}

function isSame(path: string, file: string): boolean {
  if (path === '') return false
  if (path === file) return true
  const [one, other] = [path, file].map((name) => statSync(name, { bigint: true, throwIfNoEntry: false }))
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev
}

function invalid(why: string): OffstageError {
  return new OffstageError('TX_INVALID', `tx is no open transaction on the file of the jobs: ${why}`)
}

function unsupported(why: string): OffstageError {
  return new OffstageError('TX_UNSUPPORTED', `this connection cannot hold jobs: ${why}`)
}
