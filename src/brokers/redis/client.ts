// The broker's connection to Redis. At most two connections a process and node:
// - one for commands: replies come in order on it, and scripts of many callers share it;
// - one that listens, made when somebody first subscribes: a subscribed connection takes no other commands.
// (To follow a failover, a sentinel or a cluster's map is asked over a third that closes again at once.)
//
// A call waits a little for a lost connection to come back, and then rejects; what was under way when a connection
// ended rejects at once, since nobody knows whether it was done. Nothing is sent twice but what a server said it did
// not run (a moved slot, a script that it lacks).
import { hasCode, OffstageError } from '../../errors/error.ts'
import { ClusterRouter } from './cluster.ts'
import { type Connection, type ConnectOptions, connect } from './connection.ts'
import { turnOf, unavailable } from './errors.ts'
import { loadIoredis, type MakeWire } from './ioredis.ts'
import type { Link, LinkOptions } from './link.ts'
import { type Access, type Address, nameOf, type Settings } from './options.ts'
import { type Router, SingleRouter } from './router.ts'
import { SentinelRouter } from './sentinel.ts'
import {
  type Configured,
  checkPolicy,
  checkServer,
  factsOf,
  type Info,
  parseInfo,
  type ServerFacts,
} from './server.ts'
import { Subscriptions } from './subscriptions.ts'
import { Waiters } from './waiters.ts'

export interface Script {
  readonly name: string
  readonly text: string
  readonly sha: string
}

export interface RunOptions {
  /** Rejects unless as many replicas and disks as the settings ask for have confirmed it. */
  readonly replicated?: boolean | undefined
}

export interface RedisClient {
  /** Connects, checks the server, answers what it saw. Coded errors within connectTimeoutMs. */
  open(): Promise<void>
  close(): Promise<void>
  /** EVALSHA with the one key that decides the node; EVAL where the server lacks the script. Bulk strings come back as Buffers. Rejects with coded OffstageErrors only. */
  run(script: Script, key: string, args: readonly (string | Buffer)[], options?: RunOptions): Promise<unknown>
  /** Any other command; replies as Buffers. `key` decides the node on a cluster. */
  command(key: string, name: string, args: readonly (string | Buffer)[]): Promise<unknown>
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

const MAX_REDIRECTS = 8
/** Asking a sentinel or a node for the way must not hold up asking the next one. */
const PROBE_MS = 1_000

export function createRedisClient(settings: Settings): RedisClient {
  return new Client(settings)
}

class Client implements RedisClient {
  readonly #settings: Settings
  readonly #waiters: Waiters
  #make: MakeWire | undefined
  #router: Router | undefined
  #subscriptions: Subscriptions | undefined
  #server: ServerFacts | undefined
  #sent = 0
  #closed: OffstageError | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.#waiters = new Waiters(settings.clock)
  }

  get commands(): number {
    return this.#sent
  }

  get server(): ServerFacts {
    if (this.#server === undefined) throw this.#closed ?? notOpen()
    return this.#server
  }

  async open(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#router !== undefined) return
    const { clock, connectTimeoutMs } = this.#settings
    const startedAt = clock.monotonic()
    this.#make = await loadIoredis()
    const router = this.#makeRouter(this.#make)
    this.#router = router
    router.start()
    try {
      const key = `${this.#settings.prefix}{${this.#settings.namespace}}:`
      const { link, connection } = await this.#waiters.wait(
        () => this.#look(key),
        connectTimeoutMs,
        // What nobody can reach now is said now; what is only not ready yet is waited for.
        (failure) => !failure.retryable || failure.details.reason !== undefined,
      )
      this.#server = await this.#ask(
        link,
        connection,
        Math.max(500, connectTimeoutMs - (clock.monotonic() - startedAt)),
      )
      const info = this.#infoOf(connection)
      if (info !== undefined) checkPolicy(info, connection.address)
      for (const warning of this.#server.warnings)
        this.#settings.logger.warn({ server: this.#server.address }, warning)
      for (const one of router.links()) one.takeOutageMs()
    } catch (error) {
      this.#router = undefined
      await router.close(unavailable('Redis could not be opened'))
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed ??= new OffstageError('BROKER_CLOSED', 'the Redis broker was closed')
    this.#waiters.close(this.#closed)
    await Promise.all([this.#subscriptions?.close(this.#closed), this.#router?.close(this.#closed)])
  }

  async run(
    script: Script,
    key: string,
    args: readonly (string | Buffer)[],
    options?: RunOptions,
  ): Promise<unknown> {
    const after = options?.replicated === true ? this.#settings : undefined
    const tail = ['1', key, ...args]
    const what = `the script ${script.name}`
    try {
      return await this.#send(key, 'EVALSHA', [script.sha, ...tail], what, after)
    } catch (error) {
      if (!(error instanceof ScriptMissing)) throw error
      return this.#send(key, 'EVAL', [script.text, ...tail], what, after)
    }
  }

  command(key: string, name: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#send(key, name, args, name)
  }

  async subscribe(
    key: string,
    channel: string,
    onMessage: (message: Buffer) => void,
    onResubscribed: () => void,
  ): Promise<() => Promise<void>> {
    const router = this.#router
    if (this.#closed !== undefined || router === undefined) throw this.#closed ?? notOpen()
    this.#subscriptions ??= this.#makeSubscriptions(router)
    return this.#subscriptions.add(key, channel, { onMessage, onResubscribed })
  }

  takeOutageMs(): number {
    let longest = 0
    for (const link of this.#router?.links() ?? []) longest = Math.max(longest, link.takeOutageMs())
    for (const link of this.#subscriptions?.links() ?? []) longest = Math.max(longest, link.takeOutageMs())
    return longest
  }

  async facts(key: string): Promise<ServerFacts> {
    const { link, connection } = await this.#connectionFor(key)
    this.#server = await this.#ask(link, connection, this.#settings.connectTimeoutMs)
    return this.#server
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #send(
    key: string,
    name: string,
    args: readonly (string | Buffer)[],
    what: string,
    after?: Settings,
  ): Promise<unknown> {
    let asking: Link | undefined
    for (let turns = 0; ; turns++) {
      const found = this.#look(key)
      const { link, connection } =
        asking !== undefined
          ? await this.#connectionOn(asking)
          : 'connection' in found
            ? found
            : await this.#connectionFor(key)
      try {
        if (asking !== undefined) this.#forget(this.#sendOn(link, connection, 'ASKING', []))
        const sent = this.#sendOn(link, connection, name, args)
        // On the same connection right behind it, since WAIT looks at what this connection wrote last.
        const confirmed = after === undefined ? undefined : this.#confirm(link, connection, after)
        confirmed?.catch(() => undefined)
        const answer = await sent
        await confirmed
        return answer
      } catch (error) {
        if (error instanceof OffstageError) throw error
        const turn = turnOf(error)
        if (turn?.kind === 'noscript') throw new ScriptMissing()
        if (turn !== undefined) this.#router?.turned(turn, connection.address)
        const clustered = this.#settings.target.mode === 'cluster'
        if (clustered && turns < MAX_REDIRECTS && (turn?.kind === 'moved' || turn?.kind === 'ask')) {
          asking = turn.kind === 'ask' && turn.to !== undefined ? this.#router?.linkAt(turn.to) : undefined
          continue
        }
        const why = connection.coded(error, what, key)
        if (turn?.kind === 'leave') link.leave(connection, why)
        throw why
      }
    }
  }

  #sendOn(
    link: Link,
    connection: Connection,
    name: string,
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    this.#sent += 1
    return link.send(connection, name, args)
  }

  /** Its own failure is that of the command it belongs to, which is told there. */
  #forget(sent: Promise<unknown>): void {
    sent.catch(() => undefined)
  }

  /** @throws BROKER_UNAVAILABLE where fewer have confirmed than were asked for */
  async #confirm(link: Link, connection: Connection, settings: Settings): Promise<void> {
    const { wait, waitaof, silenceMs } = settings
    // Shorter than the limit of silence, so that a slow replica is not taken for a dead server.
    const limit = String(Math.floor(silenceMs / 2))
    const waits: Promise<void>[] = []
    const expect = async (
      name: string,
      args: readonly string[],
      wanted: readonly number[],
    ): Promise<void> => {
      const reply = await this.#sendOn(link, connection, name, args).catch((error: unknown) => {
        throw connection.coded(error, name)
      })
      const got = (Array.isArray(reply) ? reply : [reply]).map(Number)
      if (wanted.every((count, i) => (got[i] ?? 0) >= count)) return
      throw unavailable(
        `Redis at ${nameOf(connection.address)} stored it, but ${name} was confirmed by ${got.join(' and ')} instead of ${wanted.join(' and ')} within ${limit} ms`,
        { confirmed: got, wanted },
      )
    }
    if (wait > 0) waits.push(expect('WAIT', [String(wait), limit], [wait]))
    if (waitaof !== undefined) {
      const { local, replicas } = waitaof
      waits.push(expect('WAITAOF', [String(local), String(replicas), limit], [local, replicas]))
    }
    const results = await Promise.allSettled(waits)
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  // ── connections ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The connection for a key, or why there is none now. */
  #look(key: string): { link: Link; connection: Connection } | { failure: OffstageError | undefined } {
    const router = this.#router
    if (this.#closed !== undefined || router === undefined) return { failure: this.#closed ?? notOpen() }
    const link = router.linkOf(key)
    const connection = link?.connection
    if (link !== undefined && connection !== undefined) return { link, connection }
    return { failure: link?.failure ?? router.failure }
  }

  #connectionFor(key: string): Promise<{ link: Link; connection: Connection }> {
    return this.#waiters.wait(() => this.#look(key), this.#settings.reconnectWaitMs, hopeless)
  }

  #connectionOn(link: Link): Promise<{ link: Link; connection: Connection }> {
    const look = (): { link: Link; connection: Connection } | { failure: OffstageError | undefined } =>
      link.connection === undefined ? { failure: link.failure } : { link, connection: link.connection }
    return this.#waiters.wait(look, this.#settings.reconnectWaitMs, hopeless)
  }

  #makeRouter(make: MakeWire): Router {
    const { clock, silenceMs, target } = this.#settings
    const options: Omit<LinkOptions, 'locate'> = {
      clock,
      silenceMs,
      holds: true,
      connect: (address, signal) => this.#connect(make, address, signal),
      changed: () => {
        this.#waiters.look()
        this.#subscriptions?.rebalance()
      },
    }
    switch (target.mode) {
      case 'single':
        return new SingleRouter({ ...options, locate: () => Promise.resolve(target.address) })
      case 'sentinel':
        return this.#makeSentinelRouter(make, target, options)
      case 'cluster':
        return new ClusterRouter({
          ...options,
          seeds: target.seeds,
          probe: (address, signal) => this.#probe(make, address, signal, this.#settings.access),
        })
      case 'client':
        throw new OffstageError('BROKER_UNSUPPORTED', 'a ready client is not supported yet')
    }
  }

  #makeSentinelRouter(
    make: MakeWire,
    { sentinels, primary, sentinelAccess }: Extract<Settings['target'], { mode: 'sentinel' }>,
    options: Omit<LinkOptions, 'locate'>,
  ): Router {
    const { clock, silenceMs, access } = this.#settings
    const own = sentinelAccess.password === undefined && access.password !== undefined
    return new SentinelRouter(options, {
      sentinels,
      primary,
      clock,
      silenceMs,
      connect: async (address, signal) => {
        try {
          return await this.#probe(make, address, signal, sentinelAccess)
        } catch (error) {
          // Sentinels mostly have no password, or that of the server.
          if (!own || !hasCode(error, 'BROKER_AUTH')) throw error
          return this.#probe(make, address, signal, { ...access, db: 0 })
        }
      },
      /** Whoever is connected to another server than this one leaves it. */
      moved: (address) => {
        const why = unavailable(`the primary is ${nameOf(address)} by the word of a sentinel`)
        for (const link of [...(this.#router?.links() ?? []), ...(this.#subscriptions?.links() ?? [])]) {
          const connection = link.connection
          if (connection !== undefined && nameOf(connection.address) !== nameOf(address))
            link.leave(connection, why)
          link.hurry()
        }
      },
    })
  }

  #makeSubscriptions(router: Router): Subscriptions {
    const { clock, silenceMs, reconnectWaitMs } = this.#settings
    const make = this.#make
    if (make === undefined) throw notOpen()
    return new Subscriptions({
      clock,
      silenceMs,
      router,
      waiters: this.#waiters,
      waitMs: reconnectWaitMs,
      connect: (address, signal) => this.#connect(make, address, signal),
      changed: () => this.#waiters.look(),
    })
  }

  /** A connection to a server that can do the work. */
  async #connect(make: MakeWire, address: Address, signal: AbortSignal): Promise<Connection> {
    const { access, connectTimeoutMs } = this.#settings
    const connection = await connect(
      address,
      // A little less than opening may take, so that what was missed is said in its own words.
      this.#connectOptions(make, access, Math.floor(0.9 * connectTimeoutMs), signal),
    )
    const info = this.#infoOf(connection)
    try {
      if (info !== undefined) checkServer(info, this.#mode, address)
    } catch (error) {
      if (error instanceof OffstageError) connection.destroy(error)
      throw error
    }
    return connection
  }

  #probe(make: MakeWire, address: Address, signal: AbortSignal, access: Access): Promise<Connection> {
    const timeoutMs = Math.min(PROBE_MS, this.#settings.connectTimeoutMs)
    return connect(address, { ...this.#connectOptions(make, access, timeoutMs, signal), info: false })
  }

  #connectOptions(make: MakeWire, access: Access, timeoutMs: number, signal: AbortSignal): ConnectOptions {
    const { clock, baseDir } = this.#settings
    return { make, access, clock, timeoutMs, signal, baseDir, info: true }
  }

  // ── the server ─────────────────────────────────────────────────────────────────────────────────────────────────

  get #mode(): ServerFacts['mode'] {
    const { mode } = this.#settings.target
    return mode === 'client' ? 'single' : mode
  }

  #infoOf(connection: Connection): Info | undefined {
    return connection.info === undefined ? undefined : parseInfo(connection.info)
  }

  async #ask(link: Link, connection: Connection, timeoutMs: number): Promise<ServerFacts> {
    const { clock } = this.#settings
    const optional = async (name: string, args: readonly string[]): Promise<unknown> => {
      try {
        return await this.#sendOn(link, connection, name, args)
      } catch (error) {
        const coded = connection.coded(error, name)
        // Forbidden or unknown: it is then not told.
        if (coded.code === 'BROKER_FORBIDDEN' || coded.code === 'STORE_FAILED') return undefined
        throw coded
      }
    }
    const startedAt = clock.monotonic()
    const ping = optional('PING', []).then(() => clock.monotonic() - startedAt)
    const asked = Promise.all([
      ping,
      optional('INFO', []),
      optional('CONFIG', ['GET', 'appendfsync']),
      optional('CONFIG', ['GET', 'save']),
    ])
    const [pingMs, info, appendfsync, save] = await this.#waiters.limit(
      asked,
      timeoutMs,
      unavailable(
        `Redis at ${nameOf(connection.address)} has not answered within ${Math.round(timeoutMs)} ms`,
      ),
    )
    const configured: Configured = { appendfsync: settingOf(appendfsync), save: settingOf(save) }
    const read = info === undefined ? undefined : parseInfo(String(info))
    return factsOf(read, configured, this.#mode, connection.address, Math.round(pingMs * 100) / 100)
  }
}

/** A server that knows not the script: it is sent again with its text. */
class ScriptMissing extends Error {}

/** Waiting does not help against a wrong password. */
function hopeless(failure: OffstageError): boolean {
  return !failure.retryable
}

function notOpen(): OffstageError {
  return new OffstageError('BROKER_CLOSED', 'the Redis broker is not open')
}

/** The value in a reply to CONFIG GET of one name; undefined where it answered none. */
function settingOf(reply: unknown): string | undefined {
  return Array.isArray(reply) && reply.length === 2 ? String(reply[1]) : undefined
}
