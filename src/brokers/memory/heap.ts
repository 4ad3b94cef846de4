// A binary heap that knows where each item stands, so that an item can be moved or taken out in O(log n).
// Lanes, due times, leases, expiries and retentions are all kept in such heaps.

export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean
  readonly #items: T[] = []
  readonly #place = new Map<T, number>()

  /** @param before true where `a` comes out before `b`; what it reads of an item only changes together with `set` */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  has(item: T): boolean {
    return this.#place.has(item)
  }

  /** Puts the item in, or at its right place if its order has changed. */
  set(item: T): void {
    const place = this.#place.get(item) ?? this.#items.length
    this.#put(item, place)
    this.#down(item, this.#up(item, place))
  }

  /** False where it was not in. */
  delete(item: T): boolean {
    const place = this.#place.get(item)
    if (place === undefined) return false
    this.#place.delete(item)
    const last = this.#items.pop()
    if (last !== undefined && last !== item) {
      this.#put(last, place)
      this.#down(last, this.#up(last, place))
    }
    return true
  }

  pop(): T | undefined {
    const first = this.#items[0]
    if (first !== undefined) this.delete(first)
    return first
  }

  #put(item: T, place: number): void {
    this.#items[place] = item
    this.#place.set(item, place)
  }

  #up(item: T, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#items[above] as T
      if (!this.#before(item, parent)) break
      this.#put(parent, place)
      place = above
    }
    this.#put(item, place)
    return place
  }

  #down(item: T, from: number): void {
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#items.length) break
      const right = child + 1
      if (right < this.#items.length && this.#before(this.#items[right] as T, this.#items[child] as T))
        child = right
      const below = this.#items[child] as T
      if (!this.#before(below, item)) break
      this.#put(below, place)
      place = child
    }
    this.#put(item, place)
  }
}
