// Reaches the data of a PostgreSQL harness from a process of its own.
import type { Broker } from '../../src/broker/contract.ts'
import { type PostgresOptions, postgres } from '../../src/brokers/postgres/postgres.ts'

export async function connect(options: PostgresOptions): Promise<Broker> {
  const broker = postgres(options)
  await broker.open()
  return broker
}
