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
  #lastAt = Number.NEGATIVE_INFINITY
  #dueAt: number

  constructor(env: WorkerEnv, claims: Claims, ports: KeeperPorts) {
    this.#env = env
    this.#claims = claims
    this.#ports = ports
    this.#dueAt = env.clock.monotonic() + this.#everyMs
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
    this.#dueAt = Math.min(this.#dueAt, this.#lastAt + LOOK_MS)
    if (this.#loop.errorsInARow === 0) this.#loop.nudge()
  }

  async #turn(): Promise<number> {
    const waitMs = this.#dueAt - this.#env.clock.monotonic()
    if (waitMs > 0) return waitMs
    if (this.#claims.size > 0) {
      this.#ports.arm()
      const held = [...this.#claims]
      for (let from = 0; from < held.length; from += MAX_TRIP)
        await this.#extend(held.slice(from, from + MAX_TRIP))
    }
    this.#lastAt = this.#env.clock.monotonic()
    this.#dueAt = this.#lastAt + this.#everyMs
    return this.#everyMs
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
