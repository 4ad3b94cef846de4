// A queue and a task have a number together in the store. What a process has learnt of them is kept here. A server that
// has lost its last writes, or all of them, may give a number to others than before: the latest word counts, and each
// answer that has numbers in it tells them.

export interface Kind {
  readonly queue: string
  readonly task: string
}

export class Kinds {
  readonly #kinds = new Map<number, Kind>()

  /** @param pairs numbers and `queue\ntask` by turns, as scripts answer them */
  learn(pairs: unknown): void {
    const list = pairs as readonly (number | Buffer)[]
    for (let i = 0; i + 1 < list.length; i += 2) {
      const number = Number(list[i]?.toString())
      if (Number.isNaN(number)) continue
      const text = list[i + 1]?.toString() ?? ''
      const end = text.indexOf('\n')
      this.#kinds.set(number, { queue: text.slice(0, end), task: text.slice(end + 1) })
    }
  }

  get(number: number): Kind {
    return this.#kinds.get(number) ?? { queue: '?', task: '?' }
  }
}
