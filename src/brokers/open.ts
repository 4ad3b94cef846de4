// From a URL to a broker. Each broker's module is loaded when its scheme is asked for, and not before.
import type { Broker } from '../broker/contract.ts'
import { OffstageError } from '../errors/error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'

export interface OpenBrokerOptions {
  /** Where relative paths start. Default the working directory. */
  readonly baseDir?: string | undefined
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** Broker time, where the broker keeps it itself. Default the system's. */
  readonly clock?: Clock | undefined
  /** `false`: opening makes no schema and changes none, whatever the URL says. Default: as the URL says. */
  readonly migrate?: false | undefined
  /** Hears of what a person should know of the broker. Default: nobody does. */
  readonly logger?: Logger | undefined
}

type Make = (url: string, options: OpenBrokerOptions) => Promise<Broker>

const schemes: { readonly [scheme: string]: Make } = {
  memory: async (url, { namespace, clock }) => {
    if (!/^memory:(\/\/)?$/.test(url))
      throw new OffstageError('OPTION_INVALID', "broker is a memory URL with more in it; write 'memory:'", {
        details: { path: 'broker' },
      })
    const { memory } = await import('./memory/memory.ts')
    return memory({ namespace, clock })
  },
  sqlite: async (url, { baseDir, namespace, clock }) => {
    const { sqlite } = await import('./sqlite/sqlite.ts')
    const { parseUrl } = await import('./sqlite/options.ts')
    return sqlite({ ...parseUrl(url), baseDir, namespace, clock })
  },
  redis: openRedis,
  rediss: openRedis,
  'redis+unix': openRedis,
  'redis+sentinel': openRedis,
  'rediss+sentinel': openRedis,
  'redis+cluster': openRedis,
  'rediss+cluster': openRedis,
  postgres: openPostgres,
  postgresql: openPostgres,
}

async function openRedis(url: string, { baseDir, namespace, logger }: OpenBrokerOptions): Promise<Broker> {
  const { redis } = await import('./redis/redis.ts')
  const { parseUrl } = await import('./redis/url.ts')
  return redis({ ...parseUrl(url), baseDir, namespace, logger })
}

async function openPostgres(url: string, options: OpenBrokerOptions): Promise<Broker> {
  const { postgres } = await import('./postgres/postgres.ts')
  const { parseUrl } = await import('./postgres/url.ts')
  const { baseDir, namespace, logger, migrate } = options
  return postgres({ ...parseUrl(url), ...(migrate === false && { migrate }), baseDir, namespace, logger })
}

/**
 * A broker by its URL, not yet opened.
 *
 * @throws BROKER_UNKNOWN, OPTION_INVALID. Messages never hold the URL, which may hold credentials.
 */
export async function openBroker(url: string, options: OpenBrokerOptions = {}): Promise<Broker> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? ''
  const make = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined
  if (make !== undefined) return make(url, options)
  const known = Object.keys(schemes).map((name) => `${name}:`)
  const said =
    scheme === '' ? 'a broker URL has no scheme' : `no broker has the URL scheme '${scheme.slice(0, 20)}:'`
  throw new OffstageError('BROKER_UNKNOWN', `${said}; the known ones are ${known.join(', ')}`, {
    details: { path: 'broker' },
  })
}
