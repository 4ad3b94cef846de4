// From where on a claim looks for jobs. A claim that started from the first place of a queue's line would walk over all
// that others have left behind in the index: the server can remove what was deleted only when no transaction can still see
// it, so an old snapshot, somewhere, would make each claim slower than the one before. Places come from one counter, so
// below the first job that was seen nothing stands, with one exception: transactions that have taken a place and not
// committed. These hold a lock on the table, which the server shows, so it is known when the last of those that were
// there at a moment has ended, and then all places given out before that moment are settled for good. What is given back
// to its old place stands below zero, where every claim looks.
import { PLACES } from './wire/claims.ts'

/** How often to ask who holds places, in ms. */
const LOOK_MS = 200
/** Queues that are remembered. */
const MAX_QUEUES = 1_000

interface Checkpoint {
  /** The last place that was given out. */
  readonly tip: number
  /** Transactions of that moment that may hold places up to it. */
  writers: ReadonlySet<string>
}

export class Lows {
  readonly #lows = new Map<string, (number | null)[]>()
  /** Nothing will come any more in the places up to this one. */
  #settled = 0
  #checkpoint: Checkpoint | undefined
  /** When the answer that the checkpoint was last made or narrowed by had come. */
  #checkedAt = Number.NEGATIVE_INFINITY
  #lookedAt = Number.NEGATIVE_INFINITY

  /** For each queue ten places, one a priority. */
  of(queues: readonly string[]): (number | null)[] {
    return queues.flatMap((queue) => this.#lows.get(queue) ?? new Array<null>(PLACES).fill(null))
  }

  /** Whether it is time to ask for the writers. @param now monotonic */
  isDue(now: number): boolean {
    if (now - this.#lookedAt < LOOK_MS) return false
    this.#lookedAt = now
    return true
  }

  /**
   * What a claim saw.
   *
   * @param settled from `settled`, as it was before the claim left
   * @param heads the first place in which a job was seen, ten a queue, null where none was
   */
  seen(queues: readonly string[], heads: readonly (number | null)[], settled: number): void {
    for (const [i, queue] of queues.entries()) {
      const first = heads.slice(i * PLACES, (i + 1) * PLACES)
      // A queue of which nothing at all was seen was not looked at in this way, or is empty: then nothing is to be gained.
      if (first.every((place) => place === null)) continue
      const before = this.#lows.get(queue) ?? new Array<null>(PLACES).fill(null)
      this.#lows.delete(queue)
      this.#lows.set(
        queue,
        before.map((low, priority) => {
          const place = Math.min(first[priority] ?? Number.POSITIVE_INFINITY, settled + 1)
          return low === null ? place : Math.max(low, place)
        }),
      )
    }
    for (const queue of this.#lows.keys()) {
      if (this.#lows.size <= MAX_QUEUES) break
      this.#lows.delete(queue)
    }
  }

  get settled(): number {
    return this.#settled
  }

  /**
   * @param tip the last place given out, as it was before the writers were asked for
   * @param leftAt monotonic: when the claim left that asked for them
   * @param cameAt monotonic: when its answer came
   */
  looked(tip: number, writers: readonly string[], leftAt: number, cameAt: number): void {
    // Answers may overtake one another, and who was not there yet has not ended.
    if (leftAt < this.#checkedAt) return
    this.#checkedAt = cameAt
    // The server was replaced by an older copy of it, and gives out places again that it gave out before.
    if (tip < this.#settled) this.forget()
    if (this.#checkpoint !== undefined) {
      const there = new Set(writers)
      this.#checkpoint.writers = new Set([...this.#checkpoint.writers].filter((one) => there.has(one)))
      if (this.#checkpoint.writers.size > 0) return
      this.#settled = Math.max(this.#settled, this.#checkpoint.tip)
    }
    if (writers.length === 0) this.#settled = Math.max(this.#settled, tip)
    this.#checkpoint = { tip, writers: new Set(writers) }
  }

  /** The store was replaced, perhaps by an older copy of it: start again. */
  forget(): void {
    this.#lows.clear()
    this.#settled = 0
    this.#checkpoint = undefined
    this.#checkedAt = Number.NEGATIVE_INFINITY
  }
}
