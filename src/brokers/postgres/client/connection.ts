// One connection, from its socket to its end: a client of pg with a tap for binary rows. It runs one statement at a
// time, never reconnects, and repeats nothing. Only what is under way keeps the process alive.
import type { Socket } from 'node:net'
import type { OffstageError } from '../../../errors/error.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { Silence } from '../../../runtime/silence.ts'
import { coded, type Place, unavailable, unreachable } from './errors.ts'
import type { PgClient } from './pg.ts'
import { type Row, type RowTap, tapOf } from './tap.ts'

/** A parameter: text as it is, bytes in the binary form of the parameter's type. */
export type Value = string | Uint8Array | null

export interface Statement {
  readonly text: string
  readonly values?: readonly Value[] | undefined
  /** Prepared under this name where the setting allows. */
  readonly name?: string | undefined
  /** Where a lock is not had in time, or by a deadlock not at all, the caller has a better way than to say it again. */
  readonly impatient?: boolean | undefined
}

/** How long taking leave may take. */
const END_MS = 500

export interface ConnectionOptions {
  readonly clock: Clock
  readonly silenceMs: number
  readonly place: Place
  /** A statement has gone unanswered for `silenceMs`, and is called again after as much more. */
  readonly silent: (connection: Connection) => void
  /** Called for each sign of life. */
  readonly heard: () => void
}

export class Connection {
  readonly place: Place
  /** Of the server's process. Behind a pooler it means nothing. */
  readonly pid: number
  readonly ended: Promise<void>
  readonly #client: PgClient
  readonly #tap: RowTap
  readonly #silence: Silence
  readonly #clock: Clock
  readonly #heard: () => void
  #why: OffstageError | undefined
  #open = true
  #busy = 0
  /** What is under way; what comes meanwhile waits for it. */
  #current: Promise<unknown> | undefined
  #signs = 0

  /** @param client connected, and between two statements */
  constructor(client: PgClient, { clock, silenceMs, place, silent, heard }: ConnectionOptions) {
    this.#client = client
    this.#clock = clock
    this.place = place
    this.pid = client.processID ?? 0
    this.#tap = tapOf(client.connection.stream)
    this.#silence = new Silence(
      clock,
      silenceMs,
      () => this.#busy > 0,
      () => silent(this),
    )
    this.#heard = () => {
      this.#signs += 1
      this.#silence.broken()
      heard()
    }
    this.#tap.onData(this.#heard)
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.#open = false
        this.#silence.stop()
        resolve()
      }
      client.on('end', end)
      // What failed says so by itself; the event must not end the process, and the connection is of no use.
      client.on('error', (error: Error) => {
        this.#open = false
        this.#why ??= coded(error, place, 'waiting')
        destroy(client)
      })
      if (client.connection.stream.destroyed) end()
    })
  }

  get open(): boolean {
    return this.#open && this.#client.connection.stream.writable
  }

  /** Why it was given up, where it was. */
  get why(): OffstageError | undefined {
    return this.#why
  }

  /** How many signs of life there were. */
  get signs(): number {
    return this.#signs
  }

  /** No transaction has been left open, as far as pg tells. */
  get settled(): boolean {
    const status = this.#client.getTransactionStatus?.()
    return status === undefined || status === null || status === 'I'
  }

  /** Rejects with what pg says, or with why the connection was given up. */
  async run({ text, values = [], name }: Statement): Promise<readonly Row[]> {
    const rows: Row[] = []
    await this.#track(() => {
      this.#tap.collect(rows)
      return this.#client.query({
        text,
        values: [...values],
        name,
        binary: true,
        rowMode: 'array',
        queryMode: 'extended',
      })
    })
    return rows
  }

  /** Several statements in one text. Rows are dropped. */
  async script(sql: string): Promise<void> {
    await this.#track(() => {
      this.#tap.collect([])
      return this.#client.query(sql)
    })
  }

  onNotification(heard: (channel: string, payload: string) => void): void {
    this.#client.on('notification', ({ channel, payload }: { channel: string; payload?: string }) =>
      heard(channel, payload ?? ''),
    )
  }

  /** The coded error for a rejection of `run` or `script`. */
  coded(error: unknown, what: string): OffstageError {
    return coded(error, this.place, what)
  }

  /** Whether the socket keeps the process alive. */
  hold(hold: boolean): void {
    const socket = this.#client.connection.stream as Socket
    if (hold) socket.ref()
    else socket.unref()
  }

  /** Ends it at once; what is under way rejects with `why`. */
  destroy(why: OffstageError): void {
    this.#why ??= why
    this.#open = false
    destroy(this.#client)
  }

  /** Takes leave of the server; at once where something is under way. */
  async end(why: OffstageError): Promise<void> {
    if (this.#busy > 0 || !this.open) this.destroy(why)
    else {
      this.#why ??= why
      this.#open = false
      // Whoever waits for it is alive until it is over; a network that is gone must not keep them.
      this.hold(true)
      // A rejection comes with the event.
      this.#client.end().catch(() => undefined)
      const late = this.#clock.schedule(END_MS, () => destroy(this.#client))
      void this.ended.then(() => late.cancel())
    }
    await this.ended
  }

  async #track(send: () => Promise<unknown>): Promise<void> {
    while (this.#current !== undefined) await this.#current
    if (!this.open) throw this.#why ?? unavailable(`PostgreSQL at ${this.place.name} closed the connection`)
    this.#busy += 1
    // A pool that is shared has other users, who may have taken their turn in between.
    this.#tap.onData(this.#heard)
    this.#silence.began()
    try {
      const sent = send()
      this.#current = sent.catch(() => undefined)
      await sent
    } catch (error) {
      throw this.#why ?? error
    } finally {
      this.#busy -= 1
      this.#current = undefined
      this.#tap.collect(undefined)
    }
  }
}

export interface DialOptions extends ConnectionOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** A script that it begins with. */
  readonly setup?: string | undefined
}

/** Connects a client that has not been. @throws coded errors */
export async function dial(client: PgClient, options: DialOptions): Promise<Connection> {
  const { clock, timeoutMs, signal, place, setup } = options
  let given: OffstageError | undefined
  let failed: unknown
  client.on('error', (error: Error) => {
    failed ??= error
  })
  const end = (why: OffstageError): void => {
    given ??= why
    destroy(client)
  }
  const late = (): void =>
    end(
      unavailable(
        `PostgreSQL at ${place.name} cannot be reached: no answer within ${Math.round(timeoutMs)} ms (ETIMEDOUT)`,
        { server: place.name, reason: 'ETIMEDOUT' },
      ),
    )
  const timer = clock.schedule(timeoutMs, late)
  const abort = (): void => end(unavailable('the connection was not wanted any more'))
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (signal?.aborted === true) throw unavailable('the connection was not wanted any more')
    await client.connect()
    if (given !== undefined) throw given
    const connection = new Connection(client, options)
    if (setup !== undefined) await connection.script(setup)
    connection.hold(false)
    return connection
  } catch (error) {
    destroy(client)
    throw given ?? unreachable(failed ?? error, place)
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', abort)
  }
}

function destroy(client: PgClient): void {
  client.connection.stream.destroy()
}
