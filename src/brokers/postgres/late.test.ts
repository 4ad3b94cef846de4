// Proves that a job whose transaction commits late is claimed, although claims have gone on behind it meanwhile and look
// for jobs only from the first place on that they have seen.
import { Client } from 'pg'
import { expect } from 'vitest'
import { freshSchema, postgresTest as test } from '../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../test/support/servers.ts'
import { request, spec, specs, succeeded, unique } from '../../laws/factories.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { postgres } from './postgres.ts'
import { parseUrl } from './url.ts'

/** Each claim asks who holds places. */
const hurried: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 1_000 }

for (const [what, fields] of [
  ['a plain job', {}],
  ['a job with a key', { unique: unique('late') }],
  ['a job of another priority', { priority: 2 }],
] as const) {
  test(`${what} of a transaction that commits late is late, and not passed by`, async () => {
    const broker = postgres({ ...parseUrl(postgresUrl), schema: freshSchema(), clock: hurried })
    const tx = new Client({ connectionString: postgresUrl })
    await Promise.all([broker.open(), tx.connect()])
    const drain = async (): Promise<string[]> => {
      const ids: string[] = []
      for (;;) {
        const { jobs } = await broker.reserve(request({ max: 4, starting: 4 }))
        if (jobs.length === 0) return ids
        await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
        ids.push(...jobs.map(({ id }) => id))
      }
    }
    await broker.enqueue([specs(10, 'before')])
    expect(await drain()).toHaveLength(10)
    await tx.query('BEGIN')
    await broker.enqueueWithin(tx, [[spec({ id: 'late', ...fields })]])
    for (let round = 0; round < 5; round += 1) {
      await broker.enqueue([specs(10, `behind-${round}`), specs(10, `other-${round}`, { priority: 2 })])
      expect(await drain()).toHaveLength(20)
    }
    await tx.query('COMMIT')
    expect(await drain()).toEqual(['late'])
    await Promise.all([broker.close(), tx.end()])
  })
}
