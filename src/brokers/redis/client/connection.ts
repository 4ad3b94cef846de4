// One connection to one server, from its socket to its end: opened with AUTH, SELECT and a look at INFO, then used for
// commands. It never reconnects and never sends anything twice; `link.ts` makes the next one.
//
// ioredis does the wire; the socket is made here, so that it can be left out of what keeps the process alive, and
// destroyed at once when its server has gone silent.
import { readFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { OffstageError } from '../../../errors/error.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { type Access, type Address, invalid, nameOf, type TlsOptions } from '../options.ts'
import { clean, fromReply, replyOf, unavailable, unreachable } from './errors.ts'
import type { Connector, MakeWire, Wire } from './ioredis.ts'

/** One connection: what a link needs of it. */
export interface Connection {
  readonly address: Address
  /** The reply to INFO of the handshake; undefined where the user may not ask, or it was not asked for. */
  readonly info: string | undefined
  /** Resolves when the connection has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Commands can be sent. */
  readonly open: boolean
  /** Why it was destroyed, where it was. */
  readonly why: OffstageError | undefined
  /** Rejects with what ioredis says: the caller turns it into a coded error. */
  send(name: string, args: readonly (string | Buffer)[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  onMessage(listener: (channel: Buffer, message: Buffer) => void): void
  /** Called for each sign of life. */
  onData(listener: () => void): void
  /** The coded error for a rejection of `send`. */
  coded(error: unknown, what: string, key?: string): OffstageError
  /** Whether the socket keeps the process alive. */
  hold(hold: boolean): void
  /** Ends it at once; commands under way reject. */
  destroy(why: OffstageError): void
}

/** How long making a connection may take. */
export interface Steps {
  readonly clock: Clock
  /** For all steps together. */
  readonly timeoutMs: number
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

export interface ConnectOptions extends Steps {
  readonly make: MakeWire
  readonly access: Access
  readonly baseDir: string
  /** Ask for INFO; sentinels are not asked. */
  readonly info: boolean
}

/** A connection over a wire of ioredis. */
export class WireConnection implements Connection {
  readonly address: Address
  readonly info: string | undefined
  readonly ended: Promise<void>
  readonly #wire: Wire
  readonly #socket: Socket
  readonly #access: Access
  #why: OffstageError | undefined
  #open = true

  constructor(wire: Wire, socket: Socket, address: Address, access: Access, info: string | undefined) {
    this.#wire = wire
    this.#socket = socket
    this.#access = access
    this.address = address
    this.info = info
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#open = false
        resolve()
      })
    })
    if (socket.destroyed) this.#open = false
  }

  get open(): boolean {
    // The server's goodbye comes before the end of the socket.
    return this.#open && this.#socket.writable
  }

  get why(): OffstageError | undefined {
    return this.#why
  }

  send(name: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#wire.callBuffer(name, args)
  }

  subscribe(channel: string): Promise<unknown> {
    return this.#wire.subscribe(channel)
  }

  unsubscribe(channel: string): Promise<unknown> {
    return this.#wire.unsubscribe(channel)
  }

  onMessage(listener: (channel: Buffer, message: Buffer) => void): void {
    this.#wire.on('messageBuffer', listener)
  }

  onData(listener: () => void): void {
    this.#socket.on('data', listener)
  }

  coded(error: unknown, what: string, key?: string): OffstageError {
    // What was under way when we gave the connection up failed for our reason, not because of a closed socket.
    if (this.#why !== undefined && replyOf(error) === '') return this.#why
    return fromReply(error, { server: this.address, what, key, access: this.#access })
  }

  hold(hold: boolean): void {
    if (hold) this.#socket.ref()
    else this.#socket.unref()
  }

  destroy(why: OffstageError): void {
    this.#why ??= why
    this.#open = false
    this.#wire.disconnect()
    this.#socket.destroy()
  }
}

/** @throws BROKER_UNAVAILABLE, BROKER_AUTH, BROKER_FORBIDDEN, OPTION_INVALID (a certificate that cannot be read) */
export async function connect(address: Address, options: ConnectOptions): Promise<Connection> {
  const { make, access } = options
  const tls = access.tls === undefined ? undefined : readTls(access.tls, options.baseDir)
  let socket: Socket | undefined
  const open = (): Socket => {
    socket = openSocket(address, tls)
    return socket
  }
  const wire = new make(wireOptions(open, tls !== undefined))
  return finishConnect(
    wire,
    () => socket,
    address,
    options,
    async () => {
      const info = await handshake(wire, address, options)
      if (socket === undefined) throw unavailable('the connection has no socket')
      return new WireConnection(wire, socket, address, access, info)
    },
  )
}

/** Connects a wire and runs `steps` on it, within the time there is; else it is destroyed. */
export async function finishConnect(
  wire: Wire,
  socket: () => Socket | undefined,
  address: Address,
  { clock, timeoutMs, signal }: Steps,
  steps: () => Promise<Connection>,
): Promise<Connection> {
  let cause: unknown
  wire.on('error', (error: unknown) => {
    cause ??= error
  })
  let ended: OffstageError | undefined
  const end = (why: OffstageError): void => {
    ended ??= why
    wire.disconnect()
    socket()?.destroy()
  }
  const where = nameOf(address)
  const late = (): void => {
    // A port that speaks no TLS takes the greeting for the beginning of a command, and waits for the rest.
    const advice = socket() instanceof TLSSocket ? '; does this port speak TLS?' : ''
    const message = `Redis at ${where} cannot be reached: no answer within ${timeoutMs} ms (ETIMEDOUT)${advice}`
    end(unavailable(message, { server: where, reason: 'ETIMEDOUT' }))
  }
  const timer = clock.schedule(timeoutMs, late)
  const abort = (): void => end(unavailable('the connection was not wanted any more'))
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    if (ended !== undefined) throw ended
    await wire.connect()
    const connection = await steps()
    if (ended !== undefined) throw ended
    return connection
  } catch (error) {
    wire.disconnect()
    socket()?.destroy()
    if (ended !== undefined) throw ended
    throw error instanceof OffstageError ? error : unreachable(address, cause ?? error)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', abort)
  }
}

/** All steps leave together. A server that wants no password is told none is wrong: its own words go into the error. */
async function handshake(
  wire: Wire,
  address: Address,
  { access, info }: ConnectOptions,
): Promise<string | undefined> {
  const { username, password, db } = access
  const steps: Promise<unknown>[] = []
  const step = (name: string, args: readonly string[]): void => {
    const sent = wire.callBuffer(name, args).catch((error: unknown) => {
      if (replyOf(error) === '') throw error
      if (name === 'AUTH' && replyOf(error) === 'ERR')
        throw new OffstageError('BROKER_AUTH', `Redis at ${nameOf(address)}: ${clean(String(error), access)}`)
      throw fromReply(error, { server: address, what: name, access })
    })
    steps.push(sent)
  }
  if (password !== undefined && password !== '')
    step('AUTH', username === undefined ? [password] : [username, password])
  if (db !== 0) step('SELECT', [String(db)])
  let text: string | undefined
  if (info) {
    const asked = wire.callBuffer('INFO', []).then(
      (reply) => {
        text = String(reply)
      },
      (error: unknown) => {
        // A user who may not ask may still work: what INFO would have told is then unknown.
        if (replyOf(error) === 'NOPERM') return
        if (replyOf(error) === '') throw error
        throw fromReply(error, { server: address, what: 'INFO', access })
      },
    )
    steps.push(asked)
  } else step('PING', [])
  const results = await Promise.allSettled(steps)
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return text
}

function openSocket(address: Address, tls: object | undefined): Socket {
  // The name goes into the TLS greeting, unless it is an address, which may not.
  const socket =
    tls === undefined ? createConnection(address) : connectTls({ ...serverName(address), ...address, ...tls })
  // Only a call that is under way keeps the process alive (`hold`).
  socket.unref()
  // ioredis hears the first error only; one more must not end the process.
  socket.on('error', () => undefined)
  return socket
}

function serverName(address: Address): { servername?: string } {
  return 'host' in address && !/^[\d.]+$|:/.test(address.host) ? { servername: address.host } : {}
}

function wireOptions(open: () => Socket, tls: boolean): ConstructorParameters<MakeWire>[0] {
  class Socketed implements Connector {
    #socket: Socket | undefined
    connect(): Promise<Socket> {
      this.#socket = open()
      return Promise.resolve(this.#socket)
    }
    disconnect(): void {
      this.#socket?.destroy()
    }
    check(): boolean {
      return true
    }
  }
  return {
    Connector: Socketed,
    // Read by ioredis only to know which event says that the socket is open.
    ...(tls ? { tls: {} } : {}),
    lazyConnect: true,
    // Version 6 speaks RESP3 unless told otherwise; 5 ignores this.
    protocol: 2,
    // Reconnecting, waiting, repeating and time limits are ours.
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    connectTimeout: 0,
    // INFO is asked by us, once, and answers more than whether the server is ready.
    enableReadyCheck: false,
    // Else a user without CLIENT SETINFO would leave a line in the server's ACL log at each connection.
    disableClientInfo: true,
  }
}

function readTls({ caFile, certFile, keyFile, ...rest }: TlsOptions, baseDir: string): object {
  return {
    ...rest,
    ...(caFile === undefined ? {} : { ca: readPem('ca', caFile, baseDir) }),
    ...(certFile === undefined ? {} : { cert: readPem('cert', certFile, baseDir) }),
    ...(keyFile === undefined ? {} : { key: readPem('key', keyFile, baseDir) }),
  }
}

function readPem(name: string, path: string, baseDir: string): Buffer {
  try {
    return readFileSync(resolve(baseDir, path))
  } catch (error) {
    throw invalid(
      `tls.${name}File`,
      `a file that cannot be read (${String((error as { code?: unknown }).code)})`,
      'a PEM file',
    )
  }
}
