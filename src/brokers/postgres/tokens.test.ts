// Proves that no token is given out twice, although a crash of the server may forget the last claims.
import { expect, test } from 'vitest'
import { until } from '../../../test/faults/time.ts'
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts'
import { hasPostgresServer } from '../../../test/support/postgres-tests.ts'
import { request, specs } from '../../laws/factories.ts'
import { postgres } from './postgres.ts'

if (hasPostgresServer()) {
  test.each([
    [
      'the server was killed',
      async (server: PostgresServer) => {
        await server.kill()
        await server.start()
      },
    ],
    ['one of its processes was killed, and all began anew under the same start time', crashOne],
  ] as const)(
    'tokens are larger after %s, whatever it has forgotten',
    async (_, crash) => {
      const server = await startPostgres({ settings: { wal_writer_delay: '10s' } })
      const broker = postgres(server.url)
      await broker.open()
      await broker.enqueue([specs(50, 'job')])
      const before: number[] = []
      const claim = async (max: number): Promise<number[]> =>
        (await broker.reserve(request({ max, starting: max, leaseMs: 60_000 }))).jobs.map(
          ({ token }) => token,
        )
      before.push(...(await claim(1)))
      // Of these the server may know nothing when it comes back.
      for (let round = 0; round < 9; round += 1) before.push(...(await claim(4)))
      await crash(server)
      const after = await claim(50)
      expect(after.length).toBeGreaterThanOrEqual(50 - before.length)
      expect(Math.min(...after)).toBeGreaterThan(Math.max(...before) + 900_000)
      await broker.close()
      await server.stop()
    },
    30_000,
  )
}

async function crashOne(server: PostgresServer): Promise<void> {
  const [row] = await server.sql<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1",
  )
  if (row === undefined) throw new Error('no process of a client')
  process.kill(row.pid, 'SIGKILL')
  await until('it has come back', async () => (await server.sql('SELECT 1').catch(() => [])).length === 1, {
    limitMs: 20_000,
  })
}
