// Opens an SQLite broker in a process that the laws' suite started.
import type { Broker } from '../../src/broker/contract.ts'
import type { SqliteOptions } from '../../src/brokers/sqlite/sqlite.ts'

/** @param options the URL of the broker's module, and what to open */
export async function connect(options: { module: string; sqlite: SqliteOptions }): Promise<Broker> {
  const { sqlite } = (await import(options.module)) as typeof import('../../src/brokers/sqlite/sqlite.ts')
  const broker = sqlite(options.sqlite)
  await broker.open()
  return broker
}
