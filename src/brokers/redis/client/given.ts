// Working through a client of ioredis that the user handed in. Commands go over it as it is: it reconnects and closes by
// its owner's rules, and is never closed here. What listens is a duplicate of it, made for one connection at a time, so
// that it takes part in our own reconnecting and checking.
import type { Socket } from 'node:net'
import type { OffstageError } from '../../../errors/error.ts'
import { type Access, type Address, nameOf } from '../options.ts'
import { type Connection, finishConnect, type Steps, WireConnection } from './connection.ts'
import { fromReply, replyOf, unavailable } from './errors.ts'
import type { ReadyClient, Wire } from './ioredis.ts'

/** The client did its own AUTH and SELECT. */
const NO_ACCESS: Access = { username: undefined, password: undefined, db: 0, tls: undefined }

/** What a duplicate must not do by itself. */
const ONE_CONNECTION = {
  lazyConnect: true,
  retryStrategy: null,
  sentinelRetryStrategy: null,
  enableOfflineQueue: false,
  enableReadyCheck: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  protocol: 2,
}

/** The present connection of the client, until it ends; the next one is another `Connection`. */
class GivenConnection implements Connection {
  readonly address: Address
  readonly ended: Promise<void>
  readonly #client: ReadyClient
  readonly #rejects = new Set<(error: OffstageError) => void>()
  readonly #heard: (() => void)[] = []
  #info: string | undefined
  #why: OffstageError | undefined
  #open = true
  #end: () => void = () => undefined

  constructor(client: ReadyClient) {
    this.#client = client
    this.address = addressOf(client)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    for (const event of ['close', 'end', 'reconnecting']) client.on(event, this.#lost)
  }

  get open(): boolean {
    return this.#open && this.#client.status === 'ready'
  }

  get why(): OffstageError | undefined {
    return this.#why
  }

  get info(): string | undefined {
    return this.#info
  }

  set info(text: string | undefined) {
    this.#info = text
  }

  /** Rejects with ours as soon as the connection is lost, whatever the client makes of its command later. */
  send(name: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#why !== undefined) {
        reject(this.#why)
        return
      }
      this.#rejects.add(reject)
      const over = (): void => {
        this.#rejects.delete(reject)
        for (const heard of this.#heard) heard()
      }
      this.#client.callBuffer(name, [...args]).then(
        (reply) => {
          over()
          resolve(reply)
        },
        (error: unknown) => {
          over()
          reject(error)
        },
      )
    })
  }

  /** Only duplicates listen. */
  subscribe(): Promise<unknown> {
    return Promise.reject(new TypeError('a given client does not listen'))
  }

  unsubscribe(): Promise<unknown> {
    return this.subscribe()
  }

  onMessage(): void {}

  onData(listener: () => void): void {
    this.#heard.push(listener)
  }

  coded(error: unknown, what: string, key?: string): OffstageError {
    return fromReply(error, { server: this.address, what, key })
  }

  /** Its owner decides what keeps the process alive. */
  hold(): void {}

  destroy(why: OffstageError): void {
    if (this.#why !== undefined) return
    this.#why = why
    this.#open = false
    for (const event of ['close', 'end', 'reconnecting']) this.#client.off(event, this.#lost)
    for (const reject of this.#rejects) reject(why)
    this.#rejects.clear()
    // A primary that was demoted keeps its connections: the client has to look for the new one.
    if (why.details.reply === 'READONLY' && this.#client.isCluster !== true) this.#client.disconnect(true)
    this.#end()
  }

  readonly #lost = (): void =>
    this.destroy(unavailable(`Redis at ${nameOf(this.address)} closed the connection`))
}

/** @throws BROKER_UNAVAILABLE, BROKER_FORBIDDEN, … as it answers INFO */
export async function connectGiven(
  client: ReadyClient,
  { clock, timeoutMs, signal }: Steps,
): Promise<Connection> {
  const connection = new GivenConnection(client)
  const late = (): void =>
    connection.destroy(
      unavailable(`the given Redis client is not connected (${client.status}) after ${timeoutMs} ms`),
    )
  const timer = clock.schedule(timeoutMs, late)
  const abort = (): void => connection.destroy(unavailable('the connection was not wanted any more'))
  signal.addEventListener('abort', abort, { once: true })
  try {
    // One that was made with lazyConnect has not been asked for anything yet.
    if (client.status === 'wait') client.connect().catch(() => undefined)
    await ready(client, connection)
    connection.info = String(await connection.send('info', []))
    return connection
  } catch (error) {
    // A user who may not ask may still work.
    if (replyOf(error) === 'NOPERM') return connection
    const why = connection.coded(error, 'INFO')
    connection.destroy(why)
    throw why
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', abort)
  }
}

function ready(client: ReadyClient, connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      client.off('ready', done)
      resolve()
    }
    if (client.status === 'ready') return resolve()
    client.on('ready', done)
    void connection.ended.then(() => {
      client.off('ready', done)
      reject(connection.why)
    })
  })
}

/** @throws BROKER_UNAVAILABLE */
export function connectGivenSubscriber(client: ReadyClient, steps: Steps): Promise<Connection> {
  // In a cluster each node hears what is published on any; a duplicate of the whole would connect to all of them.
  const node = client.isCluster === true ? client.nodes?.('master')[0] : client
  if (node === undefined) return Promise.reject(unavailable('the given Redis client is connected to no node'))
  const wire = node.duplicate(ONE_CONNECTION) as unknown as Wire & { readonly stream?: Socket }
  let socket: Socket | undefined
  wire.once('connect', () => {
    socket = wire.stream
    socket?.unref()
    socket?.on('error', () => undefined)
  })
  const address = addressOf(node)
  return finishConnect(
    wire,
    () => socket,
    address,
    steps,
    async () => {
      const info = String(await wire.callBuffer('info', []))
      if (socket === undefined) throw unavailable('the duplicate of the given Redis client has no socket')
      return new WireConnection(wire, socket, address, NO_ACCESS, info)
    },
  )
}

function addressOf({ options }: ReadyClient): Address {
  const { host, port, path } = options ?? {}
  if (typeof path === 'string') return { path }
  return typeof host === 'string' && typeof port === 'number' ? { host, port } : { path: 'the given client' }
}
