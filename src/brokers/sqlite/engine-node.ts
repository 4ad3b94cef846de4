// node:sqlite as an engine. Node 20 does not have it, and the types of Node 20 do not know it. That of Node 22 stores an
// empty array of bytes as null: columns of bytes take that for empty.
import type { Database, Engine, Statement, Value } from './engine.ts'

interface NodeStatement {
  run(...values: Value[]): { changes: number | bigint }
  get(...values: Value[]): unknown
  all(...values: Value[]): unknown[]
  setReturnArrays?(on: boolean): void
  setReadBigInts?(on: boolean): void
}

export interface NodeDatabase {
  exec(sql: string): void
  prepare(sql: string): NodeStatement
  close(): void
  readonly isTransaction: boolean
}

interface NodeSqlite {
  readonly DatabaseSync: new (path: string) => NodeDatabase
}

/** Undefined where this Node has no node:sqlite, or one too old to answer rows as arrays. */
export function load(): Engine | undefined {
  const sqlite = loadQuietly()
  if (sqlite === undefined) return undefined
  const { DatabaseSync } = sqlite
  const probe = new DatabaseSync(':memory:')
  try {
    const statement = probe.prepare('SELECT sqlite_version() AS version')
    if (statement.setReturnArrays === undefined) return undefined
    const { version } = statement.get() as { version: string }
    return { name: 'node', version, open: (path) => wrap(new DatabaseSync(path)) }
  } finally {
    probe.close()
  }
}

/** Node 22 says on every start that its SQLite is experimental; what matters of that is decided by the gate. */
function loadQuietly(): NodeSqlite | undefined {
  const warn = process.emitWarning
  process.emitWarning = () => undefined
  try {
    return process.getBuiltinModule('node:sqlite') as NodeSqlite | undefined
  } finally {
    process.emitWarning = warn
  }
}

/** Also takes a database that somebody else has opened, with settings of their own. */
export function wrap(db: NodeDatabase): Database {
  return {
    exec: (sql) => db.exec(sql),
    prepare: (sql) => wrapStatement(db.prepare(sql)),
    get inTransaction() {
      return db.isTransaction
    },
    close: () => db.close(),
  }
}

function wrapStatement(statement: NodeStatement): Statement {
  statement.setReturnArrays?.(true)
  statement.setReadBigInts?.(false)
  return {
    run: (...values) => Number(statement.run(...values).changes),
    get: <R extends readonly Value[]>(...values: Value[]) => statement.get(...values) as R | undefined,
    all: <R extends readonly Value[]>(...values: Value[]) => statement.all(...values) as R[],
  }
}
