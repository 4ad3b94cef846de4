// What this broker uses of ioredis, as a shape that versions 5 and 6 both have, so that published types need neither;
// and loading it when it is asked for.
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { OffstageError } from '../../../errors/error.ts'

/** A client of ioredis as a user may hand it in: `new Redis(…)` or `new Cluster(…)`. */
export interface ReadyClient {
  readonly status: string
  readonly isCluster?: boolean
  readonly options?:
    | {
        readonly keyPrefix?: string | undefined
        readonly host?: string | undefined
        readonly port?: number | undefined
        readonly path?: string | null | undefined
      }
    | undefined
  nodes?(role: 'master'): readonly ReadyClient[]
  // biome-ignore lint/suspicious/noExplicitAny: the signatures of the two versions share no narrower parameter type
  callBuffer(command: string, ...args: any[]): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  duplicate(...args: any[]): ReadyClient
  // biome-ignore lint/suspicious/noExplicitAny: as above
  subscribe(...args: any[]): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  unsubscribe(...args: any[]): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  on(event: string, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener: (...args: any[]) => void): unknown
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
}

/** What ioredis asks of a connector of one's own. */
export interface Connector {
  /** ioredis passes on what went wrong before a stream was there. */
  readonly firstError?: Error | undefined
  connect(): Promise<Socket>
  disconnect(): void
  check(): boolean
}

/** One connection of ioredis. */
export interface Wire extends EventEmitter {
  readonly status: string
  connect(): Promise<void>
  disconnect(): void
  callBuffer(command: string, args: readonly (string | Buffer)[]): Promise<unknown>
  subscribe(...channels: string[]): Promise<unknown>
  unsubscribe(...channels: string[]): Promise<unknown>
}

interface WireOptions {
  readonly Connector: new () => Connector
  readonly [option: string]: unknown
}

export type MakeWire = new (options: WireOptions) => Wire

interface Module {
  readonly Redis?: MakeWire
  readonly default?: MakeWire
}

/** @throws BROKER_CLIENT_MISSING */
export async function loadIoredis(load: () => Promise<unknown> = importIoredis): Promise<MakeWire> {
  let module: Module
  try {
    module = (await load()) as Module
  } catch (cause) {
    throw new OffstageError(
      'BROKER_CLIENT_MISSING',
      'the Redis broker needs the package ioredis; run: npm install ioredis@6 (5.6 or newer will do)',
      { cause },
    )
  }
  const make = module.Redis ?? module.default
  if (typeof make !== 'function')
    throw new OffstageError(
      'BROKER_CLIENT_MISSING',
      'the package ioredis that is installed is too old; run: npm install ioredis@6 (5.6 or newer will do)',
    )
  return make
}

const importIoredis = (): Promise<unknown> => import('ioredis')
