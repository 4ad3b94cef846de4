// Proves that a restart of the server takes no lease, whoever comes first afterwards.
import { expect, test } from 'vitest'
import { until } from '../../../test/faults/time.ts'
import { startPostgres } from '../../../test/support/postgres-server.ts'
import { hasPostgresServer } from '../../../test/support/postgres-tests.ts'
import { request, spec, succeeded } from '../../laws/factories.ts'
import { postgres } from './postgres.ts'

const LEASE_MS = 2_000

if (hasPostgresServer()) {
  test('a worker that is new after an outage leaves those their leases who were there before', async () => {
    const server = await startPostgres()
    const old = postgres(server.url)
    await old.open()
    await old.enqueue([[spec({ id: 'job' })]])
    await old.maintain()
    const { jobs } = await old.reserve(request({ leaseMs: LEASE_MS, starting: 1 }))
    const [job] = jobs
    if (job === undefined) throw new Error('nothing was claimed')
    const endsAt = performance.now() + LEASE_MS
    await server.kill()
    await until('the lease has ended', () => performance.now() > endsAt)
    await server.start()
    const fresh = postgres(server.url)
    await fresh.open()
    expect((await fresh.maintain()).reclaimed).toBe(0)
    const lease = { id: job.id, token: job.token, started: true }
    expect(await old.extend([lease], 15_000)).toEqual(['ok'])
    expect((await old.settle({ outcomes: [succeeded(job)] })).answers).toEqual(['ok'])
    await Promise.all([old.close(), fresh.close()])
    await server.stop()
  }, 30_000)
}
