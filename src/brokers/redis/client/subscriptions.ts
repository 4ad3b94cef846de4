// All subscriptions of a client: each stands on the node that owns its key, and moves on when the slot has moved.
import type { OffstageError } from '../../../errors/error.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { unavailable } from './errors.ts'
import type { Link, LinkOptions } from './link.ts'
import type { Router } from './router.ts'
import { type Listener, Subscriber } from './subscriber.ts'
import type { Waiters } from './waiters.ts'

export interface SubscriptionsOptions {
  readonly clock: Clock
  readonly silenceMs: number
  readonly router: Router
  readonly waiters: Waiters
  /** How long a new subscription waits for a connection. */
  readonly waitMs: number
  readonly connect: LinkOptions['connect']
  readonly changed: LinkOptions['changed']
}

interface Subscription {
  readonly key: string
  readonly channel: string
  readonly listener: Listener
  /** The node it stands on. */
  node: string
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #nodes = new Map<string, Subscriber>()
  readonly #all = new Set<Subscription>()

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  *links(): Iterable<Link> {
    for (const { link } of this.#nodes.values()) yield link
  }

  async add(key: string, channel: string, listener: Listener): Promise<() => Promise<void>> {
    const { waiters, waitMs, silenceMs, router } = this.#options
    const { node, subscriber } = await waiters.wait(
      (): { node: string; subscriber: Subscriber } | { failure: OffstageError | undefined } => {
        const node = router.nodeOf(key)
        if (node === undefined) return { failure: router.failure }
        const subscriber = this.#subscriber(node)
        return subscriber.link.connection === undefined
          ? { failure: subscriber.link.failure }
          : { node, subscriber }
      },
      waitMs,
      (failure) => !failure.retryable,
    )
    const subscription: Subscription = { key, channel, listener, node }
    // This connection holds no process by itself; a call that is under way does.
    await waiters.limit(
      subscriber.add(channel, listener),
      waitMs + silenceMs,
      unavailable('Redis did not answer SUBSCRIBE'),
    )
    this.#all.add(subscription)
    return async () => {
      if (!this.#all.delete(subscription)) return
      await this.#nodes.get(subscription.node)?.remove(channel, listener)
    }
  }

  /** Moves what stands on a node that does not own its key any more. */
  rebalance(): void {
    for (const subscription of this.#all) {
      const node = this.#options.router.nodeOf(subscription.key)
      if (node === undefined || node === subscription.node) continue
      const { channel, listener } = subscription
      const from = this.#nodes.get(subscription.node)
      subscription.node = node
      // Heard on both for a moment: twice is a hint too many, and never is one too few.
      this.#subscriber(node)
        .move(channel, listener)
        .then(() => from?.remove(channel, listener))
        // The connection has ended meanwhile; the next one subscribes it, and tells so.
        .catch(() => from?.remove(channel, listener))
    }
  }

  async close(why: OffstageError): Promise<void> {
    this.#all.clear()
    await Promise.all([...this.#nodes.values()].map((node) => node.close(why)))
  }

  #subscriber(node: string): Subscriber {
    const known = this.#nodes.get(node)
    if (known !== undefined) return known
    const { clock, silenceMs, router, connect, changed } = this.#options
    const made = new Subscriber(
      { clock, silenceMs, connect, changed, locate: (signal) => router.locate(node, signal) },
      () => router.refresh(),
    )
    this.#nodes.set(node, made)
    made.link.start()
    return made
  }
}
