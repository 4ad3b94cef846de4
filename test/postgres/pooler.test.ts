// Behind a pooler in transaction mode: laws pass without anybody listening, and where nobody said that there is a
// pooler, the broker notices that it hears nothing.
import { afterAll, describe, expect, test } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import { request, spec, succeeded } from '../../src/laws/factories.ts'
import { testLawsAgain } from '../support/law-tests.ts'
import { postgresHarness } from '../support/postgres-harness.ts'
import { startPgbouncer, startPostgres } from '../support/postgres-server.ts'
import { hasPgbouncer } from '../support/postgres-tests.ts'

if (hasPgbouncer()) {
  const server = await startPostgres()
  // A connection to the server that has seen hundreds of schemas takes up to a second to hear of the next.
  const pooler = await startPgbouncer(server, { poolMode: 'transaction', settings: { server_lifetime: 2 } })
  testLawsAgain(
    await postgresHarness({
      name: 'postgres, behind a pooler in transaction mode',
      server,
      url: `${pooler.url}?pooler=transaction&poll=100`,
    }),
  )

  describe('behind a pooler', () => {
    afterAll(async () => {
      await pooler.stop()
      await server.stop()
    })

    async function opened(url: string): Promise<Broker> {
      const broker = postgres({ ...parseUrl(url), schema: 'pooled' })
      await broker.open()
      return broker
    }

    async function roundTrip(broker: Broker, id: string): Promise<void> {
      await broker.enqueue([[spec({ id })]])
      const { jobs } = await broker.reserve(request())
      expect(jobs.map((job) => job.id)).toEqual([id])
      const { answers } = await broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
      expect(answers).toEqual(['ok'])
    }

    test('that nobody named, the broker says that it hears nothing, and works on', async () => {
      const broker = await opened(pooler.url)
      try {
        for (let n = 0; n < 20; n += 1) await roundTrip(broker, `unnamed-${n}`)
        // Nobody listens before there is nothing to do.
        expect((await broker.reserve(request())).jobs).toEqual([])
        await expect
          .poll(async () => (await broker.health()).warnings.join(' '), { timeout: 20_000, interval: 100 })
          .toMatch(/notifications do not arrive/)
        await roundTrip(broker, 'unnamed')
      } finally {
        await broker.close()
      }
    })

    test('a URL for listening that leads past it wakes at once', async () => {
      const past = encodeURIComponent(server.url)
      const broker = await opened(`${pooler.url}?pooler=transaction&listen_url=${past}&poll=3600000`)
      const other = await opened(`${server.url}?listen=off`)
      try {
        const controller = new AbortController()
        const woken = broker.wake(['line'], controller.signal)
        await expect
          .poll(async () => {
            await roundTrip(other, `past-${Math.random()}`)
            return Promise.race([woken.then(() => true), new Promise((resolve) => setTimeout(resolve, 50))])
          })
          .toBe(true)
        controller.abort()
      } finally {
        await Promise.all([broker.close(), other.close()])
      }
    })
  })
}
