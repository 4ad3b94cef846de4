// The fault tests on PostgreSQL, each on a server of its own, and those that only PostgreSQL has.
import { startPostgres } from '../support/postgres-server.ts'
import { postgresServerMissing } from '../support/servers.ts'
import { cases } from './cases.ts'
import { postgresCases } from './cases-postgres.ts'
import { versionCases } from './cases-versions.ts'
import { withinCases } from './cases-within.ts'
import { moduleUrl } from './fleet.ts'
import { type Durability, type FaultServer, faultTests } from './suite.ts'

type Open = typeof import('../../src/brokers/open.ts')

const STORES: { readonly [D in Durability]: { readonly [name: string]: string } } = {
  durable: { fsync: 'on', synchronous_commit: 'on' },
  weaker: { fsync: 'on', synchronous_commit: 'off' },
  none: { fsync: 'off', synchronous_commit: 'off' },
}

const urlOf = ({ url }: FaultServer): string => `${url}?schema=faults`

/** With its tables and functions there: what is lost on the way later is a call, and not one of their definitions. */
async function start(durability: Durability): Promise<FaultServer> {
  const server = await startPostgres({ settings: { ...STORES[durability], log_line_prefix: '%m [%p] ' } })
  const { openBroker } = (await import(moduleUrl('brokers/open'))) as Open
  const broker = await openBroker(urlOf(server))
  await broker.open()
  await broker.close()
  return server
}

faultTests(
  'PostgreSQL',
  {
    missing: postgresServerMissing(),
    url: (_, server) => (server === undefined ? '' : urlOf(server)),
    server: start,
    guarded: async (url, password) => url.replace('postgres@', `postgres:${encodeURIComponent(password)}@`),
    network: {
      through: (url, port) => url.replace(/:\d+\//, `:${port}/`),
      marks: {
        enqueue: ['enqueue_jobs'],
        reserve: ['reserve_jobs'],
        settle: ['settle_jobs', 'settle_and_reserve'],
      },
    },
  },
  [...cases, ...postgresCases, ...withinCases, ...versionCases],
)
