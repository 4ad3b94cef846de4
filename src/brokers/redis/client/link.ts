// Keeps one connection to wherever `locate` says: connects, reconnects for ever with back-off, and leaves a server that
// has gone silent. Whoever uses it sees a connection, or why there is none.
import { OffstageError } from '../../../errors/error.ts'
import { type Clock, sleep } from '../../../runtime/clock.ts'
import { Silence } from '../../../runtime/silence.ts'
import { type Address, nameOf } from '../options.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'

const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 1_000
/** A connection that held this long was a good one: the next back-off starts small again. */
const GOOD_MS = 1_000
/**
 * What took this long the last time may take so many times as long again, and never less nor more than this (a process
 * that is just starting is long in connecting itself). An attempt that begins while the network swallows all it is given
 * would else outlive the fault by the whole time of connecting.
 */
const PATIENCE = 4
const MIN_PATIENCE_MS = 1_000
const MAX_PATIENCE_MS = 3_000
/** After so many attempts in vain one has all the time there is: the network may have become slow. */
const PATIENT_EVERY = 8

export interface LinkOptions {
  readonly clock: Clock
  readonly silenceMs: number
  /** Where to connect: asked before each attempt. */
  readonly locate: (signal: AbortSignal) => Promise<Address>
  /** `limitMs`: how long it may take, where this link has been connected before. */
  readonly connect: (address: Address, signal: AbortSignal, limitMs?: number) => Promise<Connection>
  /** A connection is there, and is told to others only once this has resolved; a rejection ends the connection. */
  readonly ready?: ((connection: Connection) => Promise<void>) | undefined
  /** Whether a command under way keeps the process alive. */
  readonly holds: boolean
  /** A connection came or went, or an attempt failed. */
  readonly changed: (link?: Link) => void
}

export class Link {
  readonly #options: LinkOptions
  readonly #stop = new AbortController()
  readonly #silence: Silence
  #running: Promise<void> | undefined
  #connection: Connection | undefined
  /** Connected, and not ready yet. */
  #opening: Connection | undefined
  /** Where it is being connected to. */
  #trying: { readonly address: Address; readonly give: AbortController } | undefined
  #failure: OffstageError | undefined
  #limitMs: number | undefined
  #nudge = new AbortController()
  #pending = 0

  constructor(options: LinkOptions) {
    this.#options = options
    this.#silence = new Silence(
      options.clock,
      options.silenceMs,
      () => this.#pending > 0 || (this.#running !== undefined && this.#connection === undefined),
      () => this.#silent(),
    )
  }

  /** The connection where it is ready for use. */
  get connection(): Connection | undefined {
    return this.#connection?.open === true ? this.#connection : undefined
  }

  /** Why there is no connection; undefined before the first attempt has ended. */
  get failure(): OffstageError | undefined {
    return this.#failure
  }

  takeOutageMs(): number {
    return this.#silence.takeLongestMs()
  }

  start(): void {
    if (this.#running !== undefined || this.#stop.signal.aborted) return
    this.#running = this.#loop()
  }

  /** Leaves the connection that it has; what is under way there rejects with `why`. */
  leave(connection: Connection, why: OffstageError): void {
    if (this.#connection !== connection) return
    this.#failure = why
    connection.destroy(why)
  }

  /** The server is there: ends the wait before the next attempt, and an attempt to reach another one. */
  hurry(to: Address): void {
    this.#nudge.abort()
    if (this.#trying !== undefined && nameOf(this.#trying.address) !== nameOf(to)) this.#trying.give.abort()
  }

  async close(why: OffstageError): Promise<void> {
    this.#failure = why
    this.#stop.abort()
    this.#nudge.abort()
    this.#trying?.give.abort()
    this.#silence.stop()
    this.#connection?.destroy(why)
    this.#opening?.destroy(why)
    await this.#running
  }

  /**
   * Sends a command on a connection of this link. Rejects with what ioredis says. Keeps the process alive until the
   * answer is there.
   */
  send(connection: Connection, name: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.track(connection, connection.send(name, args))
  }

  /** Minds a command that is under way. */
  track(connection: Connection, sent: Promise<unknown>): Promise<unknown> {
    if (this.#pending === 0) {
      if (this.#options.holds) connection.hold(true)
      this.#silence.began()
    }
    this.#pending += 1
    const over = (): void => {
      this.#pending -= 1
      if (this.#pending === 0 && this.#options.holds && connection.open) connection.hold(false)
    }
    sent.then(over, over)
    return sent
  }

  #silent(): void {
    const connection = this.#connection ?? this.#opening
    if (connection === undefined) return
    const where = nameOf(connection.address)
    this.#failure = unavailable(`Redis at ${where} has not answered for ${this.#options.silenceMs} ms`)
    connection.destroy(this.#failure)
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    this.#silence.goesOn()
    for (let failures = 0; !signal.aborted; ) {
      const patient = failures > 0 && failures % PATIENT_EVERY === 0
      const connectedAt = await this.#turn(signal, patient ? undefined : this.#limitMs)
      const good = connectedAt !== undefined && clock.monotonic() - connectedAt >= GOOD_MS
      failures = good ? 0 : failures + 1
      this.#silence.goesOn()
      if (signal.aborted) return
      this.#nudge = new AbortController()
      const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10))
      await sleep(clock, backoffMs * (0.5 + Math.random() / 2), { signal: this.#nudge.signal })
    }
  }

  /** One connection from its making to its end; answers since when it was ready, if it ever was. */
  async #turn(signal: AbortSignal, limitMs: number | undefined): Promise<number | undefined> {
    const { clock, locate, connect, ready, changed } = this.#options
    let connection: Connection | undefined
    try {
      const address = await locate(signal)
      const give = new AbortController()
      this.#trying = { address, give }
      if (signal.aborted) give.abort()
      const triedAt = clock.monotonic()
      connection = await connect(address, give.signal, limitMs)
      const wantedMs = PATIENCE * (clock.monotonic() - triedAt)
      this.#limitMs = Math.min(MAX_PATIENCE_MS, Math.max(MIN_PATIENCE_MS, wantedMs))
      connection.onData(() => this.#silence.broken())
      this.#silence.broken()
      this.#opening = connection
      await ready?.(connection)
      if (!connection.open)
        throw connection.why ?? unavailable(`Redis at ${nameOf(connection.address)} closed the connection`)
    } catch (error) {
      this.#failure =
        error instanceof OffstageError
          ? error
          : (connection?.coded(error, 'connecting') ?? unavailable('connecting to Redis failed'))
      connection?.destroy(this.#failure)
      changed(this)
      return undefined
    } finally {
      this.#opening = undefined
      this.#trying = undefined
    }
    if (signal.aborted) {
      connection.destroy(this.#failure ?? unavailable('closed'))
      return undefined
    }
    this.#connection = connection
    this.#failure = undefined
    changed(this)
    const connectedAt = clock.monotonic()
    await connection.ended
    this.#connection = undefined
    this.#failure ??=
      connection.why ?? unavailable(`Redis at ${nameOf(connection.address)} closed the connection`)
    changed(this)
    return connectedAt
  }
}
