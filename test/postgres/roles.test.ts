// The roles with the fewest rights that the docs describe: laws pass under the one of workers, producers can do their
// part, and administration is refused to both.
import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { postgres } from '../../src/brokers/postgres/postgres.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import { request, spec } from '../../src/laws/factories.ts'
import { testLawsAgain } from '../support/law-tests.ts'
import { postgresHarness } from '../support/postgres-harness.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { hasPostgresServer } from '../support/postgres-tests.ts'

const page = readFileSync(new URL('../../docs/brokers/postgres.md', import.meta.url), 'utf8')

/** A block of SQL of the page, by the comment in its first line. */
function block(name: string): string {
  const found = new RegExp(`\`\`\`sql\\n(-- ${name}[^\`]*)\`\`\``).exec(page)?.[1]
  if (found === undefined)
    throw new Error(`docs/brokers/postgres.md has no SQL that begins with '-- ${name}' any more`)
  return found
}

if (hasPostgresServer()) {
  const server = await startPostgres()
  /** Roles are the server's, made once; rights are a schema's, which the page calls offstage. */
  await server.sql(block('roles'))
  const prepare = async (schema: string): Promise<void> => {
    const owner = postgres({ ...parseUrl(server.url), schema })
    await owner.open()
    await owner.close()
    await server.sql(
      block('rights').replaceAll(/\bSCHEMA offstage\b|\boffstage\./g, (at) => at.replace('offstage', schema)),
    )
  }
  const urlOf = (user: string): string => server.url.replace('postgres@', `${user}@`)
  testLawsAgain(
    await postgresHarness({
      name: 'postgres, under the role of workers',
      server,
      url: `${urlOf('offstage_worker')}?migrate=off`,
      prepare,
    }),
  )

  describe('the roles of the docs', () => {
    afterAll(() => server.stop())

    async function opened(user: string, schema: string): Promise<Broker> {
      const broker = postgres({ ...parseUrl(urlOf(user)), migrate: false, schema })
      await broker.open()
      return broker
    }

    test.each([
      ['offstage_producer', 'BROKER_FORBIDDEN'],
      ['offstage_caller', undefined],
    ])('%s enqueues, and claims nothing; a caller may ask', async (user, refusal) => {
      const schema = `produced_by_${user}`
      await prepare(schema)
      const broker = await opened(user, schema)
      try {
        expect(await broker.enqueue([[spec({ id: 'job' })]])).toMatchObject([{ ok: true }])
        const asked = broker.get(['job'])
        if (refusal === undefined) expect(await asked).toMatchObject([{ id: 'job', state: 'ready' }])
        else await expect(asked).rejects.toMatchObject({ code: refusal })
        await expect(broker.reserve(request())).rejects.toMatchObject({ code: 'BROKER_FORBIDDEN' })
      } finally {
        await broker.close()
      }
    })

    const refused = [
      'DELETE FROM refused.jobs',
      'UPDATE refused.live SET token = 0',
      'SELECT input FROM refused.jobs',
      'TRUNCATE refused.jobs',
      'DROP TABLE refused.jobs',
      'DROP SCHEMA refused CASCADE',
      'CREATE TABLE refused.mine (a int)',
      'CREATE OR REPLACE FUNCTION refused.now_ms() RETURNS bigint LANGUAGE sql AS $$ SELECT 0::bigint $$',
      'CREATE ROLE mine',
      'ALTER SYSTEM SET fsync = off',
    ]
    for (const user of ['offstage_worker', 'offstage_producer'])
      for (const statement of refused)
        test(`${user} may not run ${statement}`, async () => {
          const [there] = await server.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'refused'")
          if (there === undefined) await prepare('refused')
          const client = new Client({ connectionString: urlOf(user) })
          await client.connect()
          try {
            // insufficient_privilege
            await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' })
          } finally {
            await client.end()
          }
        })
  })
}
