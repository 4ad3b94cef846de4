// What a user keeps in the database beside the jobs: an order that each job is for, and what its handler did. Both are
// written in the transaction in which the job is enqueued or completed, so each is there if and only if the other is.
import { Pool, type PoolClient } from 'pg'

const TABLES = 'CREATE TABLE public.orders (id text); CREATE TABLE public.deeds (id text)'
/** One of so many transactions is rolled back. */
const ROLLBACK_EVERY = 3

export class Ledger {
  readonly #pool: Pool
  #orders = 0

  /** @param url of a database with the tables */
  constructor(url: string) {
    this.#pool = new Pool({ connectionString: url, max: 16 })
  }

  static async create(url: string): Promise<Ledger> {
    const ledger = new Ledger(url)
    await ledger.#pool.query(TABLES)
    return ledger
  }

  /** Answers what `enqueue` did once it is committed; undefined where it was rolled back. */
  order<T>(id: string, enqueue: (tx: PoolClient) => Promise<T>): Promise<T | undefined> {
    this.#orders += 1
    return this.#within('orders', id, enqueue, this.#orders % ROLLBACK_EVERY === 0)
  }

  async deed<T>(id: string, complete: (tx: PoolClient) => Promise<T>): Promise<T> {
    return (await this.#within('deeds', id, complete, false)) as T
  }

  orders(): Promise<string[]> {
    return this.#ids('orders')
  }

  deeds(): Promise<string[]> {
    return this.#ids('deeds')
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  async #within<T>(
    table: string,
    id: string,
    work: (tx: PoolClient) => Promise<T>,
    rollback: boolean,
  ): Promise<T | undefined> {
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(`INSERT INTO public.${table} VALUES ($1)`, [id])
      const done = await work(client)
      await client.query(rollback ? 'ROLLBACK' : 'COMMIT')
      return rollback ? undefined : done
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  }

  async #ids(table: string): Promise<string[]> {
    const { rows } = await this.#pool.query<{ readonly id: string }>(`SELECT id FROM public.${table}`)
    return rows.map(({ id }) => id).sort()
  }
}
