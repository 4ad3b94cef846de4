// What this broker uses of pg, as a shape, so that published types do not need its; and loading it when it is asked for.
import type { Duplex } from 'node:stream'
import { OffstageError } from '../../../errors/error.ts'

/** A query of pg in the form that we use. */
interface PgQuery {
  readonly text: string
  readonly values: unknown[]
  readonly name?: string | undefined
  readonly binary: true
  readonly rowMode: 'array'
  readonly queryMode: 'extended'
}

/** A client of pg: `new pg.Client(…)`, or one of a pool. */
export interface ReadyClient {
  readonly connection?: unknown
  connect(): Promise<unknown>
  end(): Promise<void>
  // biome-ignore lint/suspicious/noExplicitAny: pg overloads it; no narrower parameter fits all of them
  query(query: any): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  on(event: any, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: any, listener: (...args: any[]) => void): unknown
}

/** A pool of pg as a user may hand it in: `new pg.Pool(…)`. */
export interface ReadyPool {
  readonly options: object
  // biome-ignore lint/suspicious/noExplicitAny: pg overloads it
  connect(...args: any[]): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  on(event: any, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: any, listener: (...args: any[]) => void): unknown
}

/** A client of pg with all that is used of it here. */
export interface PgClient {
  readonly connection: { readonly stream: Duplex }
  readonly processID?: number | null
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly user?: string | undefined
  connect(): Promise<unknown>
  end(): Promise<void>
  query(query: PgQuery | string): Promise<unknown>
  /** Since pg 8.17. */
  getTransactionStatus?(): string | null
  on(event: string, listener: (...args: never[]) => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
}

export interface PooledClient extends PgClient {
  release(broken?: boolean): void
}

export type MakeClient = new (config: object) => PgClient

interface Module {
  readonly Client?: MakeClient
  readonly default?: { readonly Client?: MakeClient }
}

/** @throws BROKER_CLIENT_MISSING */
export async function loadPg(load: () => Promise<unknown> = importPg): Promise<MakeClient> {
  let module: Module
  try {
    module = (await load()) as Module
  } catch (cause) {
    throw new OffstageError(
      'BROKER_CLIENT_MISSING',
      'the PostgreSQL broker needs the package pg; run: npm install pg@8 (8.16 or newer will do)',
      { cause },
    )
  }
  const make = module.Client ?? module.default?.Client
  if (typeof make !== 'function')
    throw new OffstageError(
      'BROKER_CLIENT_MISSING',
      'the package pg that is installed has no Client; run: npm install pg@8 (8.16 or newer will do)',
    )
  return make
}

const importPg = (): Promise<unknown> => import('pg')
