// Gives jobs back that had not started when the event loop was blocked: they keep their places, and others run them.
import type { Outcome } from '../../broker/message.ts'
import { storedError } from '../../job/stored-error.ts'
import { sleep } from '../../runtime/clock.ts'
import { backoffMs, type WorkerEnv } from '../env.ts'

const MAX_TRIP = 1_000
const MAX_BACKOFF_MS = 1_000

type ReturnsEnv = Pick<WorkerEnv, 'broker' | 'clock' | 'logger' | 'settings'>

interface Taken {
  readonly id: string
  readonly token: number
}

export class Returns {
  readonly #env: ReturnsEnv
  #waiting: { readonly outcome: Outcome; readonly until: number }[] = []
  #running: Promise<void> | undefined

  constructor(env: ReturnsEnv) {
    this.#env = env
  }

  /** Tried until it has succeeded, or their leases have ended by themselves. */
  add(claims: readonly Taken[]): void {
    const { clock, settings } = this.#env
    const until = clock.monotonic() + settings.leaseMs
    this.#waiting.push(
      ...claims.map(({ id, token }) => ({ outcome: { kind: 'released', id, token } as const, until })),
    )
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    const { broker, clock, logger } = this.#env
    for (let errors = 0; ; ) {
      this.#waiting = this.#waiting.filter(({ until }) => until > clock.monotonic())
      const trip = this.#waiting.slice(0, MAX_TRIP)
      if (trip.length === 0) return
      try {
        await broker.settle({ outcomes: trip.map(({ outcome }) => outcome) }, () => undefined)
        this.#waiting = this.#waiting.filter((one) => !trip.includes(one))
        errors = 0
      } catch (error) {
        errors += 1
        if (errors === 1)
          logger.warn(
            { jobs: trip.length, error: storedError(error) },
            'jobs of a blocked loop could not be given back yet',
          )
        await sleep(clock, backoffMs(errors, MAX_BACKOFF_MS), { ref: true })
      }
    }
  }
}
