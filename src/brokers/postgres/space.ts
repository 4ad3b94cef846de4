// What the parts of the broker share: a schema, and the client that calls its functions.
import { OffstageError } from '../../errors/error.ts'
import { type PostgresClient, quoteIdentifier, type Row, type Value } from './client/client.ts'

export interface Space {
  readonly client: PostgresClient
  readonly schema: string
  readonly namespace: string
}

/** A statement on the functions of a schema. */
export interface Statement {
  readonly name: string
  /** Rejects at once where others hold what it needs (`wasBlocked`). */
  readonly impatient?: boolean | undefined
  readonly text: (schema: string) => string
}

/** A call of one function: its name and the types of its parameters. */
export interface Call {
  readonly name: string
  readonly impatient?: boolean | undefined
  readonly types: readonly string[]
}

/** The texts, by schema and name. */
const texts = new Map<string, string>()

/** Runs a statement that answers one row. */
export async function select(space: Space, statement: Statement, values: readonly Value[]): Promise<Row> {
  const [row] = await selectRows(space, statement, values)
  if (row === undefined)
    throw new OffstageError('BROKER_UNAVAILABLE', `${statement.name} of the schema has answered nothing`)
  return row
}

/** Calls a function; answers its row, with a column for each OUT parameter. */
export function call(space: Space, { name, types, impatient }: Call, values: readonly Value[]): Promise<Row> {
  return select(space, { name, text: (schema) => callText(schema, name, types), impatient }, values)
}

/** Calls a function that answers a set of rows. */
export function callRows(
  space: Space,
  { name, types }: Call,
  values: readonly Value[],
): Promise<readonly Row[]> {
  return selectRows(space, { name, text: (schema) => callText(schema, name, types) }, values)
}

function callText(schema: string, name: string, types: readonly string[]): string {
  return `SELECT * FROM ${schema}.${name}(${types.map((type, i) => `$${i + 1}::${type}`).join(', ')})`
}

/** Runs a statement that answers a set of rows. */
export function selectRows(
  { client, schema }: Space,
  { name, text, impatient }: Statement,
  values: readonly Value[],
): Promise<readonly Row[]> {
  const key = `${schema}.${name}`
  let known = texts.get(key)
  if (known === undefined) {
    known = text(quoteIdentifier(schema))
    texts.set(key, known)
  }
  return client.run({ text: known, values, name: `offstage_${name}`, impatient })
}
