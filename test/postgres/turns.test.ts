// Races between a claim by turns and others, made to happen: somebody holds a row that the claim needs, until what has to
// come in between is done.
import { Client } from 'pg'
import { expect, onTestFinished } from 'vitest'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import { request, specs, succeeded } from '../../src/laws/factories.ts'
import { until } from '../faults/time.ts'
import { freshSchema, postgresTest } from '../support/postgres-tests.ts'
import { postgresUrl } from '../support/servers.ts'

postgresTest('a slot that is freed while a claim closes its lane is found by that claim', async () => {
  const schema = freshSchema()
  // Should it never come to an end, the server ends it.
  const broker = postgres({ ...parseUrl(postgresUrl), schema, sessionOptions: '-c statement_timeout=10000' })
  await broker.open()
  onTestFinished(() => broker.close())
  const outside = new Client({ connectionString: postgresUrl })
  await outside.connect()
  onTestFinished(() => outside.end())

  await broker.limit([{ scope: { kind: 'task', task: 'work' }, source: 'set', limit: { concurrency: 1 } }])
  await broker.enqueue([specs(3, 'job')])
  const { jobs } = await broker.reserve(request({ max: 1 }))
  const [held] = jobs
  if (held === undefined) throw new Error('there was nothing to claim')

  await outside.query('BEGIN')
  await outside.query(`SELECT 1 FROM ${schema}.lanes FOR UPDATE`)
  const claiming = broker.reserve(request({ max: 3 }))
  await until('the claim wants to close the lane', async () => {
    // What is seen once in a transaction stays what it was.
    await outside.query('SELECT pg_stat_clear_snapshot()')
    const { rows } = await outside.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`,
      [`%${schema}%reserve_jobs%`],
    )
    return rows.length > 0
  })
  const { answers } = await broker.settle({ outcomes: [succeeded(held)] })
  expect(answers).toEqual(['ok'])
  await outside.query('COMMIT')
  expect((await claiming).jobs.map(({ id }) => id)).toEqual(['job-1'])
})
