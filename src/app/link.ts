// The app's link to its broker: opened at the first use, shared by all, and exchanged by tests for one of their own.
import type { Broker } from '../broker/contract.ts'
import { OffstageError } from '../errors/error.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { isGuest } from '../task/announce.ts'
import { locateBroker } from './locate.ts'
import type { AppSettings } from './options.ts'

/** What a test puts under an app. */
export interface Substitute {
  /** Open. Whoever made it closes it. */
  readonly broker: Broker
  readonly clock: Clock
  /** What runs in threads or processes runs here instead: a test's broker, clock and mocks are not to be had there. */
  readonly inline: boolean
}

export class BrokerLink {
  readonly #settings: AppSettings
  #opening: Promise<Broker> | undefined
  #substitute: Substitute | undefined
  #closed = false
  readonly #onExchange: (error: OffstageError) => void

  /** @param onExchange called when the broker changes under those who wait for what is in it */
  constructor(settings: AppSettings, onExchange: (error: OffstageError) => void) {
    this.#settings = settings
    this.#onExchange = onExchange
  }

  get clock(): Clock {
    return this.#substitute?.clock ?? systemClock
  }

  get closed(): boolean {
    return this.#closed
  }

  get logger(): Logger {
    return this.#settings.logger
  }

  /**
   * The open broker. First uses at the same time share one opening; a failed one is made again at the next use.
   *
   * @throws APP_CLOSED, BROKER_REQUIRED, BROKER_*, STORE_*
   */
  async broker(): Promise<Broker> {
    if (this.#closed) throw appClosed()
    if (this.#substitute !== undefined) return this.#substitute.broker
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Puts a test's broker and clock in place, or takes them away again. */
  exchange(substitute: Substitute | undefined): void {
    this.#substitute = substitute
    // Else they would go on asking the other broker, and open it for that.
    this.#onExchange(
      new OffstageError('BROKER_CLOSED', 'a test began or ended, and the broker of this job is gone with it'),
    )
  }

  get substitute(): Substitute | undefined {
    return this.#substitute
  }

  /** Closes the broker where it was opened. Nothing opens it again. */
  async close(): Promise<void> {
    this.#closed = true
    // An opening that failed was told to whoever asked for it, and left nothing to close.
    const broker = await this.#opening?.catch(() => undefined)
    await broker?.close()
  }

  async #open(): Promise<Broker> {
    try {
      const broker = await this.make()
      await broker.open()
      if (isGuest() && !broker.capabilities.shared) {
        await broker.close()
        throw new OffstageError(
          'BROKER_UNSUPPORTED',
          `the ${broker.name} broker is not shared between threads: what is enqueued in this one would be seen by nobody`,
        )
      }
      return broker
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  /** A broker as `broker()` opens it, not yet opened. Whoever asks for it closes it. */
  async make(): Promise<Broker> {
    const { broker, namespace, logger } = this.#settings
    const handed = isGuest() ? handedBroker() : undefined
    if (handed !== undefined)
      return (await import('../brokers/open.ts')).openBroker(handed.url, { ...handed, logger })
    if (typeof broker === 'object') return broker
    const { url, from, baseDir } = locateBroker(broker, { env: process.env, cwd: process.cwd() })
    const { openBroker } = await import('../brokers/open.ts')
    const made = await openBroker(url, { baseDir, namespace, logger })
    const said = { broker: made.name, namespace: made.namespace, baseDir }
    // Where nobody named a broker, a person should hear where the jobs are.
    if (from === 'default') logger.warn(said, `no broker is named; jobs are kept in ${url}`)
    else logger.info(said, `jobs are kept in the ${made.name} broker that is named by ${from}`)
    return made
  }
}

/** A broker that wins over the one that code names, for threads and processes that run handlers for this one. */
interface Handed {
  readonly url: string
  readonly baseDir: string
  readonly namespace: string
}

/** They inherit the environment, and nothing else reaches the apps in them before their modules are imported. */
const HANDED = 'OFFSTAGE_GUEST_BROKER'

export function handToGuests(broker: Handed): void {
  process.env[HANDED] = JSON.stringify(broker)
}

function handedBroker(): Handed | undefined {
  const { [HANDED]: handed } = process.env
  return handed === undefined ? undefined : (JSON.parse(handed) as Handed)
}

export function appClosed(): OffstageError {
  return new OffstageError('APP_CLOSED', 'the app was closed; make a new one with offstage()')
}
