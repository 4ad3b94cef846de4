// A network that can be harmed: a TCP proxy in front of a server, which knows nothing of what goes over it. What it does
// to connections is what cables, firewalls and switches do: reset them, swallow what they carry, be slow, or be gone.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../support/ports.ts'
import { after, now, until } from './time.ts'

export interface Target {
  readonly host: string
  readonly port: number
}

/** `reply`: the server has done what was asked, and nobody hears of it. `request`: nothing has reached the server. */
type Loss = 'reply' | 'request'

interface Trap {
  readonly marks: readonly Buffer[]
  readonly lose: Loss
  readonly sprung: () => void
}

export class NetProxy {
  readonly port: number
  readonly #target: Target
  readonly #pairs = new Set<Pair>()
  #server: Server | undefined
  #accepted = 0
  #state: NetState = { hole: false, slammed: false, delayMs: 0, traps: [] }

  private constructor(port: number, target: Target) {
    this.port = port
    this.#target = target
  }

  /** Listens on a free loopback port. */
  static async start(target: Target): Promise<NetProxy> {
    const proxy = new NetProxy(await freePort(), target)
    await proxy.#listen()
    return proxy
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Connections that one end has given up in the hole, while the other does not know. */
  get givenUp(): number {
    return [...this.#pairs].filter((pair) => pair.givenUp).length
  }

  /** Resets every connection. New ones are taken. */
  cut(): void {
    for (const pair of this.#pairs) pair.cut()
  }

  /**
   * From now on nothing comes through, either way, and nobody is told: connections stay open, new ones are accepted. A
   * connection that lost bytes stays silent for ever, also after `restore`; its ends have to notice by themselves.
   */
  blackHole(): void {
    this.#state.hole = true
  }

  /** Resets every connection, and refuses new ones until `restore`. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    const closed = new Promise((resolve) => server?.close(resolve) ?? resolve(undefined))
    this.cut()
    await closed
  }

  /** Resets every connection, and each new one as soon as it is there, until `restore`: `accepted` counts the tries. */
  slam(): void {
    this.#state.slammed = true
    this.cut()
  }

  /** The network is as before: no hole, no delay, nobody refused. */
  async restore(): Promise<void> {
    this.#state.hole = false
    this.#state.slammed = false
    this.#state.delayMs = 0
    for (const pair of this.#pairs) pair.restored()
    if (this.#server === undefined) await this.#listen()
  }

  /** Everything takes so much longer, each way. */
  delay(ms: number): void {
    this.#state.delayMs = ms
  }

  /**
   * Once: lets the next request through that has one of the marks in it (any request without a mark), swallows the
   * answer, and cuts the connection. Resolves when that has happened.
   */
  dropNextReply(...marks: readonly string[]): Promise<void> {
    return this.#trap('reply', marks)
  }

  /** Once: swallows the next request that has one of the marks in it, and cuts the connection. */
  dropNextRequest(...marks: readonly string[]): Promise<void> {
    return this.#trap('request', marks)
  }

  async close(): Promise<void> {
    await this.refuse()
    await until('all connections are closed', () => this.#pairs.size === 0)
  }

  #trap(lose: Loss, marks: readonly string[]): Promise<void> {
    return new Promise((sprung) => {
      this.#state.traps.push({ lose, marks: marks.map((mark) => Buffer.from(mark)), sprung })
    })
  }

  #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, '127.0.0.1', () => resolve())
    })
  }

  #accept(client: Socket): void {
    this.#accepted += 1
    if (this.#state.slammed) {
      client.on('error', () => undefined).resetAndDestroy()
      return
    }
    const pair = new Pair(client, this.#target, this.#state, () => this.#pairs.delete(pair))
    this.#pairs.add(pair)
  }
}

interface NetState {
  hole: boolean
  slammed: boolean
  delayMs: number
  readonly traps: Trap[]
}

/** One connection: the client's end and the server's. */
class Pair {
  readonly #client: Socket
  readonly #server: Socket
  readonly #state: NetState
  readonly #onEnd: () => void
  readonly #requests: Way
  readonly #replies: Way
  /** The end of what came last, in which a mark may have begun. */
  #rest: Buffer = Buffer.alloc(0)
  #sprung: Trap | undefined
  #lost = false
  #endedUnheard = false
  #over = false

  constructor(client: Socket, target: Target, state: NetState, onEnd: () => void) {
    this.#client = client
    this.#state = state
    this.#onEnd = onEnd
    this.#server = connect({ ...target, allowHalfOpen: true, noDelay: true })
    this.#requests = new Way(this.#server, state)
    this.#replies = new Way(client, state)
    client.on('data', (data) => this.#onRequest(data))
    this.#server.on('data', (data) => this.#onReply(data))
    this.#watch(client, this.#requests)
    this.#watch(this.#server, this.#replies)
  }

  get givenUp(): boolean {
    return this.#endedUnheard
  }

  cut(): void {
    if (this.#over) return
    this.#over = true
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
    this.#onEnd()
  }

  /** What closed while nobody could tell the other end of it is told now. */
  restored(): void {
    if (this.#endedUnheard) this.cut()
  }

  #watch(socket: Socket, onward: Way): void {
    // A reset comes as an error and then as a close, which says all there is to say.
    socket.on('error', () => undefined)
    socket.on('end', () => {
      if (this.#swallows()) this.#endUnheard()
      else onward.end()
    })
    socket.on('close', (hadError) => {
      if (this.#over) return
      if (this.#swallows()) this.#endUnheard()
      else if (hadError || (this.#client.destroyed && this.#server.destroyed)) this.cut()
    })
  }

  /** One end went in the hole. The other hears of it when the hole is gone, as it would by its own keep-alive. */
  #endUnheard(): void {
    this.#lost = true
    this.#endedUnheard = true
    if (!this.#state.hole) this.cut()
  }

  #onRequest(data: Buffer): void {
    if (this.#swallows()) {
      this.#lost = true
      return
    }
    const trap = this.#trapFor(data)
    if (trap?.lose === 'request') {
      trap.sprung()
      this.cut()
      return
    }
    this.#sprung ??= trap
    this.#requests.write(data)
  }

  #onReply(data: Buffer): void {
    if (this.#swallows()) {
      this.#lost = true
      return
    }
    if (this.#sprung === undefined) {
      this.#replies.write(data)
      return
    }
    // The answer to an earlier request may come first. It is lost too, and the server has all that was sent before it
    // hears of the end.
    this.#sprung.sprung()
    this.#over = true
    this.#client.resetAndDestroy()
    this.#server.removeAllListeners('data').resume()
    this.#server.end()
    this.#onEnd()
  }

  #swallows(): boolean {
    return this.#lost || this.#state.hole
  }

  #trapFor(data: Buffer): Trap | undefined {
    const { traps } = this.#state
    if (traps.length === 0) {
      this.#rest = Buffer.alloc(0)
      return undefined
    }
    const seen = Buffer.concat([this.#rest, data])
    const at = traps.findIndex(({ marks }) => marks.length === 0 || marks.some((mark) => seen.includes(mark)))
    const longest = Math.max(0, ...traps.flatMap(({ marks }) => marks.map(({ length }) => length)))
    this.#rest = seen.subarray(Math.max(0, seen.length - Math.max(0, longest - 1)))
    return at < 0 ? undefined : traps.splice(at, 1)[0]
  }
}

/** One direction, which keeps its order however slow the network is. */
class Way {
  readonly #to: Socket
  readonly #state: NetState
  readonly #queue: { readonly dueAt: number; readonly act: () => void }[] = []

  constructor(to: Socket, state: NetState) {
    this.#to = to
    this.#state = state
  }

  write(data: Buffer): void {
    this.#later(() => void (this.#to.writable && this.#to.write(data)))
  }

  end(): void {
    this.#later(() => void this.#to.end())
  }

  #later(act: () => void): void {
    const { delayMs } = this.#state
    if (delayMs === 0 && this.#queue.length === 0) {
      act()
      return
    }
    const dueAt = Math.max(this.#queue.at(-1)?.dueAt ?? 0, now() + delayMs)
    this.#queue.push({ dueAt, act })
    if (this.#queue.length === 1) this.#arm(dueAt)
  }

  /** One timer at a time: those of several would not keep the order of what they carry. */
  #arm(dueAt: number): void {
    after(Math.max(0, Math.ceil(dueAt - now())), () => {
      for (let first = this.#queue[0]; first !== undefined && first.dueAt <= now(); first = this.#queue[0]) {
        first.act()
        this.#queue.shift()
      }
      const [next] = this.#queue
      if (next !== undefined) this.#arm(next.dueAt)
    })
  }
}
