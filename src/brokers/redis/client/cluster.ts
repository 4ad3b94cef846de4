// The way through a cluster: which node owns which slot, and a link to each node that is asked for. The map is read
// again whenever a node says that a slot has moved, or a node is lost.
import { OffstageError } from '../../../errors/error.ts'
import { sleep } from '../../../runtime/clock.ts'
import { type Address, nameOf } from '../options.ts'
import type { Connection } from './connection.ts'
import { type Turn, unavailable } from './errors.ts'
import { Link, type LinkOptions } from './link.ts'
import type { Router } from './router.ts'
import { slotOf } from './slot.ts'

const REFRESH_PAUSE_MS = 200

export interface ClusterOptions extends Omit<LinkOptions, 'locate'> {
  readonly seeds: readonly Address[]
  /** A connection that is only asked for the map. */
  readonly probe: (address: Address, signal: AbortSignal) => Promise<Connection>
}

interface Range {
  readonly from: number
  readonly to: number
  readonly owner: Address
}

export class ClusterRouter implements Router {
  readonly #options: ClusterOptions
  readonly #links = new Map<string, Link>()
  readonly #stop = new AbortController()
  /** All nodes that were ever named, replicas too: any of them can tell the map. */
  #nodes: Address[]
  #ranges: readonly Range[] = []
  /** Slots that a node said have moved, until the map is read again. */
  readonly #moved = new Map<number, Address>()
  #refreshing: Promise<void> | undefined
  #again = false
  #failure: OffstageError | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#nodes = [...options.seeds]
  }

  get failure(): OffstageError | undefined {
    return this.#failure
  }

  start(): void {
    this.refresh()
  }

  /** The owner of the slot of a key, as far as is known. */
  ownerOf(key: string): Address | undefined {
    const slot = slotOf(key)
    return this.#moved.get(slot) ?? this.#ranges.find(({ from, to }) => slot >= from && slot <= to)?.owner
  }

  linkOf(key: string): Link | undefined {
    const owner = this.ownerOf(key)
    return owner === undefined ? undefined : this.linkAt(owner)
  }

  linkAt(address: Address): Link {
    const name = nameOf(address)
    const known = this.#links.get(name)
    if (known !== undefined) return known
    const { changed } = this.#options
    const link = new Link({
      ...this.#options,
      locate: () => Promise.resolve(address),
      changed: (link) => {
        // A node that cannot be reached may have been replaced.
        if (link?.connection === undefined) this.refresh()
        changed(link)
      },
    })
    this.#links.set(name, link)
    if (!this.#stop.signal.aborted) link.start()
    return link
  }

  nodeOf(key: string): string | undefined {
    const owner = this.ownerOf(key)
    return owner === undefined ? undefined : nameOf(owner)
  }

  locate(node: string): Promise<Address> {
    const found = this.#nodes.find((one) => nameOf(one) === node)
    return found === undefined
      ? Promise.reject(unavailable(`Redis at ${node} has left the cluster`))
      : Promise.resolve(found)
  }

  links(): Iterable<Link> {
    return this.#links.values()
  }

  turned(turn: Turn, answeredBy: Address): void {
    if (turn.kind === 'moved') {
      const to = turn.to ?? answeredBy
      this.#moved.set(turn.slot, to)
    }
    if (turn.kind !== 'noscript') this.refresh()
  }

  async close(why: OffstageError): Promise<void> {
    this.#stop.abort()
    this.#failure = why
    await Promise.all([...this.#links.values()].map((link) => link.close(why)))
    await this.#refreshing
  }

  /** Reads the map again, soon. */
  refresh(): void {
    if (this.#refreshing !== undefined) {
      this.#again = true
      return
    }
    this.#refreshing = this.#refresh().finally(() => {
      this.#refreshing = undefined
      if (!this.#again || this.#stop.signal.aborted) return
      this.#again = false
      this.refresh()
    })
  }

  async #refresh(): Promise<void> {
    const { clock, changed } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      const done = await this.#read(signal)
      changed()
      await sleep(clock, REFRESH_PAUSE_MS * (0.75 + Math.random() / 2), { signal })
      if (done) return
    }
  }

  /** Asks one node after the other; true where one has answered a map with slots in it. */
  async #read(signal: AbortSignal): Promise<boolean> {
    for (const node of [...this.#nodes]) {
      if (signal.aborted) return false
      const link = this.#links.get(nameOf(node))
      let lent: Connection | undefined
      try {
        const open = link?.connection
        if (open === undefined) lent = await this.#options.probe(node, signal)
        const connection = open ?? lent
        if (connection === undefined) continue
        const sent = connection.send('CLUSTER', ['SLOTS'])
        const reply = await (link === undefined || open === undefined ? sent : link.track(open, sent)).catch(
          (error: unknown) => {
            throw connection.coded(error, 'CLUSTER SLOTS')
          },
        )
        if (this.#learn(reply, node)) return true
        this.#failure = unavailable(`the cluster that Redis at ${nameOf(node)} is in serves no slots`)
      } catch (error) {
        this.#failure = error instanceof OffstageError ? error : unavailable('the cluster could not be asked')
      } finally {
        lent?.destroy(unavailable('the node has answered'))
      }
    }
    return false
  }

  #learn(reply: unknown, from: Address): boolean {
    const { ranges, nodes } = readSlots(reply, from)
    if (ranges.length === 0) return false
    this.#ranges = ranges
    this.#moved.clear()
    this.#failure = undefined
    const names = new Set<string>()
    this.#nodes = [...nodes, ...this.#options.seeds].filter((node) => {
      const name = nameOf(node)
      return names.has(name) ? false : names.add(name)
    })
    for (const [name, link] of this.#links) {
      if (names.has(name)) continue
      // The node has left the cluster; what still waits for it finds the new owner.
      this.#links.delete(name)
      void link.close(unavailable(`Redis at ${name} has left the cluster`))
    }
    return true
  }
}

/** `[[from, to, [host, port, id, …], …replicas], …]` */
function readSlots(reply: unknown, from: Address): { ranges: Range[]; nodes: Address[] } {
  const ranges: Range[] = []
  const nodes: Address[] = []
  if (!Array.isArray(reply)) return { ranges, nodes }
  for (const entry of reply) {
    if (!Array.isArray(entry)) continue
    const [first, last, ...servers] = entry
    const addresses = servers.map((server) => readNode(server, from)).filter((one) => one !== undefined)
    const [owner] = addresses
    nodes.push(...addresses)
    if (owner !== undefined) ranges.push({ from: Number(first), to: Number(last), owner })
  }
  return { ranges, nodes }
}

/** A node that does not know its own address names none: it is then the one that was asked. */
function readNode(server: unknown, asked: Address): Address | undefined {
  if (!Array.isArray(server)) return undefined
  const host = server[0] === null ? '' : String(server[0])
  const port = Number(server[1])
  if (host !== '' && host !== '?') return { host, port }
  return 'host' in asked ? { host: asked.host, port } : undefined
}
