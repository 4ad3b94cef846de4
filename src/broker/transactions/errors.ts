// What drivers throw inside a transaction, as coded errors. The driver's own error stays the cause.
import { codeOf, OffstageError } from '../../errors/error.ts'

/** An SQLSTATE: five digits or capital letters. */
const SQLSTATE = /^[0-9A-Z]{5}$/
/** The function or the schema is not there: another database, or one that has not been migrated. */
const NOT_THERE = new Set(['42883', '3F000'])
/** Prisma's own codes look like an SQLSTATE. */
const PRISMA = /^P[12]/
/** Knex puts the statement with its parameters before what the server said. */
const STATEMENT = ' AS answer - '
const DEEPEST = 8
const LONGEST = 300

export function transactionError(cause: unknown): OffstageError {
  if (cause instanceof OffstageError) return cause
  const { sqlState, message: said } = serverError(cause)
  const details = { sqlState }
  if (sqlState !== undefined && NOT_THERE.has(sqlState)) {
    const message = `the transaction is not on the database in which the jobs are kept, or that one is not migrated: ${said}`
    return new OffstageError('TX_INVALID', message, { cause, details })
  }
  const message =
    sqlState === '25P02'
      ? 'the transaction had failed before this call; let it roll back'
      : `the transaction failed and has to be rolled back: ${said}`
  return new OffstageError('TX_ABORTED', message, { cause, details })
}

interface ServerError {
  readonly sqlState: string | undefined
  readonly message: string
}

/**
 * What the server said, below what libraries wrap around it: in causes, and Prisma in `meta`. Their own messages are left
 * out, since Drizzle's holds the parameters, which are payloads here.
 */
function serverError(error: unknown): ServerError {
  let one = error
  let message = 'the driver gave no reason'
  for (let depth = 0; depth < DEEPEST && typeof one === 'object' && one !== null; depth += 1) {
    const fields = one as { readonly [key: string]: unknown }
    const { originalCode, originalMessage, cause, meta, driverAdapterError } = fields
    const said = originalMessage ?? fields.message
    if (typeof said === 'string') message = (said.split(STATEMENT).at(-1) ?? '').slice(0, LONGEST)
    const code = originalCode ?? codeOf(one)
    if (typeof code === 'string' && SQLSTATE.test(code) && !PRISMA.test(code))
      return { sqlState: code, message }
    one = cause ?? meta ?? driverAdapterError
  }
  return { sqlState: undefined, message }
}
