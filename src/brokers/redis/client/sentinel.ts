// The primary by the word of the sentinels: they are asked before each connection, and heard all the time, since one
// that was demoted keeps its connections for seconds and takes writes that will be lost.
import { OffstageError } from '../../../errors/error.ts'
import { type Clock, sleep } from '../../../runtime/clock.ts'
import { type Address, nameOf } from '../options.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'
import type { LinkOptions } from './link.ts'
import { type Router, SingleRouter } from './router.ts'
import { Subscriber } from './subscriber.ts'

/** The words of a sentinel that may mean another primary. */
const CHANNELS = ['+switch-master', '+failover-state-reconf-slaves', '+failover-end']
const MAX_HEARD = 5

export interface SentinelOptions {
  readonly clock: Clock
  readonly silenceMs: number
  /** Called with the address of the primary after a sentinel gave reason to ask. */
  readonly moved: (primary: Address) => void
  readonly sentinels: readonly Address[]
  readonly primary: string
  readonly connect: (address: Address, signal: AbortSignal) => Promise<Connection>
}

/** One link to whichever server is the primary. */
export class SentinelRouter extends SingleRouter implements Router {
  readonly #sentinels: Sentinels
  readonly #options: SentinelOptions
  readonly #stop = new AbortController()
  readonly #heard: readonly Subscriber[]
  #asking = false
  #again = false

  constructor(options: Omit<LinkOptions, 'locate'>, sentinelOptions: SentinelOptions) {
    const sentinels = new Sentinels(sentinelOptions)
    super({ ...options, locate: (signal) => sentinels.locate(signal) })
    this.#sentinels = sentinels
    this.#options = sentinelOptions
    const { clock, silenceMs, connect } = sentinelOptions
    // One of them leads a failover and knows first, and any may be gone: so all are heard, up to a bound.
    this.#heard = sentinelOptions.sentinels.slice(0, MAX_HEARD).map(
      (sentinel) =>
        new Subscriber(
          {
            clock,
            silenceMs,
            connect,
            locate: () => Promise.resolve(sentinel),
            changed: () => undefined,
          },
          () => undefined,
        ),
    )
  }

  override start(): void {
    super.start()
    for (const [i, subscriber] of this.#heard.entries()) {
      const sentinel = this.#options.sentinels[i]
      if (sentinel === undefined) continue
      const listener = {
        onMessage: (message: Buffer): void => {
          if (message.toString().split(' ').includes(this.#options.primary)) this.#ask(sentinel)
        },
        onResubscribed: (): void => this.#ask(sentinel),
      }
      // There is no connection yet: they are subscribed with it.
      for (const channel of CHANNELS) void subscriber.add(channel, listener)
      subscriber.link.start()
    }
  }

  override async close(why: OffstageError): Promise<void> {
    this.#stop.abort()
    await Promise.all([super.close(why), ...this.#heard.map((subscriber) => subscriber.close(why))])
  }

  /** Asks this sentinel first, once more where another word came meanwhile. */
  #ask(sentinel: Address): void {
    this.#sentinels.prefer(sentinel)
    if (this.#asking) {
      this.#again = true
      return
    }
    this.#asking = true
    void this.#follow().finally(() => {
      this.#asking = false
    })
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    do {
      this.#again = false
      // Where none can be asked now, the next word, or the next connection, asks again.
      const primary = await this.#sentinels.locate(signal).catch(() => undefined)
      if (primary !== undefined && !signal.aborted) this.#options.moved(primary)
      if (this.#again) await sleep(this.#options.clock, 20, { signal })
    } while (this.#again && !signal.aborted)
  }
}

class Sentinels {
  readonly #options: SentinelOptions
  /** Who answered last is asked first; those that others told of stand at the end. */
  #known: Address[]

  constructor(options: SentinelOptions) {
    this.#options = options
    this.#known = [...options.sentinels]
  }

  prefer(sentinel: Address): void {
    const name = nameOf(sentinel)
    this.#known = [sentinel, ...this.#known.filter((one) => nameOf(one) !== name)]
  }

  /** @throws BROKER_MASTER_UNKNOWN, BROKER_UNAVAILABLE, BROKER_AUTH */
  async locate(signal: AbortSignal): Promise<Address> {
    const { primary, connect } = this.#options
    let failure: OffstageError | undefined
    let unknownTo: Address | undefined
    for (const sentinel of [...this.#known]) {
      let connection: Connection | undefined
      try {
        connection = await connect(sentinel, signal)
        const found = await ask(connection, primary)
        if (found === undefined) unknownTo = sentinel
        else {
          await this.#learn(connection, sentinel)
          return found
        }
      } catch (error) {
        failure = error instanceof OffstageError ? error : connection?.coded(error, 'SENTINEL')
      } finally {
        connection?.destroy(unavailable('the sentinel has answered'))
      }
    }
    if (unknownTo !== undefined)
      throw new OffstageError(
        'BROKER_MASTER_UNKNOWN',
        `the sentinel at ${nameOf(unknownTo)} watches no primary of the name '${primary.slice(0, 80)}'`,
        { details: { primary } },
      )
    throw failure ?? unavailable('no sentinel could be asked')
  }

  async #learn(connection: Connection, sentinel: Address): Promise<void> {
    const others = await connection.send('SENTINEL', ['SENTINELS', this.#options.primary]).catch(() => [])
    const all = [sentinel, ...this.#known, ...readPeers(others)]
    const names = new Set<string>()
    this.#known = all.filter((one) => {
      const name = nameOf(one)
      return names.has(name) ? false : names.add(name)
    })
  }
}

async function ask(connection: Connection, primary: string): Promise<Address | undefined> {
  const reply = await connection.send('SENTINEL', ['GET-MASTER-ADDR-BY-NAME', primary])
  if (!Array.isArray(reply)) return undefined
  return { host: String(reply[0]), port: Number(String(reply[1])) }
}

/** Each peer is a flat list of names and values. */
function readPeers(reply: unknown): Address[] {
  if (!Array.isArray(reply)) return []
  const peers: Address[] = []
  for (const one of reply) {
    if (!Array.isArray(one)) continue
    const fields = one.map(String)
    const host = fields[fields.indexOf('ip') + 1]
    const port = Number(fields[fields.indexOf('port') + 1])
    if (host !== undefined && host !== '' && port > 0) peers.push({ host, port })
  }
  return peers
}
