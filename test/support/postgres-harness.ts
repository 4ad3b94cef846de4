// The PostgreSQL broker as the laws' suite wants it: a schema of its own a namespace, on a private server that can be
// stopped, and that counts the statements inside functions too.
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { Broker } from '../../src/broker/contract.ts'
import { type PostgresOptions, postgres } from '../../src/brokers/postgres/postgres.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import type { BrokerHarness, UserTransaction } from '../../src/laws/index.ts'
import { scans } from './postgres-plans.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'

export interface PostgresHarnessOptions {
  readonly name?: string | undefined
  /** Default: a private one, which the harness starts and stops. */
  readonly server?: PostgresServer | undefined
  /** Where the broker finds it. Default the server's own URL. */
  readonly url?: string | undefined
  readonly options?: Partial<PostgresOptions> | undefined
  /** Before the broker is opened on a new schema. */
  readonly prepare?: ((schema: string) => Promise<void>) | undefined
  readonly dispose?: (() => Promise<void>) | undefined
}

const COUNTING = { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track': 'all' }

/** More than a case opens. */
const MAX_SCHEMAS = 4

export async function postgresHarness({
  name = 'postgres',
  server: given,
  url: givenUrl,
  options = {},
  prepare,
  dispose,
}: PostgresHarnessOptions = {}): Promise<BrokerHarness> {
  const server = given ?? (await startPostgres({ settings: COUNTING }))
  if (given === undefined) await server.sql('CREATE EXTENSION pg_stat_statements')
  const url = givenUrl ?? server.url
  const schemas: string[] = []
  const opened = new WeakMap<object, PostgresOptions & { readonly schema: string }>()
  const open = async (wanted: PostgresOptions & { readonly schema: string }): Promise<Broker> => {
    const broker = postgres(wanted)
    opened.set(broker, wanted)
    await broker.open()
    return broker
  }
  const optionsOf = (broker: object): PostgresOptions & { readonly schema: string } => {
    const found = opened.get(broker)
    if (found === undefined) throw new Error('the harness did not open this broker')
    return found
  }
  return {
    name,
    capabilities: postgres({ ...parseUrl(url), ...options }).capabilities,
    open: async () => {
      const schema = `laws_${randomBytes(6).toString('hex')}`
      // A few hundred schemas, each with all its tables and functions, would stand there until the end.
      schemas.push(schema)
      for (const old of schemas.splice(0, schemas.length - MAX_SCHEMAS))
        await server.sql(`DROP SCHEMA IF EXISTS ${old} CASCADE`)
      await prepare?.(schema)
      // It keeps the counts of so many statements only, and those of each schema are others.
      if (given === undefined) await server.sql('SELECT pg_stat_statements_reset()')
      return open({ ...parseUrl(url), ...options, schema })
    },
    another: (broker) => open(optionsOf(broker)),
    location: (broker) => ({
      module: new URL('./postgres-connect.ts', import.meta.url).href,
      options: optionsOf(broker),
      execArgv: ['--import', 'tsx'],
    }),
    damage: async (broker, id) => {
      const { schema } = optionsOf(broker)
      await server.sql(`UPDATE ${schema}.jobs SET rare = '{"tags":' WHERE id = $1`, [id])
    },
    transaction: () => begin(url),
    outage: (broker, ms) => outage(server, broker, ms),
    ...(given === undefined
      ? {
          commands: () => statements(server),
          scans: (broker) => scans(server, optionsOf(broker).schema, () => open(optionsOf(broker))),
        }
      : {}),
    dispose: async () => {
      if (given === undefined) await server.stop()
      await dispose?.()
    },
  }
}

/** A connection of the application's own, on which BEGIN was sent. */
async function begin(connectionString: string): Promise<UserTransaction> {
  const tx = new Client({ connectionString })
  await tx.connect()
  await tx.query('BEGIN')
  const end = (how: string) => async (): Promise<void> => {
    await tx.query(how)
    await tx.end()
  }
  return { tx, commit: end('COMMIT'), rollback: end('ROLLBACK') }
}

async function outage(server: PostgresServer, broker: Broker, ms: number): Promise<void> {
  server.pause()
  // As every worker does all the time: somebody waits for an answer meanwhile.
  const waiting = broker.maintain().catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, ms))
  server.resume()
  await waiting
}

/** Statements that were run so far, those inside functions included. */
async function statements(server: PostgresServer): Promise<number> {
  const [row] = await server.sql<{ calls: string }>('SELECT sum(calls) AS calls FROM pg_stat_statements')
  return Number(row?.calls)
}
