// Counts what a worker does where writing down each run would be the load.
import type { TallyFigures } from './history.ts'

const BUCKET_MS = 100

export class Tally {
  readonly #retries: number[] = []
  readonly #late: number[] = []
  #firstAt: number | undefined
  #lastFirstAt = 0
  #runs = 0

  /** @param dueAt where it was due at a given time */
  ran(attempt: number, at: number, dueAt: number | undefined): void {
    this.#runs += 1
    this.#firstAt ??= at
    if (dueAt !== undefined) this.#late.push(at - dueAt)
    if (attempt === 1) {
      this.#lastFirstAt = at
      return
    }
    const bucket = Math.floor((at - this.#firstAt) / BUCKET_MS)
    this.#retries[bucket] = (this.#retries[bucket] ?? 0) + 1
  }

  /** Undefined where nothing ran. */
  figures(): TallyFigures | undefined {
    if (this.#firstAt === undefined) return undefined
    const late = this.#late.sort((a, b) => a - b)
    const at = (share: number): number => late[Math.floor((late.length - 1) * share)] ?? 0
    const retries = Array.from(this.#retries, (count = 0) => count)
    const firstsMs = this.#lastFirstAt - this.#firstAt
    return { runs: this.#runs, firstsMs, retries, p50: at(0.5), p99: at(0.99), max: at(1) }
  }
}
