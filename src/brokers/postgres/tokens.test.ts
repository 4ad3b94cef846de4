// Proves that no token is given out twice, although a crash of the server may forget the last claims.
import { expect, test } from 'vitest'
import { startPostgres } from '../../../test/support/postgres-server.ts'
import { hasPostgresServer } from '../../../test/support/postgres-tests.ts'
import { request, specs } from '../../laws/factories.ts'
import { postgres } from './postgres.ts'

if (hasPostgresServer()) {
  test('tokens are larger after the server was killed, whatever it has forgotten', async () => {
    const server = await startPostgres({ settings: { wal_writer_delay: '10s' } })
    const broker = postgres(server.url)
    await broker.open()
    await broker.enqueue([specs(50, 'job')])
    const before: number[] = []
    const claim = async (max: number): Promise<number[]> =>
      (await broker.reserve(request({ max, starting: max, leaseMs: 60_000 }))).jobs.map(({ token }) => token)
    before.push(...(await claim(1)))
    // Of these the server may know nothing when it comes back.
    for (let round = 0; round < 9; round += 1) before.push(...(await claim(4)))
    await server.kill()
    await server.start()
    const after = await claim(50)
    expect(after.length).toBeGreaterThanOrEqual(50 - before.length)
    expect(Math.min(...after)).toBeGreaterThan(Math.max(...before) + 900_000)
    await broker.close()
    await server.stop()
  }, 30_000)
}
