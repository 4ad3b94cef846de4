// The broker as a worker calls it: no answer is waited for without end, so that one call which hangs costs time and
// silences nothing. A net beneath the time limits that brokers have of their own.
import type { Broker } from '../broker/contract.ts'
import type {
  ExtendAnswer,
  HeldLease,
  Reserved,
  ReserveRequest,
  Settled,
  SettleRequest,
} from '../broker/message.ts'
import { isTransacting, type TransactingBroker } from '../broker/transacting.ts'
import { OffstageError } from '../errors/error.ts'
import type { Clock } from '../runtime/clock.ts'
import { formatMs } from '../runtime/durations.ts'

const PATIENCE_MS = 30_000
/** A renewal that hangs has to leave time for another before the lease ends. */
const MIN_RENEWAL_MS = 1_000

/** Each call rejects with BROKER_UNAVAILABLE when it has not been answered in time. */
export class PatientBroker {
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #renewalMs: number
  #ended = false

  constructor(broker: Broker, clock: Clock, leaseMs: number) {
    this.#broker = broker
    this.#clock = clock
    this.#renewalMs = Math.max(MIN_RENEWAL_MS, Math.floor(leaseMs / 3))
  }

  get capabilities(): Broker['capabilities'] {
    return this.#broker.capabilities
  }

  /** The broker itself, for what happens on the user's connection; undefined where it has no transactions. */
  get transacting(): TransactingBroker | undefined {
    return isTransacting(this.#broker) ? this.#broker : undefined
  }

  /** The worker has stopped: of what is still tried for it, only its farewell leaves. */
  end(): void {
    this.#ended = true
  }

  /** @param late hears an answer that came after the call had been given up: it may bring jobs */
  reserve(request: ReserveRequest, late: (reserved: Reserved) => void): Promise<Reserved> {
    return this.#within('reserve', PATIENCE_MS, () => this.#broker.reserve(request), late)
  }

  /** @param late as in `reserve` */
  settle(request: SettleRequest, late: (settled: Settled) => void): Promise<Settled> {
    return this.#within('settle', PATIENCE_MS, () => this.#broker.settle(request), late)
  }

  extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    return this.#within('extend', this.#renewalMs, () => this.#broker.extend(leases, leaseMs))
  }

  /** The one call that is meant to wait. */
  wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#broker.wake(queues, signal)
  }

  maintain(): ReturnType<Broker['maintain']> {
    return this.#within('maintain', PATIENCE_MS, () => this.#broker.maintain())
  }

  limit(...args: Parameters<Broker['limit']>): Promise<void> {
    return this.#within('limit', PATIENCE_MS, () => this.#broker.limit(...args))
  }

  beat(...args: Parameters<Broker['beat']>): Promise<void> {
    return this.#within('beat', PATIENCE_MS, () => this.#broker.beat(...args))
  }

  leave(worker: string): Promise<void> {
    return this.#within('leave', PATIENCE_MS, () => this.#broker.leave(worker))
  }

  write(...args: Parameters<Broker['write']>): ReturnType<Broker['write']> {
    return this.#within('write', PATIENCE_MS, () => this.#broker.write(...args))
  }

  #within<T>(name: string, ms: number, call: () => Promise<T>, late?: (answer: T) => void): Promise<T> {
    if (this.#ended && name !== 'leave')
      return Promise.reject(new OffstageError('BROKER_CLOSED', `the worker has stopped: no ${name}`))
    return new Promise((resolve, reject) => {
      let over = false
      const giveUp = (): void => {
        over = true
        reject(
          new OffstageError('BROKER_UNAVAILABLE', `the broker has not answered ${name} for ${formatMs(ms)}`),
        )
      }
      // After a blocked loop the timer is served before the answer that has been there for long: that one goes first.
      const timer = this.#clock.schedule(ms, () => setImmediate(giveUp))
      call().then(
        (answer) => {
          timer.cancel()
          if (over) late?.(answer)
          else resolve(answer)
        },
        (error: unknown) => {
          timer.cancel()
          reject(error)
        },
      )
    })
  }
}
