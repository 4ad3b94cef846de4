// A shop on PostgreSQL. An order and the job that books it are one transaction; so are the booking and the success of its
// job. Whatever dies in between, every order is booked, and booked once. Run it with DATABASE_URL set to a database that may
// get two tables.
import { offstage } from 'offstage'
import pg from 'pg'

const url = process.env.DATABASE_URL ?? 'postgres://localhost/shop'
const pool = new pg.Pool({ connectionString: url })
const app = offstage({ broker: url })

await pool.query('CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, customer text, amount integer)')
await pool.query('CREATE TABLE IF NOT EXISTS accounts (customer text PRIMARY KEY, total integer)')

let failures = 1

const book = app.task({
  name: 'book',
  retry: { base: '10ms' },
  run: ({ order }: { order: number }, ctx) =>
    transaction(async (tx) => {
      const { rows } = await tx.query(
        `INSERT INTO accounts SELECT customer, amount FROM orders WHERE id = $1
         ON CONFLICT (customer) DO UPDATE SET total = accounts.total + excluded.total RETURNING total`,
        [order],
      )
      const result = await ctx.complete(tx, { total: rows[0].total as number })
      // The worst moment to fail: all is written, and the commit has not come.
      if (failures-- > 0) throw new Error('the power went out')
      return result
    }),
})

async function placeOrder(customer: string, amount: number) {
  return transaction(async (tx) => {
    const { rows } = await tx.query('INSERT INTO orders (customer, amount) VALUES ($1, $2) RETURNING id', [
      customer,
      amount,
    ])
    const job = await book.enqueue({ order: rows[0].id }, { tx })
    if (amount < 0) throw new Error('an order costs something')
    return job
  })
}

async function transaction<T>(work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

const worker = app.worker({ concurrency: 1 })
await worker.start()

const jobs = [await placeOrder('ada', 30), await placeOrder('ada', 12)]
const refused = await placeOrder('ada', -5).catch((error: Error) => error.message)
for (const job of jobs) await job.result({ timeout: '10s' })

const { rows } = await pool.query('SELECT total FROM accounts WHERE customer = $1', ['ada'])
const { jobs: kept } = await app.jobs.list({ task: 'book' })
console.log(`refused: ${refused}`)
console.log(`jobs: ${kept.length}, booked: ${rows[0].total}`)

await worker.stop()
await app.close()
await pool.end()
