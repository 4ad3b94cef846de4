// Opens an SQLite broker in a process that the laws' suite started.

import type { Broker } from '../../src/broker/contract.ts'
import { type SqliteOptions, sqlite } from '../../src/brokers/sqlite/sqlite.ts'

export async function connect(options: SqliteOptions): Promise<Broker> {
  const broker = sqlite(options)
  await broker.open()
  return broker
}
