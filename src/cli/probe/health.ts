// What probes are told of a worker: that its loop runs (they get an answer), and whether it works: it has started, does not
// drain, and its broker has answered of late.
import type { AppWorker } from '../../app/worker.ts'
import type { Broker } from '../../broker/contract.ts'
import type { Clock } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import { BrokerPulse } from './broker-pulse.ts'

/** One document for all of it; what is absent has no key. */
export interface Health {
  readonly live: boolean
  readonly ready: boolean
  /** Why it is not live or not ready. */
  readonly reason?: string | undefined
  readonly pid: number
  readonly state: 'starting' | 'running' | 'draining'
  readonly uptimeMs: number
  /** Attempts that run. */
  readonly active: number
  readonly rssBytes?: number | undefined
  /** Since the broker answered; absent before the first answer. */
  readonly brokerAnsweredMsAgo?: number | undefined
  /** The children of a supervisor. */
  readonly processes?: readonly ProcessHealth[] | undefined
}

/** A child as its supervisor sees it, with what it said of itself last. */
export interface ProcessHealth extends Partial<Omit<Health, 'pid' | 'state' | 'processes'>> {
  readonly place: number
  readonly pid: number | undefined
  readonly state: string
  /** Since anything was heard of it. */
  readonly silentMs: number
}

/** Longer than a hiccup of the network, shorter than anybody wants to wait for a dead broker to be noticed. */
const BROKER_SILENT_MS = 10_000

export class WorkerHealth {
  readonly #clock: Clock
  readonly #startedAt: number
  #worker: AppWorker | undefined
  #pulse: BrokerPulse | undefined
  #watched = false
  #draining = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonic()
  }

  /** The worker has started, so its broker has just answered. */
  started(worker: AppWorker, broker: Pick<Broker, 'health'>): void {
    this.#worker = worker
    this.#pulse = new BrokerPulse(broker, this.#clock)
    if (this.#watched) this.#pulse.start()
  }

  draining(): void {
    this.#draining = true
  }

  /** Somebody wants to know: the broker is asked from now on. Repeatable. */
  watch(): void {
    if (!this.#watched) this.#pulse?.start()
    this.#watched = true
  }

  now(): Health {
    const reason = this.#notReady()
    const state = this.#draining ? 'draining' : this.#worker === undefined ? 'starting' : 'running'
    const answered = this.#pulse?.answeredMsAgo
    return {
      live: true,
      ready: reason === undefined,
      ...(reason !== undefined && { reason }),
      pid: process.pid,
      state,
      uptimeMs: Math.round(this.#clock.monotonic() - this.#startedAt),
      active: this.#worker?.active ?? 0,
      rssBytes: process.memoryUsage.rss(),
      ...(answered !== undefined && { brokerAnsweredMsAgo: Math.round(answered) }),
    }
  }

  stop(): void {
    this.#pulse?.stop()
  }

  #notReady(): string | undefined {
    if (this.#draining) return 'it is draining'
    if (this.#worker?.ready !== true || this.#pulse === undefined) return 'it has not started yet'
    const { answeredMsAgo } = this.#pulse
    return answeredMsAgo < BROKER_SILENT_MS
      ? undefined
      : `the broker has not answered for ${formatMs(answeredMsAgo)}`
  }
}
