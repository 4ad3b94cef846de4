// What a person may want to know of the store: the server, the schema, and how large it has grown.
import type { BrokerHealth } from '../../broker/contract.ts'
import { type Call, call, type Space } from './space.ts'
import { readNumber } from './wire/arrays.ts'

const healthCall: Call = { name: 'read_health', types: [] }

/** Dead rows beside which claims grow slow, where nothing else tells of them. */
const MANY_DEAD = 5_000_000

export async function healthOf(space: Space): Promise<BrokerHealth> {
  const [server, row] = await Promise.all([space.client.facts(), call(space, healthCall, [])])
  const [now = 0, version = 0, jobs = 0, dead = 0, bytes = 0, snapshotSeconds = 0] = row.map(
    (value) => readNumber(value) ?? 0,
  )
  const { engine, address, durability, listening, pingMs, user, maxConnections, warnings } = server
  const told = [...warnings]
  if (dead > MANY_DEAD)
    told.push(
      `${dead} dead rows wait for vacuum: see whether autovacuum runs, and whether a transaction has been open for long (the oldest: ${snapshotSeconds} s)`,
    )
  return {
    now,
    location: `${address}, schema ${space.schema}`,
    engine,
    durability,
    warnings: told,
    facts: {
      user,
      schemaVersion: version,
      listening,
      pingMs,
      maxConnections,
      rowsOfJobs: jobs,
      deadRows: dead,
      sizeBytes: bytes,
      oldestTransactionSeconds: snapshotSeconds,
    },
  }
}
