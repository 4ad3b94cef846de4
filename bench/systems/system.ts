// What every figure needs of a queue, so that each is measured by the same script. Clients are loaded when asked for.
import type { Mail } from '../figures/support.ts'

export interface System {
  /** The library's own call for one job; settles once the job is accepted. */
  enqueue(input: Mail): Promise<unknown>
  /** The library's own call for many. */
  enqueueMany(inputs: readonly Mail[]): Promise<unknown>
  /**
   * Starts a worker, which calls `run` as each job starts, where a figure asks for it with its input; the job lasts until what that answers has resolved.
   * Answers what stops it.
   */
  work(
    run: (input?: Mail) => unknown,
    concurrency: number,
    more?: WorkOptions,
  ): Promise<() => Promise<unknown>>
  /**
   * The store's own claims, without a worker around them, where they can be called: each trip settles the batch of the
   * last one and claims the next.
   */
  claims?(batch: number): Promise<ClaimLoop>
  /** How many jobs are recorded as failed. */
  failed?(): Promise<number>
  close(): Promise<unknown>
}

export interface WorkOptions {
  /** How long a claim holds without renewal, in ms. Default the system's own. */
  readonly leaseMs?: number
  /** Offstage: who renews leases. */
  readonly keeper?: 'thread' | 'loop'
}

export interface ClaimLoop {
  /** How many came. */
  trip(): Promise<number>
  stop(): Promise<unknown>
}

export interface SystemOptions {
  /** `redis://127.0.0.1:6400/?prefix=x`, `postgres://postgres@127.0.0.1:6500/postgres?schema=x` or `sqlite:file.db`. */
  readonly broker: string
  /** `zod`: inputs are checked by a schema. `types`: only by the compiler. Peers check nothing. */
  readonly check: string
}

export async function openSystem(name: string, options: SystemOptions): Promise<System> {
  switch (name) {
    case 'offstage':
      return (await import('./offstage.ts')).open(options)
    case 'bullmq':
      return (await import('./bullmq.ts')).open(options)
    case 'bee':
      return (await import('./bee.ts')).open(options)
    case 'bare':
      return (await import('./bare.ts')).open(options)
    case 'graphile':
      return (await import('./graphile.ts')).open(options)
    case 'pg-boss':
      return (await import('./pg-boss.ts')).open(options)
    case 'bullmq-postgres':
      return (await import('./bullmq-postgres.ts')).open(options)
    case 'bare-postgres':
      return (await import('./bare-postgres.ts')).open(options)
    default:
      throw new Error(`no system is called '${name}'`)
  }
}

/** Host, port and key prefix, for the clients that do not read a URL. */
export function connectionOf(broker: string): { host: string; port: number; prefix: string } {
  const url = new URL(broker)
  return {
    host: url.hostname,
    port: Number(url.port || 6379),
    prefix: url.searchParams.get('prefix') ?? 'bench',
  }
}

/** The database and the schema apart, for the clients that do not read the schema from the URL. */
export function databaseOf(broker: string): { connectionString: string; schema: string } {
  const url = new URL(broker)
  const schema = url.searchParams.get('schema') ?? 'bench'
  url.searchParams.delete('schema')
  return { connectionString: url.href, schema }
}
