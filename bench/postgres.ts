// The PostgreSQL server of a run: of its own, as `initdb` leaves it. What makes the servers of the tests quick (no fsync,
// short segments of the log) would make all figures of writing too good.
import { type PostgresServer, startPostgres } from '../test/support/postgres-server.ts'

/** The defaults that the servers of the tests do not have. */
const STOCK = { fsync: 'on', shared_buffers: '128MB', max_connections: 100 }
const STOCK_SEGMENT_MB = 16

/** To be profiled, it counts the calls and the time of functions. */
export async function startStockPostgres(profiled: boolean): Promise<PostgresServer> {
  const module = new URL('../scripts/postgres.mjs', import.meta.url).href
  const { makeTemplate, guard } = (await import(module)) as {
    makeTemplate(segmentMb?: number): string
    guard(folder: string): () => void
  }
  const template = makeTemplate(STOCK_SEGMENT_MB)
  guard(template)
  process.env.OFFSTAGE_TEST_POSTGRES_TEMPLATE = template
  return startPostgres({ settings: profiled ? { ...STOCK, track_functions: 'pl' } : STOCK })
}

/** Drops what a measurement has left, and writes to disk what it owes, so that the next does not pay for it. */
export async function emptyPostgres(server: PostgresServer): Promise<void> {
  const schemas = await server.sql<{ name: string }>(
    "SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'bench%'",
  )
  for (const { name } of schemas) await server.sql(`DROP SCHEMA "${name}" CASCADE`)
  await server.sql('CHECKPOINT')
}
