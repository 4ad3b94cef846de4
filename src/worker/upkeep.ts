// Runs the broker's upkeep, one bounded step after another. Every worker does; none has to.
import type { ChannelMessages } from '../runtime/channels.ts'
import { Loop } from '../runtime/service.ts'
import type { WorkerEnv } from './env.ts'
import type { PatientBroker } from './patient.ts'

/** Lost jobs are to be back within a second of the end of their lease, the trip included. */
const MIN_MS = 400
const MAX_MS = 750
const HELD_MS = 10

export type Maintained = ChannelMessages['offstage:maintain']

export interface UpkeepPorts {
  /** Whether to wait: leases of this worker's own may only seem to have run out. */
  readonly hold: () => boolean
  /** A step did something. */
  readonly report: (done: Maintained) => void
}

export class Upkeep {
  readonly #broker: PatientBroker
  readonly #ports: UpkeepPorts
  readonly #loop: Loop

  constructor({ broker, clock, logger }: Pick<WorkerEnv, 'broker' | 'clock' | 'logger'>, ports: UpkeepPorts) {
    this.#broker = broker
    this.#ports = ports
    this.#loop = new Loop({
      name: 'upkeep',
      clock,
      logger,
      turn: () => this.#turn(),
      maxBackoffMs: 1_000,
    })
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #turn(): Promise<number> {
    if (this.#ports.hold()) return HELD_MS
    const { promoted, reclaimed, expired, pruned, spread, more, nextDueInMs } = await this.#broker.maintain()
    if (promoted + reclaimed + expired + pruned + spread > 0) {
      this.#ports.report({ promoted, reclaimed, expired, pruned, spread })
    }
    if (more) return 0
    const usualMs = MIN_MS + Math.random() * (MAX_MS - MIN_MS)
    return Math.max(10, Math.min(usualMs, nextDueInMs ?? usualMs))
  }
}
