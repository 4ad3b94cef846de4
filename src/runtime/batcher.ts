// Gathers what single calls ask for into one trip (group commit). A call made while nothing is under way leaves at
// once; calls made during a trip wait for it and leave together. So a lone call waits for nobody, and a busy process
// pays one trip for hundreds of calls.

export interface BatcherOptions<Item, Answer> {
  /** One trip. Answers one value for each item, in order; a rejection rejects every call of the trip. */
  readonly run: (items: readonly Item[]) => Promise<readonly Answer[]>
  /** The most weight in one trip. An item heavier than this travels alone. Default 1000. */
  readonly maxWeight?: number | undefined
  /** How much of `maxWeight` an item takes. Default 1 each. */
  readonly weigh?: ((item: Item) => number) | undefined
  /** How many trips may be under way at once. Default 1. */
  readonly maxTrips?: number | undefined
}

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export class Batcher<Item, Answer> {
  readonly #run: BatcherOptions<Item, Answer>['run']
  readonly #weigh: (item: Item) => number
  readonly #maxWeight: number
  readonly #maxTrips: number
  #waiting: Waiting<Item, Answer>[] = []
  #trips = 0
  #planned = false
  #idle: (() => void)[] = []

  constructor(options: BatcherOptions<Item, Answer>) {
    this.#run = options.run
    this.#weigh = options.weigh ?? (() => 1)
    this.#maxWeight = options.maxWeight ?? 1_000
    this.#maxTrips = options.maxTrips ?? 1
  }

  /** Joins the next trip; resolves with this item's answer. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#plan()
    })
  }

  /** Resolves once nothing waits and nothing is under way. */
  idle(): Promise<void> {
    if (this.#trips === 0 && this.#waiting.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Calls made in the same turn of the event loop share a trip, so the departure is a microtask away. */
  #plan(): void {
    if (this.#planned || this.#trips >= this.#maxTrips) return
    this.#planned = true
    queueMicrotask(() => {
      this.#planned = false
      while (this.#trips < this.#maxTrips && this.#waiting.length > 0) void this.#trip(this.#load())
    })
  }

  #load(): Waiting<Item, Answer>[] {
    let weight = 0
    let count = 0
    for (const { item } of this.#waiting) {
      weight += this.#weigh(item)
      if (count > 0 && weight > this.#maxWeight) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #trip(load: readonly Waiting<Item, Answer>[]): Promise<void> {
    this.#trips += 1
    try {
      const answers = await this.#run(load.map(({ item }) => item))
      if (answers.length !== load.length)
        throw new Error(`a trip of ${load.length} was answered with ${answers.length}`)
      for (const [i, { resolve }] of load.entries()) resolve(answers[i] as Answer)
    } catch (error) {
      for (const { reject } of load) reject(error)
    } finally {
      this.#trips -= 1
      if (this.#waiting.length > 0) this.#plan()
      else if (this.#trips === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }
}
