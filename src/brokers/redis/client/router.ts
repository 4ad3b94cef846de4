// Which connection serves a key: one link where there is one primary, a link a node on a cluster (`cluster.ts`).
import type { OffstageError } from '../../../errors/error.ts'
import type { Address } from '../options.ts'
import type { Turn } from './errors.ts'
import { Link, type LinkOptions } from './link.ts'

export interface Router {
  start(): void
  /** The link to the node that owns the key; undefined while that is not known. */
  linkOf(key: string): Link | undefined
  /** The link to a node that another one named. */
  linkAt(address: Address): Link
  links(): Iterable<Link>
  /** A name for the node that owns the key; undefined while that is not known. */
  nodeOf(key: string): string | undefined
  /** Where the node of that name is now. */
  locate(node: string, signal: AbortSignal): Promise<Address>
  /** Looks again who owns what, where that can change without a word. */
  refresh(): void
  /** Why no node is known for a key. */
  readonly failure: OffstageError | undefined
  /** A node said that it is not the owner, or cannot be now. */
  turned(turn: Turn, answeredBy: Address): void
  close(why: OffstageError): Promise<void>
}

/** One server, or whichever is the primary by the word of the sentinels. */
export class SingleRouter implements Router {
  readonly #link: Link
  readonly #locate: LinkOptions['locate']

  constructor(options: LinkOptions) {
    this.#link = new Link(options)
    this.#locate = options.locate
  }

  get failure(): OffstageError | undefined {
    return this.#link.failure
  }

  start(): void {
    this.#link.start()
  }

  linkOf(): Link {
    return this.#link
  }

  linkAt(): Link {
    return this.#link
  }

  links(): Iterable<Link> {
    return [this.#link]
  }

  nodeOf(): string {
    return 'primary'
  }

  locate(_node: string, signal: AbortSignal): Promise<Address> {
    return this.#locate(signal)
  }

  refresh(): void {}

  turned(): void {}

  close(why: OffstageError): Promise<void> {
    return this.#link.close(why)
  }
}
