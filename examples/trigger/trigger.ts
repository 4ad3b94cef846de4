// Jobs that a trigger of the database enqueues: rows are written by anybody in any language, and a worker greets whom they
// name. Run it with DATABASE_URL set, on a database without a table `users` of its own, and stop it with Ctrl+C.
import { readFileSync } from 'node:fs'
import { offstage } from 'offstage'
import { Client } from 'pg'
import { z } from 'zod'

const url = process.env.DATABASE_URL ?? 'postgres://localhost/postgres'
const app = offstage({ broker: url })

app.task({
  name: 'greet',
  input: z.object({ id: z.number(), name: z.string() }),
  run({ id, name }) {
    console.log(`Welcome, ${name}! You are number ${id}.`)
  },
})

// The first start makes the schema of the jobs, and then the table with its trigger.
const worker = app.worker()
await worker.start()
const client = new Client({ connectionString: url })
await client.connect()
const { rows } = await client.query("SELECT 1 FROM pg_trigger WHERE tgname = 'greet_user'")
if (rows.length === 0) await client.query(readFileSync(new URL('./trigger.sql', import.meta.url), 'utf8'))
await client.end()

console.log('Waiting. Try: psql "$DATABASE_URL" -c "INSERT INTO users (name) VALUES (\'Ada\')"')
process.once('SIGINT', async () => {
  await worker.stop()
  await app.close()
})
