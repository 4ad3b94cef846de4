// Connections for calls out of a pool of pg that the user handed in. Its clients are taken for one call and given back;
// the pool makes and ends them by its owner's rules, and is never ended here.
import type { OffstageError } from '../../../errors/error.ts'
import { invalid } from '../options.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { placeOf } from './dialer.ts'
import { unavailable, unreachable } from './errors.ts'
import type { MakeClient, PgClient, PooledClient, ReadyPool } from './pg.ts'
import type { Source, Wait } from './pool.ts'

export interface GivenOptions extends Omit<ConnectionOptions, 'place'> {
  readonly pool: ReadyPool
  /** How long a caller waits for a client. */
  readonly waitMs: number
}

export class GivenPool implements Source {
  readonly #options: GivenOptions
  readonly #connections = new WeakMap<PgClient, Connection>()
  readonly #taken = new Map<Connection, PooledClient>()
  #waiting = 0
  #closed: OffstageError | undefined
  readonly #ends = new Set<(why: OffstageError) => void>()

  constructor(options: GivenOptions) {
    this.#options = options
    // An idle client that dies is told to the pool, and would end the process where its owner does not listen.
    options.pool.on('error', ignore)
  }

  get waiting(): number {
    return this.#waiting
  }

  async take(wait?: Wait): Promise<Connection> {
    if (this.#closed !== undefined) throw this.#closed
    this.#waiting += 1
    try {
      const client = await this.#client(wait?.ms ?? this.#options.waitMs)
      const connection = this.#connectionOf(client)
      this.#taken.set(connection, client)
      return connection
    } finally {
      this.#waiting -= 1
    }
  }

  give(connection: Connection): void {
    const client = this.#taken.get(connection)
    this.#taken.delete(connection)
    client?.release(!connection.open)
  }

  /** What lies idle there is its owner's. */
  suspect(): void {}

  async close(why: OffstageError): Promise<void> {
    this.#closed = why
    for (const end of this.#ends) end(why)
    for (const connection of this.#taken.keys()) connection.destroy(why)
    this.#options.pool.off('error', ignore)
  }

  /** One that comes too late goes back at once. */
  #client(waitMs: number): Promise<PooledClient> {
    const { pool, clock } = this.#options
    return new Promise((resolve, reject) => {
      let over = false
      const end = (why: OffstageError): void => {
        over = true
        timer.cancel()
        this.#ends.delete(end)
        reject(why)
      }
      const timer = clock.schedule(
        waitMs,
        () => end(unavailable(`the given pool had no connection within ${waitMs} ms`)),
        { ref: true },
      )
      this.#ends.add(end)
      const asked = pool.connect() as Promise<PooledClient>
      asked.then(
        (client) => {
          if (over) {
            client.release()
            return
          }
          timer.cancel()
          this.#ends.delete(end)
          resolve(client)
        },
        (error: unknown) => {
          if (!over) end(unreachable(error, { name: 'the given pool', user: undefined, secret: undefined }))
        },
      )
    })
  }

  #connectionOf(client: PooledClient): Connection {
    const known = this.#connections.get(client)
    if (known !== undefined) return known
    if (typeof (client.connection as unknown) !== 'object') {
      client.release()
      throw invalid('pool', 'a pool of pg-native', 'new pg.Pool(…) of pg 8.16 or newer')
    }
    const made = new Connection(client, { ...this.#options, place: placeOf(client) })
    this.#connections.set(client, made)
    return made
  }
}

/** A client that is made as those of the pool are. */
export function makerLike(pool: ReadyPool, Client: MakeClient): () => PgClient {
  const own = (pool as { readonly Client?: unknown }).Client
  const Made = typeof own === 'function' ? (own as MakeClient) : Client
  return () => new Made(pool.options)
}

const ignore = (): void => undefined
