// Makes clients of pg from the settings: how each of them is configured, and how long connecting may take.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Clock } from '../../../runtime/clock.ts'
import { invalid, type ServerOptions, type TlsOptions } from '../options.ts'
import { type Connection, type ConnectionOptions, dial } from './connection.ts'
import type { Place } from './errors.ts'
import type { MakeClient, PgClient } from './pg.ts'

/**
 * What took this long the last time may take so many times as long again, and never less than this. An attempt that
 * begins while the network swallows all it is given would else outlive the fault by the whole time of connecting.
 */
const PATIENCE = 4
const MIN_PATIENCE_MS = 1_000

export interface DialerOptions {
  readonly clock: Clock
  readonly silenceMs: number
  readonly connectTimeoutMs: number
  /** A new client, not connected. */
  readonly make: () => PgClient
  readonly secret: string | undefined
  /** What each connection begins with. */
  readonly setup: string | undefined
}

export class Dialer {
  readonly #options: DialerOptions
  #limitMs: number

  constructor(options: DialerOptions) {
    this.#options = options
    this.#limitMs = options.connectTimeoutMs
  }

  /** @throws coded errors */
  async dial(
    on: Pick<ConnectionOptions, 'silent' | 'heard'>,
    signal?: AbortSignal,
    limitMs?: number,
  ): Promise<Connection> {
    const { clock, silenceMs, make, secret, setup, connectTimeoutMs } = this.#options
    const client = make()
    const startedAt = clock.monotonic()
    const timeoutMs = Math.min(this.#limitMs, limitMs ?? this.#limitMs)
    const connection = await dial(client, {
      ...on,
      clock,
      silenceMs,
      place: placeOf(client, secret),
      timeoutMs,
      signal,
      setup,
    })
    const patienceMs = Math.max(MIN_PATIENCE_MS, PATIENCE * (clock.monotonic() - startedAt))
    this.#limitMs = Math.min(connectTimeoutMs, patienceMs)
    return connection
  }
}

/** Where a client of pg leads, as it says itself. */
export function placeOf(client: PgClient, secret?: string): Place {
  const { host = 'localhost', port, database, user } = client
  const shown = host.includes(':') ? `[${host}]` : host
  return { name: `${shown}:${port}/${database ?? ''}`, user, secret }
}

/** @throws OPTION_INVALID where nobody says who asks */
export function makerOf(Client: MakeClient, server: ServerOptions, baseDir: string): () => PgClient {
  const user = server.user ?? process.env.PGUSER ?? process.env.USER
  if (user === undefined || user === '') throw invalid('user', 'missing', 'the name of a user')
  const { tls } = server
  return () =>
    new Client({
      user,
      host: server.host,
      port: server.port,
      database: server.database,
      password: server.password,
      application_name: server.applicationName,
      options: server.sessionOptions,
      enableChannelBinding: server.channelBinding === true,
      ssl: typeof tls === 'object' ? readTls(tls, baseDir) : tls,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // Time limits are ours.
      connectionTimeoutMillis: 0,
      query_timeout: 0,
    })
}

function readTls({ caFile, certFile, keyFile, ...rest }: TlsOptions, baseDir: string): object {
  return {
    ...rest,
    ...(caFile === undefined ? {} : { ca: readPem('caFile', caFile, baseDir) }),
    ...(certFile === undefined ? {} : { cert: readPem('certFile', certFile, baseDir) }),
    ...(keyFile === undefined ? {} : { key: readPem('keyFile', keyFile, baseDir) }),
  }
}

function readPem(name: string, path: string, baseDir: string): Buffer {
  try {
    return readFileSync(resolve(baseDir, path))
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    throw invalid(`tls.${name}`, `a file that cannot be read (${code})`, 'a PEM file')
  }
}
