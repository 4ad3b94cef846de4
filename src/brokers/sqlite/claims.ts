// What this process claimed and has not settled: the facts of a job that cannot change while the claim lives, so that
// an outcome needs no look at its row. The token in the statement decides whether the claim does live.

export interface Claim {
  readonly seq: number
  readonly id: string
  readonly queue: number
  readonly task: number
  readonly partition: string | null
  readonly flags: number
  readonly createdAt: number
  claimedAt: number
}

/** Claims that were lost are never settled; the oldest go when there are more than this. */
const MOST = 50_000

export class Claims {
  readonly #claims = new Map<number, Claim>()
  readonly #added = new Map<number, Claim>()
  readonly #removed: number[] = []

  get(token: number): Claim | undefined {
    return this.#added.get(token) ?? this.#claims.get(token)
  }

  add(token: number, claim: Claim): void {
    this.#added.set(token, claim)
  }

  remove(token: number): void {
    this.#removed.push(token)
  }

  commit(): void {
    for (const [token, claim] of this.#added) this.#claims.set(token, claim)
    for (const token of this.#removed) this.#claims.delete(token)
    this.rollback()
    for (const token of this.#claims.keys()) {
      if (this.#claims.size <= MOST) return
      this.#claims.delete(token)
    }
  }

  rollback(): void {
    this.#added.clear()
    this.#removed.length = 0
  }
}
