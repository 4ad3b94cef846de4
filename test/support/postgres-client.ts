// What the tests of the connections to PostgreSQL share: clients that are closed when a test is over, and waits.
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { afterEach } from 'vitest'
import {
  createPostgresClient,
  type Listening,
  type PostgresClient,
} from '../../src/brokers/postgres/client/client.ts'
import { type PostgresOptions, readOptions } from '../../src/brokers/postgres/options.ts'
import { parseUrl } from '../../src/brokers/postgres/url.ts'
import type { OffstageError } from '../../src/errors/error.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { NetProxy } from '../faults/proxy.ts'
import { until } from '../faults/time.ts'
import { type Pgbouncer, type PostgresServer, startPgbouncer } from './postgres-server.ts'
import { postgresUrl } from './servers.ts'

export const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

export function make(url: string, more: PostgresOptions = {}): PostgresClient {
  const client = createPostgresClient(readOptions({ ...parseUrl(url), ...more }))
  cleanups.push(() => client.close())
  return client
}

export async function opened(url: string, more?: PostgresOptions): Promise<PostgresClient> {
  const client = make(url, more)
  await client.open()
  return client
}

export async function pooled(
  server: PostgresServer,
  poolMode: 'session' | 'transaction',
): Promise<Pgbouncer> {
  const pooler = await startPgbouncer(server, { poolMode })
  cleanups.push(() => pooler.stop())
  return pooler
}

export const shared = new URL(postgresUrl)
export const sharedPort = Number(shared.port || 5432)

export async function behindProxy(): Promise<{ proxy: NetProxy; url: string }> {
  const proxy = await NetProxy.start({ host: shared.hostname, port: sharedPort })
  cleanups.push(() => proxy.close())
  const url = new URL(postgresUrl)
  url.port = String(proxy.port)
  return { proxy, url: url.href }
}

export async function failureOf(work: Promise<unknown>): Promise<OffstageError> {
  const error = await work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error,
  )
  return error as OffstageError
}

/** All that can be seen of an error. */
export const shown = (error: unknown): string => inspect(error, { depth: 9, showHidden: true })

export function recorder(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = []
  const ignore = (): void => undefined
  return {
    warnings,
    logger: {
      debug: ignore,
      info: ignore,
      warn: (first: unknown, text?: string) => void warnings.push(text ?? String(first)),
      error: ignore,
    },
  }
}

export const one = async (client: PostgresClient): Promise<number | undefined> => {
  const [row] = await client.run({ text: 'select $1::int4', values: ['1'], name: 'one' })
  return row?.[0]?.readInt32BE()
}

/** Works again, as callers would find out. */
export const works = (client: PostgresClient): Promise<unknown> =>
  until('it works again', () => one(client).catch(() => undefined), { everyMs: 50 })

export const sleeping = (client: PostgresClient, ms: number): Promise<unknown> =>
  client.run({ text: 'select pg_sleep($1)', values: [String(ms / 1_000)] })

interface Ears {
  readonly heard: string[]
  readonly missed: () => number
  readonly listening: Listening
}

export async function ears(client: PostgresClient, channel: string): Promise<Ears> {
  const heard: string[] = []
  let missed = 0
  const listening = client.listen(
    channel,
    (payload) => heard.push(payload),
    () => {
      missed += 1
    },
  )
  if (listening === null) throw new Error('it does not listen')
  await listening.ready()
  return { heard, missed: () => missed, listening }
}

export const notify = (client: PostgresClient, channel: string, payload: string): Promise<unknown> =>
  client.run({ text: 'select pg_notify($1, $2)', values: [channel, payload] })

export const fresh = (): string => `t_${randomBytes(6).toString('hex')}`
