// The broker's connection to Redis. At most two connections a process and node:
// - one for commands: replies come in order on it, and scripts of many callers share it;
// - one that listens, made when somebody first subscribes: a subscribed connection takes no other commands;
// and with `wait` or `waitaof` a third one for what has to be confirmed: WAIT holds up all that comes behind it, so a
// slow replica would else keep leases from being renewed.
// (To follow a failover, sentinels are heard and a cluster's map is asked, on connections of their own.)
//
// A call waits a little for a lost connection to come back, and then rejects; what was under way when a connection
// ended rejects at once, since nobody knows whether it was done. Nothing is sent twice but what a server said it did
// not run (a moved slot, a script that it lacks).
import { OffstageError } from '../../../errors/error.ts'
import { type Address, nameOf, type Settings } from '../options.ts'
import { type Args, Calls, type Place, type Script } from './calls.ts'
import { unavailable } from './errors.ts'
import { askFacts } from './facts.ts'
import { loadIoredis, type MakeWire } from './ioredis.ts'
import type { Link } from './link.ts'
import type { Router } from './router.ts'
import { makeRouter, subscriberConnect } from './routes.ts'
import { checkPolicy, parseInfo, type ServerFacts } from './server.ts'
import { Subscriptions } from './subscriptions.ts'
import { Waiters } from './waiters.ts'

export type { Script } from './calls.ts'

interface RunOptions {
  /** Rejects unless as many replicas and disks as the settings ask for have confirmed it. */
  readonly replicated?: boolean | undefined
}

export interface RedisClient {
  /** Connects, checks the server, answers what it saw. Coded errors within connectTimeoutMs. */
  open(): Promise<void>
  close(): Promise<void>
  /** EVALSHA with the one key that decides the node; EVAL where the server lacks the script. Bulk strings come back as Buffers. Rejects with coded OffstageErrors only. */
  run(script: Script, key: string, args: Args, options?: RunOptions): Promise<unknown>
  /** Any other command; replies as Buffers. `key` decides the node on a cluster. */
  command(key: string, name: string, args: Args): Promise<unknown>
  /** Hears a channel on the node that owns `key`, also after reconnects and failovers. onMessage gets each message, onResubscribed is called when messages may have been missed. Answers a function that ends it. */
  subscribe(
    key: string,
    channel: string,
    onMessage: (message: Buffer) => void,
    onResubscribed: () => void,
  ): Promise<() => Promise<void>>
  /** The longest the server has kept this client waiting without any answer since last asked (connection lost or unanswered commands), in ms, and forgets it. 0 where all went well. */
  takeOutageMs(): number
  /** How many commands have been sent (tests count them). */
  readonly commands: number
  /** As last seen: at open, at each reconnect, and by `facts`. */
  readonly server: ServerFacts
  /** Asks the server that owns `key` again. */
  facts(key: string): Promise<ServerFacts>
}

/** @param load what takes the place of `import('ioredis')` */
export function createRedisClient(settings: Settings, load?: () => Promise<unknown>): RedisClient {
  return new Client(settings, load)
}

class Client implements RedisClient {
  readonly #settings: Settings
  readonly #load: (() => Promise<unknown>) | undefined
  readonly #waiters: Waiters
  #make: MakeWire | undefined
  #routers: readonly Router[] = []
  #calls: Calls | undefined
  /** For what has to be confirmed. */
  #confirmed: Calls | undefined
  #subscriptions: Subscriptions | undefined
  #server: ServerFacts | undefined
  #opening: Promise<void> | undefined
  #closed: OffstageError | undefined

  constructor(settings: Settings, load: (() => Promise<unknown>) | undefined) {
    this.#settings = settings
    this.#load = load
    this.#waiters = new Waiters(settings.clock)
  }

  get commands(): number {
    return (this.#calls?.sent ?? 0) + (this.#confirmed?.sent ?? 0)
  }

  get server(): ServerFacts {
    if (this.#server === undefined) throw this.#closed ?? notOpen()
    return this.#server
  }

  /** The shards of a namespace share a client, and open it at the same time. */
  async open(): Promise<void> {
    this.#opening ??= this.#connect()
    try {
      await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
    if (this.#closed !== undefined) throw this.#closed
  }

  async #connect(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed
    const { wait, waitaof, target } = this.#settings
    if (target.mode !== 'client') this.#make ??= await loadIoredis(this.#load)
    const calls = this.#makeCalls(false)
    try {
      this.#server = await this.#examine(calls)
      if (wait > 0 || waitaof !== undefined) this.#confirmed = this.#makeCalls(true)
      this.#calls = calls
      this.takeOutageMs()
    } catch (error) {
      const routers = this.#routers
      this.#routers = []
      await Promise.all(routers.map((router) => router.close(unavailable('Redis could not be opened'))))
      throw this.#closed ?? error
    }
  }

  async close(): Promise<void> {
    const closed = new OffstageError('BROKER_CLOSED', 'the Redis broker was closed')
    this.#closed ??= closed
    this.#waiters.close(this.#closed)
    await Promise.all(
      [this.#subscriptions, ...this.#routers].map((one) => one?.close(this.#closed ?? closed)),
    )
  }

  async run(script: Script, key: string, args: Args, options?: RunOptions): Promise<unknown> {
    const calls = options?.replicated === true ? (this.#confirmed ?? this.#open()) : this.#open()
    return calls.run(script, key, args)
  }

  async command(key: string, name: string, args: Args): Promise<unknown> {
    // Under its name in capitals ioredis leaves the reply of a command as it came.
    return this.#open().send(key, name.toUpperCase(), args, name)
  }

  async subscribe(
    key: string,
    channel: string,
    onMessage: (message: Buffer) => void,
    onResubscribed: () => void,
  ): Promise<() => Promise<void>> {
    this.#open()
    this.#subscriptions ??= this.#makeSubscriptions()
    return this.#subscriptions.add(key, channel, { onMessage, onResubscribed })
  }

  takeOutageMs(): number {
    return Math.max(0, ...this.#links().map((link) => link.takeOutageMs()))
  }

  async facts(key: string): Promise<ServerFacts> {
    const { connectTimeoutMs, reconnectWaitMs } = this.#settings
    const calls = this.#open()
    const place = await calls.placeFor(key, reconnectWaitMs)
    this.#server = await this.#ask(calls, place, connectTimeoutMs)
    return this.#server
  }

  /** @throws BROKER_CLOSED */
  #open(): Calls {
    if (this.#closed !== undefined || this.#calls === undefined) throw this.#closed ?? notOpen()
    return this.#calls
  }

  #links(): Link[] {
    return [...this.#routers, this.#subscriptions].flatMap((one) => [...(one?.links() ?? [])])
  }

  /** The first connection, and what is behind it. */
  async #examine(calls: Calls): Promise<ServerFacts> {
    const { clock, connectTimeoutMs, prefix, namespace, logger } = this.#settings
    const startedAt = clock.monotonic()
    const place = await calls.placeFor(
      `${prefix}{${namespace}}:`,
      connectTimeoutMs,
      // What nobody can reach now is said now; what is only not ready yet is waited for.
      ({ retryable, code, details }) =>
        !retryable || details.reason !== undefined || code === 'BROKER_IS_REPLICA',
    )
    const { info, address } = place.connection
    if (info !== undefined) checkPolicy(parseInfo(info), address)
    const leftMs = connectTimeoutMs - (clock.monotonic() - startedAt)
    const facts = await this.#ask(calls, place, Math.max(100, leftMs))
    for (const warning of facts.warnings) logger.warn({ server: facts.address }, warning)
    return facts
  }

  #ask(calls: Calls, place: Place, timeoutMs: number): Promise<ServerFacts> {
    const { link, connection } = place
    const send = (name: string, args: Args): Promise<unknown> => calls.sendOn(link, connection, name, args)
    return askFacts(send, place, this.#settings, this.#waiters, timeoutMs)
  }

  #makeCalls(confirming: boolean): Calls {
    const router = makeRouter(this.#settings, this.#make, {
      changed: () => this.#changed(),
      moved: (primary) => this.#moved(primary),
    })
    this.#routers = [...this.#routers, router]
    router.start()
    return new Calls(this.#settings, router, this.#waiters, confirming)
  }

  #makeSubscriptions(): Subscriptions {
    const { clock, silenceMs, reconnectWaitMs } = this.#settings
    const [router] = this.#routers
    if (router === undefined) throw notOpen()
    return new Subscriptions({
      clock,
      silenceMs,
      router,
      waiters: this.#waiters,
      waitMs: reconnectWaitMs,
      connect: subscriberConnect(this.#settings, this.#make),
      changed: () => this.#waiters.look(),
    })
  }

  #changed(): void {
    this.#waiters.look()
    this.#subscriptions?.rebalance()
  }

  /** Whoever is connected to another server than the primary leaves it. */
  #moved(primary: Address): void {
    const why = unavailable(`the primary is ${nameOf(primary)} by the word of a sentinel`)
    for (const link of this.#links()) {
      const { connection } = link
      if (connection !== undefined && nameOf(connection.address) !== nameOf(primary))
        link.leave(connection, why)
      link.hurry(primary)
    }
  }
}

function notOpen(): OffstageError {
  return new OffstageError('BROKER_CLOSED', 'the Redis broker is not open')
}
