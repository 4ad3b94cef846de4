// Two versions of the library on one schema, which a newer one migrates while the older one works.
import { expect } from 'vitest'
import { sql } from '../../src/brokers/postgres/sql.generated.ts'
import { spec } from '../../src/laws/factories.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { endAll, steady } from './cases-network.ts'
import { postgresOf } from './cases-postgres.ts'
import { ended, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'

/** As the next versions will do it: what is new has a default, and nothing that is there goes. */
const NEWER = `
ALTER TABLE jobs ADD COLUMN later text NOT NULL DEFAULT 'newer';
ALTER TABLE live ADD COLUMN later text DEFAULT 'newer';
ALTER TABLE past ADD COLUMN later text;
ALTER TABLE ended ADD COLUMN later text NOT NULL DEFAULT 'newer';
CREATE TABLE later (seq bigint PRIMARY KEY);
CREATE INDEX jobs_later ON jobs (created_at);`

export const versionCases: readonly FaultCase[] = [
  {
    title: 'F46: a newer version migrates the schema under load, and this one works on beside it',
    needs: 'server',
    run: migrated,
  },
  {
    title: 'F46: fields that this version does not know are kept',
    needs: 'server',
    run: unknownFields,
  },
  {
    title: 'F46: a schema that only newer versions may use is refused, and says so',
    needs: 'server',
    async run(arena) {
      await postgresOf(arena).sql("UPDATE faults.meta SET value = '99' WHERE key = 'readable_by'")
      await expect(arena.fleet.open()).rejects.toMatchObject({ code: 'STORE_TOO_NEW' })
    },
  },
]

/** In one transaction, as `migrate` does it: new steps, then every function anew. */
function migration(version: number): string {
  return `BEGIN;
SET LOCAL lock_timeout = '2s';
SELECT pg_advisory_xact_lock(hashtextextended('faults migrate', 0));
SET LOCAL search_path = faults, pg_temp;
SET LOCAL check_function_bodies = off;
${version === 2 ? NEWER : ''}
${Object.values(sql)
  .map((text) => `${text.trim().replaceAll(':schema', '"faults"')};`)
  .join('\n')}
UPDATE meta SET value = '${version}' WHERE key = 'version';
COMMIT;`
}

/** False where somebody at work was in the way, and the server gave up this. */
function applied(server: PostgresServer, version: number): Promise<boolean> {
  return server.sql(migration(version)).then(
    () => true,
    (error: { readonly code?: string }) => {
      if (error.code === '40P01' || error.code === '55P03') return false
      throw error
    },
  )
}

async function migrated(arena: Arena): Promise<void> {
  const { fleet, say, verdict } = arena
  const server = postgresOf(arena)
  await Promise.all([1, 2].map(() => fleet.worker({ concurrency: 8, lease: LEASE_MS })))
  const load = { ...steady('p'), failing: 0.05, delayed: 0.1, limited: 0.05, parted: 0.05, perSecond: 150 }
  const producers = await Promise.all([
    fleet.producer(load),
    fleet.producer({ ...load, prefix: 'q', seed: 2 }),
  ])
  const took: number[] = []
  for (const version of [2, 3, 4]) {
    const sofar = ended(fleet.history)
    await fleet.until('it is busy', (history) => ended(history) > sofar + 150)
    const startedAt = performance.now()
    for (let tries = 1; !(await applied(server, version)); tries += 1) expect(tries).toBeLessThan(20)
    took.push(Math.round(performance.now() - startedAt))
  }
  say(`the migrations took ${took.join(', ')} ms`)
  // Whoever comes later finds the newer schema, and works with it.
  const late = await fleet.worker({ concurrency: 8, lease: LEASE_MS })
  await fleet.until('the late worker works too', (history) =>
    only(history, 'settled').some(({ pid }) => pid === late.pid),
  )
  await endAll(fleet, ...producers)
  expect(only(fleet.history, 'noticed')).toEqual([])
  const { figures } = await verdict()
  expect(figures.duplicates).toBe(0)
}

async function unknownFields(arena: Arena): Promise<void> {
  const { fleet, atEnd } = arena
  const server = postgresOf(arena)
  const broker = await fleet.open()
  atEnd(() => broker.close())
  const extra = { later: { colors: ['red'], deep: { n: 1 } } }
  const [answer] = await broker.enqueue([[spec({ id: 'job', queue: 'default', extra })]])
  expect(answer?.ok).toBe(true)
  await server.sql(migration(2))
  await server.sql("UPDATE faults.jobs SET later = 'kept'")
  const request = {
    queues: ['default'],
    max: 1,
    leaseMs: 30_000,
    worker: 'old',
    starting: 1,
    suspects: 1,
  } as const
  for (const kind of ['retry', 'failed'] as const) {
    const { jobs } = await broker.reserve(request)
    const [job] = jobs
    if (job === undefined) throw new Error('there is no job to claim')
    const ref = { id: job.id, token: job.token, error: { name: 'Error', message: 'no', fingerprint: 'f' } }
    const outcome =
      kind === 'retry'
        ? ({ ...ref, kind, delayMs: 0 } as const)
        : ({ ...ref, kind, reason: 'non-retryable' } as const)
    expect((await broker.settle({ outcomes: [outcome] })).answers).toEqual(['ok'])
  }
  await broker.retry({ ids: ['job'] })
  const [record] = await broker.get(['job'])
  expect(record?.state).toBe('ready')
  expect(record?.extra).toEqual(extra)
  expect(await server.sql('SELECT later FROM faults.jobs')).toEqual([{ later: 'kept' }])
}
