// Asks the sentinels who the primary is.
import { OffstageError } from '../../errors/error.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'
import { type Address, nameOf } from './options.ts'

export interface SentinelOptions {
  readonly sentinels: readonly Address[]
  readonly primary: string
  readonly connect: (address: Address, signal: AbortSignal) => Promise<Connection>
}

export class Sentinels {
  readonly #options: SentinelOptions
  /** Who answered last is asked first; those that others told of stand at the end. */
  #known: Address[]

  constructor(options: SentinelOptions) {
    this.#options = options
    this.#known = [...options.sentinels]
  }

  get known(): readonly Address[] {
    return this.#known
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
