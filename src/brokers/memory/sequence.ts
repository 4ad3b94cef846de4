// Items in the order of their sequence number, with insertion and removal anywhere: a list of short sorted chunks.
// The listings of jobs read it from any point in either direction.

const CHUNK = 512

export interface Numbered {
  readonly seq: number
}

export class Sequence<T extends Numbered> {
  readonly #chunks: T[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(item: T): void {
    this.#size += 1
    const at = Math.min(this.#chunkOf(item.seq), this.#chunks.length - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push([item])
      return
    }
    chunk.splice(
      firstIndex(chunk, (other) => other.seq > item.seq),
      0,
      item,
    )
    if (chunk.length > CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK / 2))
  }

  /** False where it was not in. */
  delete(item: T): boolean {
    const at = this.#chunkOf(item.seq)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return false
    const index = firstIndex(chunk, (other) => other.seq >= item.seq)
    if (chunk[index] !== item) return false
    chunk.splice(index, 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
    this.#size -= 1
    return true
  }

  /** From the first item for which `start` holds; `start` holds for all items after one for which it does. */
  *ascending(start: (item: T) => boolean): Generator<T, void> {
    let at = firstIndex(this.#chunks, (chunk) => start(chunk.at(-1) as T))
    for (let from = true; at < this.#chunks.length; at += 1, from = false) {
      const chunk = this.#chunks[at] as T[]
      for (let i = from ? firstIndex(chunk, start) : 0; i < chunk.length; i += 1) yield chunk[i] as T
    }
  }

  /** Downwards from the last item for which `stop` does not hold; `stop` is as the `start` of `ascending`. */
  *descending(stop: (item: T) => boolean): Generator<T, void> {
    let at = firstIndex(this.#chunks, (chunk) => stop(chunk.at(-1) as T))
    for (at = Math.min(at, this.#chunks.length - 1); at >= 0; at -= 1) {
      const chunk = this.#chunks[at] as T[]
      for (let i = firstIndex(chunk, stop) - 1; i >= 0; i -= 1) yield chunk[i] as T
    }
  }

  /** The chunk that holds this number, or would. */
  #chunkOf(seq: number): number {
    return firstIndex(this.#chunks, (chunk) => (chunk.at(-1) as T).seq >= seq)
  }
}

/** Index of the first element for which `test` holds, by halving; the length where there is none. */
function firstIndex<E>(list: readonly E[], test: (element: E) => boolean): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (test(list[middle] as E)) high = middle
    else low = middle + 1
  }
  return low
}
