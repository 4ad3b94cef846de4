// A PostgreSQL broker on a clock that is moved. A server's own clock cannot be, so the schema's function for the time
// answers what stands in a table instead.
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { Broker } from '../../src/broker/contract.ts'
import { type PostgresOptions, postgres } from '../../src/brokers/postgres/postgres.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import type { BrokerHarness } from '../../src/laws/index.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'

export class PostgresOnClock {
  readonly server: PostgresServer
  readonly #client: Client
  #clock = new ManualClock()
  #last: string | undefined

  private constructor(server: PostgresServer, client: Client) {
    this.server = server
    this.#client = client
  }

  static async start(): Promise<PostgresOnClock> {
    const server = await startPostgres()
    const client = new Client({ connectionString: server.url })
    client.on('error', () => undefined)
    await client.connect()
    const started = new PostgresOnClock(server, client)
    await client.query('CREATE TABLE public.clock AS SELECT $1::bigint AS now', [started.#clock.now()])
    return started
  }

  /** An opened broker on a schema of its own. */
  async open(): Promise<Broker> {
    const schema = `clock_${randomBytes(6).toString('hex')}`
    const options: PostgresOptions = { ...parseUrl(this.server.url), schema, clock: this.#clock }
    const broker = postgres(options)
    await broker.open()
    await this.#client.query(
      `CREATE OR REPLACE FUNCTION ${schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
       AS 'SELECT now FROM public.clock'`,
    )
    this.#last = schema
    return broker
  }

  async advance(ms: number): Promise<void> {
    this.#clock.advance(ms)
    await this.#move()
  }

  /** Forgets the last schema, and begins again at the beginning of time. */
  async reset(): Promise<void> {
    this.#clock = new ManualClock()
    if (this.#last !== undefined) await this.#client.query(`DROP SCHEMA ${this.#last} CASCADE`)
    this.#last = undefined
    await this.#move()
  }

  async stop(): Promise<void> {
    await this.#client.end()
    await this.server.stop()
  }

  async #move(): Promise<void> {
    await this.#client.query('UPDATE public.clock SET now = $1', [this.#clock.now()])
  }
}

export async function postgresClockHarness(): Promise<BrokerHarness> {
  const started = await PostgresOnClock.start()
  const some = await started.open()
  return {
    name: 'postgres, on a clock that is moved',
    capabilities: some.capabilities,
    open: () => started.open(),
    advance: (ms) => started.advance(ms),
    dispose: async () => {
      await some.close()
      await started.stop()
    },
  }
}
