// The transaction objects of the libraries for PostgreSQL, told apart by their shape, as one way to run a statement.
// What is no transaction but could be taken for one, a pool or a root client, is refused: its statements would be
// committed each by itself.
import { OffstageError } from '../../errors/error.ts'
import { transactionError } from './errors.ts'

/** Runs a statement with one text parameter, `$1`, and answers its rows as the library has them. */
type Ask = (text: string, value: string) => unknown

type Fields = { readonly [name: string]: unknown }
type Method = (...args: unknown[]) => unknown

interface Library {
  readonly name: string
  /** True for its transactions and its root clients alike. */
  readonly knows: (tx: Fields) => boolean
  /** Why it is no open transaction; undefined for one. */
  readonly refuses: (tx: Fields) => string | undefined
  readonly ask: (tx: Fields) => Ask
}

const isMethod = (tx: Fields, name: string): boolean => typeof tx[name] === 'function'
const call = (tx: Fields, name: string, ...args: unknown[]): unknown => (tx[name] as Method).apply(tx, args)

/** In this order, since some have methods of the names of others. */
const libraries: readonly Library[] = [
  {
    name: 'postgres.js',
    knows: (tx) => isMethod(tx, 'unsafe') && (isMethod(tx, 'begin') || isMethod(tx, 'savepoint')),
    // A reserved connection is taken: whether BEGIN was sent on it, only its owner knows.
    refuses: (tx) =>
      isMethod(tx, 'savepoint') || isMethod(tx, 'release')
        ? undefined
        : 'the root of postgres.js; pass what sql.begin() hands to its function',
    ask: (tx) => (text, value) => call(tx, 'unsafe', text, [value]),
  },
  {
    name: 'Prisma',
    knows: (tx) => isMethod(tx, '$queryRawUnsafe'),
    refuses: (tx) =>
      isMethod(tx, '$connect')
        ? 'a Prisma client; pass what an interactive $transaction() hands to its function'
        : undefined,
    ask: (tx) => (text, value) => call(tx, '$queryRawUnsafe', text, value),
  },
  {
    name: 'Kysely',
    knows: (tx) => isMethod(tx, 'executeQuery') && typeof tx.isTransaction === 'boolean',
    refuses: (tx) =>
      tx.isTransaction === true
        ? undefined
        : 'a Kysely instance; pass what db.transaction().execute() hands to its function',
    ask: (tx) => (text, value) => call(tx, 'executeQuery', kyselyQuery(text, value)),
  },
  {
    name: 'Knex',
    knows: (tx) => isMethod(tx, 'raw') && isMethod(tx, 'transaction'),
    refuses: (tx) => {
      if (tx.isTransaction !== true || !isMethod(tx, 'isCompleted'))
        return 'the root of Knex; pass what knex.transaction() hands to its function'
      return call(tx, 'isCompleted') === true ? 'a Knex transaction that has ended' : undefined
    },
    ask: (tx) => (text, value) => call(tx, 'raw', text.replaceAll('?', '\\?').replace('$1', '?'), [value]),
  },
  {
    name: 'Drizzle',
    knows: (tx) => isMethod(tx, 'execute') && isMethod(tx, 'transaction') && isMethod(tx, 'select'),
    refuses: (tx) =>
      isMethod(tx, 'rollback')
        ? undefined
        : 'a Drizzle database; pass what db.transaction() hands to its function',
    ask: (tx) => (text, value) => call(tx, 'execute', drizzleQuery(text, value)),
  },
  {
    name: 'TypeORM',
    knows: (tx) =>
      isMethod(tx, 'query') && (isMethod(tx, 'createQueryRunner') || typeORMRunner(tx) !== undefined),
    refuses: (tx) =>
      typeORMRunner(tx)?.isTransactionActive === true
        ? undefined
        : 'no manager or query runner of TypeORM with an open transaction; pass what dataSource.transaction() hands to its function',
    ask: (tx) => (text, value) => call(tx, 'query', text, [value]),
  },
  {
    name: 'a client',
    knows: (tx) => isMethod(tx, 'query'),
    refuses: refusedClient,
    ask: (tx) => (text, value) => call(tx, 'query', text, [value]),
  },
]

/** Of a manager, or one itself. The root manager has none. */
function typeORMRunner(tx: Fields): Fields | undefined {
  if ('isTransactionActive' in tx) return tx
  if (!isMethod(tx, 'getRepository')) return undefined
  return typeof tx.queryRunner === 'object' && tx.queryRunner !== null ? (tx.queryRunner as Fields) : {}
}

/** node-postgres, and what looks like it, such as one's own wrapper. */
function refusedClient(tx: Fields): string | undefined {
  if (typeof tx.totalCount === 'number' && isMethod(tx, 'connect'))
    return 'a pool, which may use another connection for each statement; pass the client that BEGIN was sent on'
  const idle = isMethod(tx, 'getTransactionStatus') && call(tx, 'getTransactionStatus') === 'I'
  return idle ? 'a client on which no transaction is open; send BEGIN first' : undefined
}

/** What the library makes of `CompiledQuery.raw(text, [value])`. */
function kyselyQuery(text: string, value: string): object {
  const query = { kind: 'RawNode', sqlFragments: [text], parameters: [] }
  return { sql: text, parameters: [value], query, queryId: { queryId: 'offstage' } }
}

/** An `SQLWrapper`, as `sql` makes them: asked for its statement with the parameters in their places. */
function drizzleQuery(text: string, value: string): object {
  return { getSQL: () => ({ toQuery: () => ({ sql: text, params: [value] }) }) }
}

/** A transaction is one connection, which takes one statement at a time: calls on it wait for those before. */
const turns = new WeakMap<object, Promise<unknown>>()

/**
 * A way to ask on the user's connection, inside the user's transaction: a function that takes one text and answers one.
 *
 * @throws TX_INVALID; what is asked rejects with TX_ABORTED or TX_INVALID
 */
export function sqlTransaction(tx: unknown): (name: string, value: string) => Promise<string> {
  if ((typeof tx !== 'object' && typeof tx !== 'function') || tx === null) throw invalid(`it is ${typeof tx}`)
  const fields = tx as Fields
  const library = libraries.find(({ knows }) => knows(fields))
  if (library === undefined)
    throw invalid('it has none of the shapes that are known; give it a query(text, values)')
  const refused = library.refuses(fields)
  if (refused !== undefined) throw invalid(`it is ${refused}`)
  const ask = library.ask(fields)
  return (name, value) => {
    const text = `SELECT ${name}($1::text) AS answer`
    const turn = (turns.get(tx) ?? Promise.resolve()).then(async () => theText(await ask(text, value)))
    turns.set(
      tx,
      turn.catch(() => undefined),
    )
    return turn.catch((error: unknown) => Promise.reject(transactionError(error)))
  }
}

function theText(answer: unknown): string {
  const rows = Array.isArray(answer) ? answer : (answer as { readonly rows?: unknown } | undefined)?.rows
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined
  const value: unknown = typeof row === 'object' && row !== null ? Object.values(row)[0] : undefined
  if (typeof value === 'string') return value
  throw invalid('what its query() answers has no rows that could be read')
}

function invalid(why: string): OffstageError {
  return new OffstageError('TX_INVALID', `tx is no open transaction of a library for PostgreSQL: ${why}`)
}
