// Faults that only PostgreSQL has: connections that an administrator ends, transactions that the server gives up, a
// database that takes no writes, locks that others hold.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { expect } from 'vitest'
import type { PostgresServer } from '../support/postgres-server.ts'
import { endAll, goesOn, steady } from './cases-network.ts'
import { idler, picksUp } from './cases-reconnect.ts'
import { ended, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { lasting, until } from './time.ts'

const TERMINATIONS = 5
const TERMINATIONS_MS = 3_000
const RECOVERY_MS = 5_000
const PICKUP_MS = 1_000
const READ_ONLY_MS = 2_000
const REPEATS_A_SECOND = 10
const DEADLOCKS = 3
const REFUSED_MS = 5_000

/** The suite knows servers as something that can be harmed; here they are what `postgres.test.ts` starts. */
export const postgresOf = ({ server }: Arena): PostgresServer => server as PostgresServer

export const postgresCases: readonly FaultCase[] = [
  {
    title: 'F22: every connection is terminated five times, idle and busy: soon again a job waits for nobody',
    needs: 'server',
    async run(arena) {
      const { fleet, watch, verdict } = arena
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      await fleet.enqueue({ seed: 22, prefix: 'first', count: 1 })
      await fleet.until('the worker works', (history) => ended(history) === 1)
      const idleAt = await terminations(arena)
      watch.check(
        'until an idle worker picked up a job at once it',
        (await promptFrom(arena)) - idleAt,
        RECOVERY_MS,
      )

      const producer = await fleet.producer(steady('busy'))
      await fleet.until('it is busy', (history) => ended(history) > 50)
      const busyAt = await terminations(arena)
      await goesOn({ fleet, watch }, { at: busyAt, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      await verdict()
    },
  },
  {
    title: 'F23: a database whose transactions are serializable by default: nobody hears of a failure',
    needs: 'server',
    async run(arena) {
      const { fleet, say, verdict } = arena
      await postgresOf(arena).sql(
        "ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'",
      )
      await Promise.all([1, 2].map(() => fleet.worker({ concurrency: 8, lease: LEASE_MS })))
      const producers = await Promise.all([fleet.producer(steady('p')), fleet.producer(steady('q'))])
      await fleet.until('a thousand have ended', (history) => ended(history) > 1_000)
      await endAll(fleet, ...producers)
      say(`${errorsOf(arena, /could not serialize/).length} serialization failures`)
      const { figures } = await verdict()
      expect(figures.duplicates).toBe(0)
    },
  },
  {
    title: 'F23: transactions are read-only for two seconds: work waits, and nobody hears of it',
    needs: 'server',
    async run(arena) {
      const { fleet, watch, say, verdict } = arena
      const server = postgresOf(arena)
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('job'))
      await fleet.until('it is busy', (history) => ended(history) > 50)
      fleet.outage('read-only')
      await configure(server, "SET default_transaction_read_only = 'on'")
      await lasting(READ_ONLY_MS)
      await configure(server, 'RESET default_transaction_read_only')
      const at = fleet.outage('writes are back')
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      const refused = errorsOf(arena, /read-only transaction/)
      say(`${refused.length} tries were refused: ${JSON.stringify(countOf(refused))}`)
      // Two trips of a kind may be under way at once, in either process.
      const most = ((at - firstOf(refused)) / 1_000 + 1) * REPEATS_A_SECOND * 2
      for (const [call, count] of Object.entries(countOf(refused)))
        expect(count, call).toBeLessThanOrEqual(most)
      await verdict()
    },
  },
  {
    title: 'F23: a step of a worker is the victim of deadlocks: it is repeated, and nobody hears of it',
    needs: 'server',
    async run(arena) {
      const { fleet, say, verdict } = arena
      await configure(postgresOf(arena), "SET deadlock_timeout = '100ms'")
      await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('job'))
      await fleet.until('it is busy', (history) => ended(history) > 50)
      await deadlocks(arena)
      await endAll(fleet, producer)
      const victims = errorsOf(arena, /deadlock detected/)
      say(`victims of deadlocks: ${JSON.stringify(countOf(victims))}`)
      const { figures } = await verdict()
      expect(figures.duplicates).toBe(0)
    },
  },
  {
    title: 'F13: a server that refuses connections for a while: an idle and a busy worker come back',
    needs: 'server',
    async run(arena) {
      const { fleet, watch, verdict } = arena
      await idler(arena, fleet.broker)
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('busy'))
      await fleet.until('it is busy', (history) => ended(history) > 50)
      fleet.outage('connections are refused', { long: true })
      const admin = await adminOf(arena)
      await admin.query('ALTER DATABASE postgres ALLOW_CONNECTIONS false')
      await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()",
      )
      await lasting(REFUSED_MS)
      await admin.query('ALTER DATABASE postgres ALLOW_CONNECTIONS true')
      const at = fleet.outage('connections are taken', { long: true })
      await picksUp(arena, 1, at, 'after refused connections')
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      await verdict({ mayRefuse: true })
    },
  },
]

/** Beside the database of the jobs. */
async function adminOf(arena: Arena): Promise<Client> {
  const url = new URL(postgresOf(arena).url)
  url.pathname = '/template1'
  const client = new Client({ connectionString: url.href })
  client.on('error', () => undefined)
  await client.connect()
  arena.atEnd(() => client.end())
  return client
}

/** For all, at once: those that are connected too. */
async function configure(server: PostgresServer, setting: string): Promise<void> {
  await server.sql(`ALTER SYSTEM ${setting}`)
  await server.sql('SELECT pg_reload_conf()')
}

/** As an administrator does it, from outside: everybody's, also the one that listens. */
async function terminations(arena: Arena): Promise<number> {
  const { fleet } = arena
  for (let count = 0; count < TERMINATIONS; count += 1) {
    if (count > 0) await lasting(TERMINATIONS_MS / (TERMINATIONS - 1))
    fleet.outage('every connection is terminated')
    await postgresOf(arena).sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    )
  }
  return fleet.outage('the connections may come back')
}

/** When a job was accepted that ran within a second. */
async function promptFrom({ fleet }: Arena): Promise<number> {
  for (let count = 1; ; count += 1) {
    const prefix = `probe-${count}`
    await fleet.enqueue({ seed: 22, prefix, count: 1 })
    const run = await fleet.until('the job runs', (history) =>
      only(history, 'run').find(({ id }) => id.startsWith(prefix)),
    )
    const accepted = only(fleet.history, 'accepted').find(({ id }) => id === run.id)
    if (run.at - (accepted?.at ?? 0) < PICKUP_MS) return accepted?.at ?? 0
  }
}

interface ServerError {
  readonly at: number
  /** The function that was called. */
  readonly call: string
}

/** What the server said to its clients, from its log. */
function errorsOf(arena: Arena, message: RegExp): readonly ServerError[] {
  const lines = readFileSync(join(postgresOf(arena).dir, 'log'), 'utf8').split('\n')
  return lines.flatMap((line, n) => {
    if (!line.includes(' ERROR:  ') || !message.test(line)) return []
    const statement = lines.slice(n + 1, n + 400).find((later) => later.includes(' STATEMENT:  ')) ?? ''
    const [date = '', time = ''] = line.split(' ')
    const call = /STATEMENT: .*?([a-z_]+)\s*\(/.exec(statement)?.[1] ?? statement.slice(0, 80)
    return [{ at: Date.parse(`${date}T${time}Z`), call }]
  })
}

function countOf(errors: readonly ServerError[]): { readonly [call: string]: number } {
  const counts: { [call: string]: number } = {}
  for (const { call } of errors) counts[call] = (counts[call] ?? 0) + 1
  return counts
}

function firstOf(errors: readonly ServerError[]): number {
  return Math.min(...errors.map(({ at }) => at))
}

/**
 * Locks one of two tables until a step waits for it with the other one in use, and asks for that one too. The server
 * gives up whoever notices first, which is the step: this one looks late.
 */
async function deadlocks(arena: Arena): Promise<void> {
  const client = new Client({ connectionString: postgresOf(arena).url })
  client.on('error', () => undefined)
  await client.connect()
  arena.atEnd(() => client.end())
  await client.query("SET search_path = faults; SET deadlock_timeout = '2s'")
  const victims = (): number => errorsOf(arena, /deadlock detected/).length
  const pairs = [
    ['ended', 'live'],
    ['live', 'jobs'],
  ] as const
  for (const [first, second] of pairs) {
    for (let before = victims(), goal = before + DEADLOCKS; victims() < goal; before = victims()) {
      await client.query('BEGIN')
      await client.query(`LOCK TABLE ${first} IN SHARE MODE`)
      await until(`somebody waits for ${first}`, async () => {
        const { rows } = await client.query(
          `SELECT FROM pg_locks waits JOIN pg_locks has ON has.pid = waits.pid
           WHERE NOT waits.granted AND waits.relation = $1::regclass
             AND has.granted AND has.relation = $2::regclass AND has.mode = 'RowExclusiveLock'`,
          [first, second],
        )
        return rows.length > 0
      })
      // It has it when whoever was in the way has been given up. On a slow machine that may be this one: once more.
      await client.query(`LOCK TABLE ${second} IN SHARE MODE`).catch(isDeadlock)
      await client.query('ROLLBACK')
      await until('the server has said so', () => victims() > before)
    }
  }
}

function isDeadlock(error: unknown): void {
  if ((error as { readonly code?: string }).code !== '40P01') throw error
}
