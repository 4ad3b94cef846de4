// The private server of a run, of whichever kind: how a measurement names its own part of it, and how that is emptied.
import { startRedis } from '../test/support/redis-server.ts'
import { emptyPostgres, startStockPostgres } from './postgres.ts'

export interface BenchServer {
  /** The URL of a part that nothing else uses. */
  broker(name: string): string
  /** Removes what the last measurement has left. */
  empty(): Promise<void>
  /** A sentence for the record. */
  about(): Promise<string>
  stop(): Promise<void>
}

const REDIS = { save: '', appendonly: 'no', 'maxmemory-policy': 'noeviction' }

export function startServer(kind: 'redis' | 'postgres', profiled: boolean): Promise<BenchServer> {
  return kind === 'redis' ? redisServer() : postgresServer(profiled)
}

async function redisServer(): Promise<BenchServer> {
  const server = await startRedis({ config: REDIS })
  return {
    broker: (name) => `${server.url}?prefix=bench-${name}`,
    empty: async () => void (await server.cli('FLUSHALL', 'SYNC')),
    about: async () => {
      const version = /redis_version:(\S+)/.exec(await server.cli('INFO', 'server'))?.[1]
      const settings = Object.entries(REDIS).map(
        ([setting, value]) => `${setting} ${value === '' ? "''" : value}`,
      )
      return `redis-server ${version} for this run alone, on the same machine over loopback: ${settings.join(', ')}, else its defaults.`
    },
    stop: () => server.stop(),
  }
}

async function postgresServer(profiled: boolean): Promise<BenchServer> {
  const server = await startStockPostgres(profiled)
  return {
    broker: (name) => `${server.url}?schema=bench_${name}`,
    empty: () => emptyPostgres(server),
    about: async () => {
      const names = ['server_version', 'synchronous_commit', 'fsync', 'shared_buffers', 'autovacuum']
      const rows = await server.sql<{ name: string; value: string }>(
        'SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1)',
        [names],
      )
      const [version, ...settings] = names.map(
        (wanted) => rows.find(({ name }) => name === wanted)?.value ?? '?',
      )
      const said = settings.map((value, index) => `${names[index + 1]} ${value}`)
      return `PostgreSQL ${version} for this run alone, on the same machine over loopback, a fresh schema for each measurement: ${said.join(', ')}, else its defaults.`
    },
    stop: () => server.stop(),
  }
}
