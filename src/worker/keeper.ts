// Renews the leases of all that this worker holds, at a third of the lease, and hears by the way which of them were
// lost or are to be cancelled.
import type { ExtendAnswer } from '../broker/message.ts'
import { Loop } from '../runtime/service.ts'
import type { Claim, Claims } from './claims.ts'
import type { WorkerEnv } from './env.ts'

const MAX_TRIP = 1_000
/** Hints of the broker lead to at most one look at the running jobs in this time. */
const LOOK_MS = 250

export interface KeeperPorts {
  readonly lost: (claim: Claim) => void
  readonly cancelling: (claim: Claim) => void
  /** From now on the next hint of the broker is heard. */
  readonly arm: () => void
}

export class Keeper {
  readonly #env: WorkerEnv
  readonly #claims: Claims
  readonly #ports: KeeperPorts
  readonly #loop: Loop
  /** Monotonic: of the last trip, of the next look at what runs, of the next renewal of everything. */
  #lastAt = Number.NEGATIVE_INFINITY
  #lookAt = Number.POSITIVE_INFINITY
  #renewAt: number

  constructor(env: WorkerEnv, claims: Claims, ports: KeeperPorts) {
    this.#env = env
    this.#claims = claims
    this.#ports = ports
    this.#renewAt = env.clock.monotonic() + this.#everyMs
    this.#loop = new Loop({
      name: 'keeper',
      clock: env.clock,
      logger: env.logger,
      turn: () => this.#turn(),
      maxBackoffMs: Math.ceil(this.#everyMs / 2),
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

  /** One of the running jobs may be about to be cancelled. */
  look(): void {
    if (this.#claims.size === 0) return
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
    try {
      await this.#extendAll(renew)
    } catch (error) {
      this.#lookAt = now
      throw error
    }
    this.#lastAt = this.#env.clock.monotonic()
    if (renew) this.#renewAt = now + this.#everyMs
    return Math.max(0, Math.min(this.#lookAt, this.#renewAt) - this.#lastAt)
  }

  /** A look is for cancels of what runs; what waits for a slot soon gets one, or hears of it at the renewal. */
  async #extendAll(renew: boolean): Promise<void> {
    if (this.#claims.size === 0) return
    this.#ports.arm()
    const held = [...this.#claims].filter(({ state, lost }) => !lost && (renew || state === 'running'))
    for (let from = 0; from < held.length; from += MAX_TRIP) {
      await this.#extend(held.slice(from, from + MAX_TRIP))
    }
  }

  async #extend(claims: readonly Claim[]): Promise<void> {
    const { broker, clock, settings } = this.#env
    const sentAt = clock.monotonic()
    const leases = claims.map(({ id, token, started, recorded }) => ({
      id,
      token,
      started: started || recorded,
    }))
    const answers = await broker.extend(leases, settings.leaseMs)
    claims.forEach((claim, i) => {
      const answer = answers[i]
      // Its shard is away: nothing is known, and the lease ends when it would have.
      if (answer === 'away') return
      if (answer !== undefined && answer !== 'lost') {
        claim.leaseEnds = Math.max(claim.leaseEnds, sentAt + settings.leaseMs)
        claim.recorded ||= leases[i]?.started === true
      }
      if (answer !== undefined) this.#hear(claim, answer)
    })
  }

  /** An outcome on its way is answered by settle, which also knows that it was recorded already. */
  #hear(claim: Claim, answer: ExtendAnswer): void {
    if (claim.state === 'ended' || answer === 'ok') return
    if (answer === 'lost') this.#ports.lost(claim)
    else this.#ports.cancelling(claim)
  }
}
