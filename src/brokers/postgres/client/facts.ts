// Asks a server what it is, says whether this broker can work on it, and what a person should know of it.
import { OffstageError } from '../../../errors/error.ts'
import type { Statement } from './connection.ts'
import type { Place } from './errors.ts'
import type { Row } from './tap.ts'

export interface ServerFacts {
  /** `PostgreSQL 15.20`. */
  readonly engine: string
  /** As the server numbers it: 150020. */
  readonly versionNumber: number
  /** `host:port/database`. */
  readonly address: string
  readonly user: string
  readonly maxConnections: number
  readonly synchronousCommit: string
  /** What a crash of the server leaves, in its own words: `synchronous_commit on, fsync on`. */
  readonly durability: string
  /** How long the question took, in ms. */
  readonly pingMs: number
  /** `on`; `off` in poll-only mode; `deaf` where a pooler delivers no notifications; `unknown` while nobody listens. */
  readonly listening: 'on' | 'off' | 'deaf' | 'unknown'
  /** One sentence each. */
  readonly warnings: readonly string[]
}

export type Asked = Omit<ServerFacts, 'listening' | 'pingMs'> & {
  readonly encoding: string
  readonly standby: boolean
  readonly readOnly: boolean
}

const OLDEST = 130_000
/** Bytes that are no text: whether values arrive in their binary form. */
const BYTES = '00ff8001'

export const ASK: Statement = {
  text: `select decode('${BYTES}', 'hex'), current_setting('server_version'), current_setting('server_version_num'),
  pg_is_in_recovery()::text, current_setting('transaction_read_only'), current_setting('server_encoding'),
  current_setting('synchronous_commit'), current_setting('fsync'), current_setting('max_connections'), current_user::text,
  current_setting('transaction_isolation')`,
}

export function readAnswer(rows: readonly Row[], place: Place): Asked {
  const [bytes, ...texts] = rows[0] ?? []
  if (bytes?.toString('hex') !== BYTES)
    throw new OffstageError(
      'BROKER_CLIENT_MISSING',
      'the package pg that is installed does not pass on binary values as this broker reads them; run: npm install pg@8',
    )
  const text = (i: number): string => texts[i]?.toString() ?? ''
  const [synchronousCommit, fsync] = [text(5), text(6)]
  const warnings: string[] = []
  if (synchronousCommit === 'off')
    warnings.push('synchronous_commit is off: a crash of the server loses the jobs of the last moments')
  if (fsync === 'off') warnings.push('fsync is off: a crash of the machine may lose or damage everything')
  const isolation = text(9)
  if (isolation !== 'read committed')
    warnings.push(
      `transactions are ${isolation} by default, so that claims fail and are repeated: alter role … set default_transaction_isolation = 'read committed'`,
    )
  return {
    engine: `PostgreSQL ${text(0).split(' ')[0]}`,
    versionNumber: Number(text(1)),
    address: place.name,
    standby: text(2) === 'true',
    readOnly: text(3) === 'on',
    encoding: text(4),
    synchronousCommit,
    durability: `synchronous_commit ${synchronousCommit}, fsync ${fsync}`,
    maxConnections: Number(text(7)),
    user: text(8),
    warnings,
  }
}

/** @throws BROKER_TOO_OLD, BROKER_IS_REPLICA, STORE_READONLY, BROKER_ENCODING */
export function checkServer({ engine, versionNumber, standby, readOnly, encoding, address }: Asked): void {
  const where = `the server at ${address}`
  if (versionNumber < OLDEST)
    throw new OffstageError(
      'BROKER_TOO_OLD',
      `${where} is ${engine}; this broker needs PostgreSQL 13 or newer`,
      {
        details: { version: versionNumber, oldest: OLDEST },
      },
    )
  if (standby)
    throw new OffstageError('BROKER_IS_REPLICA', `${where} is a read-only standby; name the primary`)
  if (readOnly)
    throw new OffstageError(
      'STORE_READONLY',
      `${where} lets this user only read: default_transaction_read_only is on for the server, the database or the user`,
    )
  if (encoding !== 'UTF8')
    throw new OffstageError(
      'BROKER_ENCODING',
      `the database at ${address} is encoded in ${encoding}; create one with ENCODING 'UTF8' TEMPLATE template0`,
    )
}
