// What a connection that has gone silent during a statement means: the server is at it still, or the network between
// swallows all it is given. The server is asked, over a new connection. Without a word of it that it is, the old one is
// given up.
import type { Clock } from '../../../runtime/clock.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'
import type { Source } from './pool.ts'

export interface WatchOptions {
  readonly clock: Clock
  readonly silenceMs: number
  readonly source: () => Source
  /** A connection beside the pool. */
  readonly dial: (limitMs: number) => Promise<Connection>
}

/** With the limit of silence (3 s) before it, a dead connection is noticed within five seconds. */
const PROBE_MS = 1_000
/** A statement that takes longer is cancelled: it would keep its connection from all others. */
const LONGEST_MS = 30_000

const PROBE =
  "select 1 from pg_stat_activity where pid = $1::int4 and state in ('active', 'disabled', 'fastpath function call')"

export class Watch {
  readonly #options: WatchOptions
  readonly #probing = new Set<Connection>()
  /** How much silence of a connection has been put up with, and how many signs of life it had given then. */
  readonly #patience = new WeakMap<Connection, { readonly signs: number; readonly ms: number }>()
  readonly #unlimited = new WeakSet<Connection>()

  constructor(options: WatchOptions) {
    this.#options = options
  }

  /** What runs there may take as long as the server says it is at it. */
  allow(connection: Connection): void {
    this.#unlimited.add(connection)
  }

  forbid(connection: Connection): void {
    this.#unlimited.delete(connection)
  }

  /** It has been silent for another `silenceMs`. */
  silent(connection: Connection): void {
    if (this.#probing.has(connection)) return
    this.#probing.add(connection)
    void this.#ask(connection).finally(() => this.#probing.delete(connection))
  }

  async #ask(connection: Connection): Promise<void> {
    const { silenceMs } = this.#options
    const { signs } = connection
    const before = this.#patience.get(connection)
    const ms = silenceMs + (before?.signs === signs ? before.ms : 0)
    const tooLong = ms >= LONGEST_MS && !this.#unlimited.has(connection)
    const active = await this.#isActive(connection.pid, tooLong)
    if (!connection.open || connection.signs !== signs) return
    if (active && !tooLong) {
      this.#patience.set(connection, { signs, ms })
      return
    }
    const why = unavailable(`PostgreSQL at ${connection.place.name} has not answered for ${ms} ms`, {
      server: connection.place.name,
    })
    connection.destroy(why)
    if (!active) this.#options.source().suspect(why)
  }

  /** Whether the server says that a process of its is at work. */
  async #isActive(pid: number, cancel: boolean): Promise<boolean> {
    const { clock, dial } = this.#options
    let probe: Connection | undefined
    const over = unavailable('the probe was not answered')
    const timer = clock.schedule(PROBE_MS, () => probe?.destroy(over))
    try {
      probe = await dial(PROBE_MS)
      const [row] = await probe.run({ text: PROBE, values: [String(pid)] })
      if (row !== undefined && cancel)
        await probe.run({ text: 'select pg_cancel_backend($1::int4)', values: [String(pid)] })
      return row !== undefined
    } catch {
      // No answer is the answer.
      return false
    } finally {
      timer.cancel()
      void probe?.end(over)
    }
  }
}
