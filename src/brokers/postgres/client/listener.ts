// Hears channels on a connection of its own, made when somebody first listens. It comes back for ever, and tells each
// time that something may have been missed. A connection that only listens cannot tell silence from death, so it is
// checked with a statement. A pooler in transaction mode takes LISTEN and never delivers: so at first a notification is
// sent to itself through another connection; where it does not come, nobody waits for what will not come either.
import { randomBytes } from 'node:crypto'
import type { OffstageError } from '../../../errors/error.ts'
import { type Clock, sleep, type Timer } from '../../../runtime/clock.ts'
import type { Connection, Statement } from './connection.ts'
import { unavailable } from './errors.ts'
import { quoteIdentifier } from './quote.ts'

export interface Listening {
  /** Resolves when the channel is heard, or it has turned out that nothing can be. Never rejects. */
  ready(): Promise<void>
  /** Nothing can be heard over this connection, so ask instead, as in poll-only mode. It is tried again now and then. */
  readonly deaf: boolean
  /** Hears no more. */
  stop(): void
}

export interface ListenerOptions {
  readonly clock: Clock
  readonly dial: (signal: AbortSignal) => Promise<Connection>
  /** Through the connections for calls. */
  readonly run: (statement: Statement) => Promise<unknown>
  readonly warn: (text: string) => void
}

interface Subscription {
  readonly channel: string
  readonly heard: (payload: string) => void
  readonly missed: () => void
}

/** With the limit of silence on top, a dead connection is noticed within five seconds. */
const CHECK_MS = 2_000
export const LISTENER_SILENCE_MS = 2_500
const FIRST_BACKOFF_MS = 25
const MAX_BACKOFF_MS = 1_000
/** A connection that held this long was a good one: the next back-off starts small again. */
const GOOD_MS = 1_000
const PROOF_MS = 3_000
const HOLD_MS = 10_000
const DEAF_MS = 60_000

export class Listener {
  readonly #options: ListenerOptions
  readonly #stop = new AbortController()
  readonly #all = new Set<Subscription>()
  readonly #probe = `offstage_probe_${randomBytes(8).toString('hex')}`
  #running: Promise<void> | undefined
  #connection: Connection | undefined
  #proven = false
  #deaf = false
  #warned = false
  #proof: ((payload: string) => void) | undefined
  #settled: (() => void)[] = []
  #why: OffstageError | undefined
  #checking: Timer | undefined
  /** How often it has become known whether something is heard. */
  #times = 0

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** Undefined before it is known. */
  get state(): 'listening' | 'deaf' | 'connecting' {
    if (this.#deaf) return 'deaf'
    return this.#connection === undefined ? 'connecting' : 'listening'
  }

  listen(channel: string, heard: (payload: string) => void, missed: () => void): Listening {
    const subscription: Subscription = { channel, heard, missed }
    const fresh = ![...this.#all].some((other) => other.channel === channel)
    this.#all.add(subscription)
    this.#running ??= this.#loop()
    let added: Promise<void> | undefined
    if (fresh && this.#connection !== undefined) added = this.#add(this.#connection, channel)
    const listener = this
    return {
      ready: async () => {
        await added
        await this.#settle()
      },
      get deaf() {
        return listener.#deaf
      },
      stop: () => {
        this.#all.delete(subscription)
      },
    }
  }

  async close(why: OffstageError): Promise<void> {
    this.#why = why
    this.#all.clear()
    this.#stop.abort()
    this.#tell()
    await this.#connection?.end(why)
    await this.#running
  }

  /** Resolves when it is known whether something can be heard. */
  #settle(): Promise<void> {
    if (this.#deaf || this.#connection !== undefined || this.#stop.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      // Listening keeps no process alive; whoever waits for its beginning does, for a while.
      const hold = this.#options.clock.schedule(HOLD_MS, () => undefined, { ref: true })
      this.#settled.push(() => {
        hold.cancel()
        resolve()
      })
    })
  }

  #tell(): void {
    for (const resolve of this.#settled.splice(0)) resolve()
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted; ) {
      const heldMs = await this.#turn(signal)
      failures = heldMs >= GOOD_MS ? 0 : failures + 1
      if (signal.aborted) return
      const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10))
      const pauseMs = this.#deaf ? DEAF_MS : backoffMs * (0.5 + Math.random() / 2)
      await sleep(clock, pauseMs, { signal })
    }
  }

  /** One connection from its making to its end; answers for how long it listened. */
  async #turn(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options
    let connection: Connection | undefined
    try {
      connection = await this.#options.dial(signal)
      connection.onNotification((channel, payload) => this.#heard(channel, payload))
      const channels = new Set([...this.#all].map(({ channel }) => channel))
      for (const channel of channels) await connection.run(listenTo(channel))
      if (!this.#proven && !(await this.#prove(connection))) {
        await connection.end(unavailable('nothing is heard over this connection'))
        return 0
      }
      for (const { channel } of this.#all) if (!channels.has(channel)) await connection.run(listenTo(channel))
      if (!connection.open || signal.aborted) return 0
      const again = this.#connected(connection)
      if (again) for (const { missed } of [...this.#all]) missed()
      const listensAt = clock.monotonic()
      this.#check(connection)
      await connection.ended
      return clock.monotonic() - listensAt
    } catch (error) {
      // The next attempt says the same or does better; calls say it to whoever asks.
      connection?.destroy(connection.coded(error, 'LISTEN'))
      return 0
    } finally {
      this.#checking?.cancel()
      this.#connection = undefined
      if (signal.aborted) connection?.destroy(this.#why ?? unavailable('closed'))
    }
  }

  /** Answers whether something may have been missed. */
  #connected(connection: Connection): boolean {
    this.#connection = connection
    this.#times += 1
    this.#deaf = false
    this.#tell()
    return this.#times > 1
  }

  #heard(channel: string, payload: string): void {
    if (channel === this.#probe) this.#proof?.(payload)
    for (const subscription of [...this.#all])
      if (subscription.channel === channel) subscription.heard(payload)
  }

  /** Whether a notification that is sent elsewhere is heard here. */
  async #prove(connection: Connection): Promise<boolean> {
    const { clock, run } = this.#options
    const secret = randomBytes(8).toString('hex')
    await connection.run(listenTo(this.#probe))
    let late: Timer | undefined
    try {
      const heard = new Promise<boolean>((resolve) => {
        this.#proof = (payload) => payload === secret && resolve(true)
        void connection.ended.then(() => resolve(true))
        late = clock.schedule(PROOF_MS, () => resolve(false))
      })
      await run({ text: 'select pg_notify($1, $2)', values: [this.#probe, secret] })
      if (await heard) {
        if (!connection.open) throw connection.why ?? unavailable('the connection ended')
        this.#proven = true
        await connection.run({ text: `unlisten ${quoteIdentifier(this.#probe)}` })
        return true
      }
    } finally {
      late?.cancel()
      this.#proof = undefined
    }
    this.#setDeaf(connection)
    return false
  }

  #setDeaf({ place }: Connection): void {
    this.#deaf = true
    this.#times += 1
    this.#tell()
    if (this.#warned) return
    this.#warned = true
    this.#options.warn(
      `PostgreSQL at ${place.name} delivers no notifications, as behind a pooler in transaction mode: new jobs are found by asking. Name a direct connection with listen_url.`,
    )
  }

  async #add(connection: Connection, channel: string): Promise<void> {
    try {
      await connection.run(listenTo(channel))
    } catch (error) {
      // The next connection listens to all of them.
      connection.destroy(connection.coded(error, 'LISTEN'))
    }
  }

  #check(connection: Connection): void {
    this.#checking = this.#options.clock.schedule(CHECK_MS, () => {
      this.#check(connection)
      if (this.#all.size === 0) return
      // Nothing at all: the server answers so, and does no more.
      connection
        .script('')
        .catch((error: unknown) => connection.destroy(connection.coded(error, 'the check')))
    })
  }
}

function listenTo(channel: string): Statement {
  return { text: `listen ${quoteIdentifier(channel)}` }
}
