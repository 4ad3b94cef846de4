// The way to the broker's thread: gathers the calls of a moment into one message, matches answers to calls, and keeps
// the process alive while a call is under way, and only then.
import type { MessagePort, Transferable } from 'node:worker_threads'
import { errorCodes } from '../../errors/codes.ts'
import { OffstageError } from '../../errors/error.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Line } from './line.ts'
import type { FromThread, Request, SentError, ToThread } from './protocol.ts'

interface Pending {
  readonly resolve: (value: unknown) => void
  /** Reads the answer before the news that came with it is told. */
  readonly read: ((value: never) => unknown) | undefined
  readonly reject: (error: OffstageError) => void
}

export interface CallOptions<T> {
  /** Moves to the thread instead of being copied. */
  readonly transfer?: Uint8Array<ArrayBuffer> | undefined
  /** Turns what came over the wire into the answer. Must not throw. */
  readonly read?: ((value: never) => T) | undefined
}

type Flags = { waiting?: boolean; listening?: boolean; look?: true; attach?: MessagePort }
type News = Pick<FromThread, 'news' | 'events'>

export class Channel {
  readonly #line: Line
  readonly #clock: Clock | undefined
  readonly #heard: (news: News) => void
  readonly #pending = new Map<number, Pending>()
  #outgoing: Request[] = []
  #transfers: Transferable[] = []
  #flags: Flags = {}
  #lastId = 0
  #planned = false
  #closing = false
  #gone: OffstageError | undefined

  /**
   * @param clock broker time, where it is not the system's
   * @param heard called for news, after the answers that came with them
   */
  constructor(line: Line, clock: Clock | undefined, heard: (news: News) => void) {
    this.#line = line
    this.#clock = clock
    this.#heard = heard
    line.listen({
      message: (message) => this.#receive(message),
      ended: (why, cause) => this.#end(this.#closing ? 'the SQLite broker was closed' : why, cause),
    })
  }

  /** The thread is no more, and nobody closed it. */
  get died(): boolean {
    return this.#gone !== undefined && !this.#closing
  }

  /** @throws whatever the call is answered with, BROKER_CLOSED where the thread has ended */
  call<T>(call: Request['call'], args: readonly unknown[], options: CallOptions<T> = {}): Promise<T> {
    const { transfer, read } = options
    return new Promise<T>((resolve, reject) => {
      if (this.#gone !== undefined) {
        reject(this.#gone)
        return
      }
      this.#lastId += 1
      if (this.#pending.size === 0) this.#line.ref(true)
      this.#pending.set(this.#lastId, { resolve: resolve as (value: unknown) => void, reject, read })
      this.#outgoing.push({ id: this.#lastId, call, args })
      if (transfer !== undefined && transfer.length > 0) this.#transfers.push(transfer.buffer)
      this.#plan()
    })
  }

  tell(flags: Flags): void {
    Object.assign(this.#flags, flags)
    if (this.#gone === undefined) this.#plan()
  }

  /** From now on the thread answers at this port too. */
  attach(port: MessagePort): void {
    if (this.#gone !== undefined) {
      port.close()
      return
    }
    this.#transfers.push(port)
    this.tell({ attach: port })
  }

  async close(): Promise<void> {
    this.#closing = true
    if (this.#gone !== undefined) return
    if (this.#line.owner) await this.call('close', [])
    await this.#line.end()
  }

  /** Calls made in the same turn of the event loop share a message, so that the departure is a microtask away. */
  #plan(): void {
    if (this.#planned) return
    this.#planned = true
    queueMicrotask(() => {
      this.#planned = false
      if (this.#gone !== undefined) return
      const clock = this.#clock
      const message: ToThread = {
        requests: this.#outgoing,
        ...(clock === undefined ? {} : { reading: { wall: clock.now(), monotonic: clock.monotonic() } }),
        ...this.#flags,
      }
      const transfers = this.#transfers
      this.#outgoing = []
      this.#transfers = []
      this.#flags = {}
      this.#line.send(message, transfers)
    })
  }

  #receive({ answers, news, events }: FromThread): void {
    for (const answer of answers) {
      const pending = this.#pending.get(answer.id)
      this.#pending.delete(answer.id)
      if ('error' in answer) pending?.reject(received(answer.error))
      else if (pending?.read === undefined) pending?.resolve(answer.value)
      else pending.resolve(pending.read(answer.value as never))
    }
    if (answers.length > 0 && this.#pending.size === 0) this.#line.ref(false)
    if (news !== undefined || events !== undefined) this.#heard({ news, events })
  }

  #end(message: string, cause?: unknown): void {
    if (this.#gone === undefined) {
      const code = this.#closing ? 'BROKER_CLOSED' : 'STORE_FAILED'
      this.#gone = new OffstageError(code, message, cause === undefined ? {} : { cause })
    }
    for (const { reject } of this.#pending.values()) reject(this.#gone)
    this.#pending.clear()
  }
}

function received({ code, message, details }: SentError): OffstageError {
  return new OffstageError(code in errorCodes ? code : 'STORE_FAILED', message, { details })
}
