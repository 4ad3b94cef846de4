// Connections for calls: a few at most, made when they are wanted, in the order in which callers came. A caller waits a
// little for a server that is away; meanwhile one attempt after another is made, with back-off. What nobody uses for a
// while takes leave.
import { setMaxListeners } from 'node:events'
import type { OffstageError } from '../../../errors/error.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'

/** Where a call waits otherwise than all others. */
export interface Wait {
  readonly ms: number
  /** Failures that are not waited out. */
  readonly hopeless: (failure: OffstageError) => boolean
}

/** Where calls get their connections. */
export interface Source {
  /** How many wait for a connection. */
  readonly waiting: number
  /** Nobody else has it until it is given back. @throws coded errors */
  take(wait?: Wait): Promise<Connection>
  give(connection: Connection): void
  /** A connection died of the network: those that lie idle may be dead as well. */
  suspect(why: OffstageError): void
  close(why: OffstageError): Promise<void>
}

export interface PoolOptions {
  readonly clock: Clock
  readonly max: number
  /** How long a caller waits while the server is away. */
  readonly waitMs: number
  readonly dial: (signal: AbortSignal) => Promise<Connection>
}

interface Waiter extends Wait {
  readonly resolve: (connection: Connection) => void
  readonly reject: (why: OffstageError) => void
  timer: Timer | undefined
}

const FIRST_BACKOFF_MS = 25
const MAX_BACKOFF_MS = 500
const IDLE_MS = 60_000

export class Pool implements Source {
  readonly #options: PoolOptions
  readonly #usual: Wait
  readonly #stop = new AbortController()
  /** The one that was used last comes first. */
  readonly #idle: { readonly connection: Connection; readonly timer: Timer }[] = []
  readonly #all = new Set<Connection>()
  readonly #waiters: Waiter[] = []
  #dialing = 0
  #failures = 0
  #failure: OffstageError | undefined
  #backoff: Timer | undefined
  #closed: OffstageError | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    // Each attempt hears of the end.
    setMaxListeners(0, this.#stop.signal)
    this.#usual = { ms: options.waitMs, hopeless: isHopeless }
  }

  get waiting(): number {
    return this.#waiters.length
  }

  take(wait: Wait = this.#usual): Promise<Connection> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      idle.timer.cancel()
      if (!idle.connection.open) continue
      idle.connection.hold(true)
      return Promise.resolve(idle.connection)
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { ...wait, resolve, reject, timer: undefined }
      this.#waiters.push(waiter)
      this.#arm(waiter)
      this.#pump()
    })
  }

  give(connection: Connection): void {
    if (!connection.open || this.#closed !== undefined) {
      if (this.#closed !== undefined) void connection.end(this.#closed)
      return
    }
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#lay(connection)
    else this.#serve(waiter, connection)
  }

  suspect(why: OffstageError): void {
    for (const { connection, timer } of this.#idle.splice(0)) {
      timer.cancel()
      connection.destroy(why)
    }
  }

  async close(why: OffstageError): Promise<void> {
    this.#closed = why
    this.#stop.abort()
    this.#backoff?.cancel()
    for (const { timer } of this.#idle.splice(0)) timer.cancel()
    this.#reject(why)
    await Promise.all([...this.#all].map((connection) => connection.end(why)))
  }

  #lay(connection: Connection): void {
    connection.hold(false)
    const timer = this.#options.clock.schedule(IDLE_MS, () => {
      const at = this.#idle.findIndex((idle) => idle.connection === connection)
      if (at < 0) return
      this.#idle.splice(at, 1)
      void connection.end(unavailable('the connection was not used for long'))
    })
    this.#idle.push({ connection, timer })
  }

  #serve(waiter: Waiter, connection: Connection): void {
    waiter.timer?.cancel()
    connection.hold(true)
    waiter.resolve(connection)
  }

  /** While others are served, its turn comes. */
  #arm(waiter: Waiter): void {
    const over = (): void => {
      if (this.#all.size > 0) {
        this.#arm(waiter)
        return
      }
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      waiter.reject(this.#failure ?? unavailable(`PostgreSQL could not be reached within ${waiter.ms} ms`))
    }
    waiter.timer = this.#options.clock.schedule(waiter.ms, over, { ref: true })
  }

  /** Makes as many connections as are waited for and may be made. */
  #pump(): void {
    const { max } = this.#options
    if (this.#closed !== undefined || this.#backoff !== undefined) return
    // A server that was away is tried by one.
    const most = this.#failures > 0 ? 1 : max
    while (
      this.#waiters.length > this.#dialing &&
      this.#dialing < most &&
      this.#all.size + this.#dialing < max
    )
      void this.#dial()
  }

  async #dial(): Promise<void> {
    this.#dialing += 1
    try {
      const connection = await this.#options.dial(this.#stop.signal)
      this.#failures = 0
      this.#failure = undefined
      this.#all.add(connection)
      void connection.ended.then(() => {
        this.#all.delete(connection)
        this.#pump()
      })
      this.give(connection)
    } catch (error) {
      this.#failed(error as OffstageError)
    } finally {
      this.#dialing -= 1
    }
    this.#pump()
  }

  #failed(why: OffstageError): void {
    if (this.#closed !== undefined) return
    this.#failure = why
    this.#failures += 1
    if (this.#all.size === 0) this.#reject(why, ({ hopeless }) => hopeless(why))
    if (this.#backoff !== undefined) return
    const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures, 10))
    this.#backoff = this.#options.clock.schedule(backoffMs * (0.5 + Math.random() / 2), () => {
      this.#backoff = undefined
      this.#pump()
    })
  }

  #reject(why: OffstageError, which: (waiter: Waiter) => boolean = () => true): void {
    for (const waiter of [...this.#waiters]) {
      if (!which(waiter)) continue
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      waiter.timer?.cancel()
      waiter.reject(why)
    }
  }
}

/** Waiting does not help against a wrong password. */
function isHopeless(failure: OffstageError): boolean {
  return !failure.retryable
}
