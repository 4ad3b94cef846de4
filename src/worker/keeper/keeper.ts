// Renews leases at a third of their length, and hears by the way which of them were lost or are to be cancelled. Works
// in the event loop and in the thread of the keeper alike: what is held where is for others to say.
import type { ExtendAnswer } from '../../broker/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import { Loop } from '../../runtime/service.ts'
import type { PatientBroker } from '../patient.ts'

const MAX_TRIP = 1_000
/** Hints of the broker lead to at most one look at the running jobs in this time. */
const LOOK_MS = 250
/** The longest until those are asked for again that could not be: a hint of a cancel may be among what was missed. */
const AGAIN_MS = 1_000

/** A lease that is to be kept. */
export interface Held {
  readonly id: string
  readonly token: number
  /** Whether the broker is to record that its job has started. */
  readonly started: boolean
}

export interface KeeperPorts<H extends Held> {
  /** Those to renew, or, for a look, those of jobs that run. */
  readonly held: (renew: boolean) => readonly H[]
  /**
   * @param leaseEnds by the monotonic clock, on the early side
   * @param started whether the broker has recorded with it that the job has started
   */
  readonly renewed: (held: H, leaseEnds: number, started: boolean) => void
  readonly lost: (held: H) => void
  readonly cancelling: (held: H) => void
  /** From now on the next hint of the broker is heard, if anything is held. */
  readonly arm: () => void
}

/** What it needs of a worker. */
export interface KeeperEnv {
  readonly broker: PatientBroker
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: { readonly leaseMs: number }
}

export class Keeper<H extends Held> {
  readonly #env: KeeperEnv
  readonly #ports: KeeperPorts<H>
  readonly #loop: Loop
  /** Monotonic: of the last trip, of the next look at what runs, of the next renewal of everything. */
  #lastAt = Number.NEGATIVE_INFINITY
  #lookAt = Number.POSITIVE_INFINITY
  #renewAt: number

  constructor(env: KeeperEnv, ports: KeeperPorts<H>) {
    this.#env = env
    this.#ports = ports
    this.#renewAt = env.clock.monotonic() + this.#everyMs
    this.#loop = new Loop({
      name: 'keeper',
      clock: env.clock,
      logger: env.logger,
      turn: () => this.#turn(),
      maxBackoffMs: Math.min(AGAIN_MS, Math.ceil(this.#everyMs / 2)),
    })
  }

  get #everyMs(): number {
    return Math.floor(this.#env.settings.leaseMs / 3)
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** A renewal should have taken place, and may yet: leases may only seem to have run out. */
  get overdue(): boolean {
    const lateMs = this.#env.clock.monotonic() - this.#renewAt
    return lateMs > 0 && lateMs < this.#env.settings.leaseMs
  }

  /** One of the running jobs may be about to be cancelled. */
  look(): void {
    this.#lookAt = Math.min(this.#lookAt, Math.max(this.#lastAt + LOOK_MS, this.#env.clock.monotonic()))
    if (this.#loop.errorsInARow === 0) this.#loop.nudge()
  }

  async #turn(): Promise<number> {
    const now = this.#env.clock.monotonic()
    const waitMs = Math.min(this.#lookAt, this.#renewAt) - now
    if (waitMs > 0) return waitMs
    const renew = now >= this.#renewAt
    // A hint that comes during the trip asks for another look, so the wish is cleared before.
    this.#lookAt = Number.POSITIVE_INFINITY
    let away: boolean
    try {
      away = await this.#extendAll(renew)
    } catch (error) {
      this.#lookAt = now
      throw error
    }
    this.#lastAt = this.#env.clock.monotonic()
    const againMs = away ? Math.min(AGAIN_MS, this.#everyMs) : Number.POSITIVE_INFINITY
    if (renew) this.#renewAt = now + Math.min(againMs, this.#everyMs)
    else this.#lookAt = Math.min(this.#lookAt, this.#lastAt + againMs)
    return Math.max(0, Math.min(this.#lookAt, this.#renewAt) - this.#lastAt)
  }

  /**
   * A look is for cancels of what runs; what waits for a slot soon gets one, or hears of it at the renewal. Answers whether
   * the shard of some was away.
   */
  async #extendAll(renew: boolean): Promise<boolean> {
    this.#ports.arm()
    const held = this.#ports.held(renew)
    let away = false
    for (let from = 0; from < held.length; from += MAX_TRIP) {
      away = (await this.#extend(held.slice(from, from + MAX_TRIP))) || away
    }
    return away
  }

  async #extend(held: readonly H[]): Promise<boolean> {
    const { broker, clock, settings } = this.#env
    const sentAt = clock.monotonic()
    const leases = held.map(({ id, token, started }) => ({ id, token, started }))
    const answers = await broker.extend(leases, settings.leaseMs)
    held.forEach((one, i) => {
      const answer = answers[i]
      // Its shard is away: nothing is known, and the lease ends when it would have.
      if (answer === undefined || answer === 'away') return
      if (answer !== 'lost') this.#ports.renewed(one, sentAt + settings.leaseMs, leases[i]?.started === true)
      this.#hear(one, answer)
    })
    return answers.includes('away')
  }

  #hear(held: H, answer: ExtendAnswer): void {
    if (answer === 'lost') this.#ports.lost(held)
    else if (answer === 'cancelling') this.#ports.cancelling(held)
  }
}
