// Hears channels on a connection of its own to each node (a subscribed connection takes no other commands), made when
// the first channel is asked for. A connection that only listens cannot tell silence from death, so it is checked with
// a PING; after a reconnect all channels are subscribed again and their listeners told that they may have missed some.
import type { OffstageError } from '../../../errors/error.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import type { Connection } from './connection.ts'
import { Link, type LinkOptions } from './link.ts'

/** With the limit of silence (3 s) on top, a dead connection is noticed within five seconds. */
const PING_MS = 1_500

export interface Listener {
  readonly onMessage: (message: Buffer) => void
  readonly onResubscribed: () => void
}

/** The subscriptions on one node. */
export class Subscriber {
  readonly #link: Link
  readonly #clock: Clock
  readonly #channels = new Map<string, Set<Listener>>()
  readonly #pinged: () => void
  /** The connection on which all channels are subscribed. */
  #heardOn: Connection | undefined
  #subscribed = new Set<string>()
  /** Those that were heard elsewhere before, and have not been told that they may have missed something. */
  readonly #owed = new Set<Listener>()
  #timer: Timer | undefined

  /** @param pinged called after each check, where there is more to check than the connection */
  constructor(options: Omit<LinkOptions, 'ready' | 'holds'>, pinged: () => void) {
    this.#clock = options.clock
    this.#pinged = pinged
    this.#link = new Link({
      ...options,
      // What is to be heard has to be asked for first; listening itself keeps no process alive.
      holds: true,
      ready: (connection) => this.#ready(connection),
      changed: (link) => {
        this.#changed()
        options.changed(link)
      },
    })
  }

  get link(): Link {
    return this.#link
  }

  get idle(): boolean {
    return this.#channels.size === 0
  }

  /** Resolves when the channel is heard. The link has to be connected. */
  async add(channel: string, listener: Listener): Promise<void> {
    const listeners = this.#channels.get(channel)
    if (listeners !== undefined) {
      listeners.add(listener)
      return
    }
    this.#channels.set(channel, new Set([listener]))
    const connection = this.#link.connection
    // Where there is none now, `ready` subscribes with all others once there is.
    if (connection === undefined) return
    try {
      await this.#subscribe(connection, channel)
    } catch (error) {
      this.#channels.delete(channel)
      throw error
    }
  }

  /** As `add`, for a channel that was heard elsewhere: its listener may have missed some. */
  async move(channel: string, listener: Listener): Promise<void> {
    // Where there is no connection yet, it is told once there is one.
    if (this.#link.connection === undefined) this.#owed.add(listener)
    await this.add(channel, listener)
    if (!this.#owed.has(listener)) listener.onResubscribed()
  }

  async remove(channel: string, listener: Listener): Promise<void> {
    const listeners = this.#channels.get(channel)
    if (listeners?.delete(listener) !== true || listeners.size > 0) return
    this.#channels.delete(channel)
    this.#subscribed.delete(channel)
    const connection = this.#link.connection
    if (connection === undefined) return
    // Where the connection ends meanwhile, the channel is not subscribed on the next one: it has ended all the same.
    await this.#link.track(connection, connection.unsubscribe(channel)).catch(() => undefined)
  }

  async close(why: OffstageError): Promise<void> {
    this.#timer?.cancel()
    this.#channels.clear()
    await this.#link.close(why)
  }

  async #ready(connection: Connection): Promise<void> {
    connection.onMessage((channel, message) => {
      for (const { onMessage } of this.#channels.get(channel.toString()) ?? []) onMessage(message)
    })
    this.#subscribed = new Set(this.#channels.keys())
    await Promise.all([...this.#subscribed].map((channel) => this.#subscribe(connection, channel)))
  }

  #changed(): void {
    const connection = this.#link.connection
    if (connection === undefined || connection === this.#heardOn) return
    const again = this.#heardOn !== undefined
    this.#heardOn = connection
    this.#ping()
    for (const [channel, listeners] of this.#channels) {
      const tell = (): void => {
        for (const listener of listeners) listener.onResubscribed()
      }
      // One that was added while the others were being subscribed.
      if (!this.#subscribed.has(channel))
        this.#subscribe(connection, channel).then(tell, (why: OffstageError) =>
          this.#link.leave(connection, why),
        )
      else if (again) tell()
      else for (const listener of listeners) if (this.#owed.has(listener)) listener.onResubscribed()
    }
    this.#owed.clear()
  }

  async #subscribe(connection: Connection, channel: string): Promise<void> {
    this.#subscribed.add(channel)
    try {
      await this.#link.track(connection, connection.subscribe(channel))
    } catch (error) {
      throw connection.coded(error, 'SUBSCRIBE')
    }
  }

  #ping(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.schedule(PING_MS, () => {
      const connection = this.#link.connection
      if (connection === undefined) return
      this.#ping()
      if (this.idle) return
      this.#pinged()
      // A rejection comes with the end of the connection, which the link sees to.
      this.#link.send(connection, 'PING', []).catch(() => undefined)
    })
  }
}
