// When a child has done enough: it has ended so many attempts, or it uses so much memory. It asks its supervisor for a
// successor then, goes on until that is ready, and drains.
import { subscribe } from '../../runtime/channels.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { formatBytes, formatCount } from '../text.ts'

const LOOK_MS = 2_000
/** A supervisor whose successor did not get ready is asked again. */
const ASK_AGAIN_MS = 60_000
/** How much fewer attempts it may be, so that children that started together do not go together. */
const JITTER = 0.1

export interface LimitOptions {
  readonly maxJobs?: number | undefined
  readonly maxMemoryBytes?: number | undefined
  readonly clock: Clock
  readonly random: () => number
  /** Of this process, in bytes. */
  readonly memory: () => number
  readonly ask: (reason: string) => void
}

export class Limits {
  readonly #options: LimitOptions
  readonly #maxJobs: number
  #ended = 0
  #askedAt = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #unsubscribe: () => void = () => undefined

  constructor(options: LimitOptions) {
    this.#options = options
    const { maxJobs = Number.POSITIVE_INFINITY, random } = options
    this.#maxJobs = Math.ceil(maxJobs * (1 - JITTER * random()))
  }

  start(): void {
    this.#unsubscribe = subscribe('offstage:end', () => {
      this.#ended += 1
      if (this.#ended === this.#maxJobs) this.#look()
    })
    this.#lookLater()
  }

  stop(): void {
    this.#unsubscribe()
    this.#timer?.cancel()
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.schedule(LOOK_MS, () => {
      this.#look()
      this.#lookLater()
    })
  }

  #look(): void {
    const reason = this.#reason()
    const { clock, ask } = this.#options
    if (reason === undefined || clock.monotonic() - this.#askedAt < ASK_AGAIN_MS) return
    this.#askedAt = clock.monotonic()
    ask(reason)
  }

  #reason(): string | undefined {
    const { maxMemoryBytes, memory } = this.#options
    if (this.#ended >= this.#maxJobs) return `it has ended ${formatCount(this.#ended)} attempts`
    // A ceiling that is too low for the modules alone would else replace processes that do nothing.
    if (maxMemoryBytes === undefined || this.#ended === 0) return undefined
    const bytes = memory()
    return bytes > maxMemoryBytes
      ? `it uses ${formatBytes(bytes)}, more than the ${formatBytes(maxMemoryBytes)} of --max-memory`
      : undefined
  }
}
