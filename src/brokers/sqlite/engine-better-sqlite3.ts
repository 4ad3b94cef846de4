// better-sqlite3 as an engine: an optional dependency, loaded when it is needed.
import type BetterSqlite3 from 'better-sqlite3'
import { codeOf } from '../../errors/error.ts'
import type { Database, Engine, Statement, Value } from './engine.ts'

/** Undefined where it is not installed or its native part cannot be loaded here. */
export async function load(): Promise<Engine | undefined> {
  let Constructor: typeof BetterSqlite3
  let version: string
  try {
    Constructor = (await import('better-sqlite3')).default
    const probe = new Constructor(':memory:')
    version = probe.prepare('SELECT sqlite_version()').pluck().get() as string
    probe.close()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  return { name: 'better-sqlite3', version, open: (path) => wrap(new Constructor(path)) }
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : ''
  return (
    code === 'ERR_MODULE_NOT_FOUND' ||
    code === 'MODULE_NOT_FOUND' ||
    code === 'ERR_DLOPEN_FAILED' ||
    message.includes('bindings file')
  )
}

/** Also takes a database that somebody else has opened, with settings of their own. */
export function wrap(db: BetterSqlite3.Database): Database {
  return {
    exec: (sql) => void db.exec(sql),
    prepare: (sql) => wrapStatement(db.prepare(sql)),
    get inTransaction() {
      return db.inTransaction
    },
    close: () => void db.close(),
  }
}

function wrapStatement(statement: BetterSqlite3.Statement<Value[]>): Statement {
  if (statement.reader) statement.raw(true).safeIntegers(false)
  return {
    run: (...values) => statement.run(...values).changes,
    get: <R extends readonly Value[]>(...values: Value[]) => statement.get(...values) as R | undefined,
    all: <R extends readonly Value[]>(...values: Value[]) => statement.all(...values) as R[],
  }
}
