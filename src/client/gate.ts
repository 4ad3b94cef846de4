// A meeting point: several callers arrive, and when all are there one trip is made for them together.

export class Gate<T> {
  readonly #run: () => Promise<T>
  readonly answer: Promise<T>
  #missing: number
  #broken = false
  #resolve: (answer: T | PromiseLike<T>) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(count: number, run: () => Promise<T>) {
    this.#missing = count
    this.#run = run
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever passes hears of a rejection; where nobody does, it is said elsewhere.
    this.answer.catch(() => undefined)
  }

  /** Waits for the others, then for the trip. */
  async pass(): Promise<void> {
    this.#missing -= 1
    // Who comes after the meeting was called off must not set out alone.
    if (this.#missing === 0 && !this.#broken) this.#resolve(this.#run())
    await this.answer
  }

  /** One of the callers will not come: nobody goes. No effect once the trip is under way. */
  break(error: unknown): void {
    if (this.#missing === 0) return
    this.#broken = true
    this.#reject(error)
  }
}
