// Replaces children, one place after another, so that there is at most one process more than asked for: all of them in a
// rolling restart, single ones that have reached a limit.
import type { Member } from './member.ts'
import type { Place, Say } from './place.ts'

export class Replacements {
  readonly #places: readonly Place[]
  readonly #say: Say
  /** Who asked, so that a request of one that is gone by its turn is dropped. */
  readonly #asked = new Map<Place, Member>()
  #rollAsked = false
  #running = false
  #stopped = false

  constructor(places: readonly Place[], say: Say) {
    this.#places = places
    this.#say = say
  }

  /** A rolling restart; asked for during one, another follows it. */
  roll(): void {
    this.#rollAsked = true
    void this.#run()
  }

  /** Replaces this child, once it is its turn. */
  recycle(place: Place, member: Member): void {
    this.#asked.set(place, member)
    void this.#run()
  }

  stop(): void {
    this.#stopped = true
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    while (!this.#stopped) {
      const [next] = this.#asked
      if (this.#rollAsked) {
        this.#rollAsked = false
        await this.#roll()
      } else if (next !== undefined) {
        this.#asked.delete(next[0])
        if (next[0].current === next[1]) await this.#replace(next[0])
      } else {
        break
      }
    }
    this.#running = false
  }

  async #roll(): Promise<void> {
    for (const place of this.#places) {
      if (await this.#replace(place)) continue
      if (!this.#stopped) this.#say.warn('the rolling restart ends here; the others stay as they are')
      return
    }
    this.#say.note('offstage worker: the rolling restart is complete')
  }

  async #replace(place: Place): Promise<boolean> {
    const old = place.current
    const replaced = await place.replace()
    if (this.#stopped) return replaced
    const name = old === undefined ? `process ${place.number}` : place.nameOf(old)
    if (replaced) this.#say.note(`offstage worker: ${name} was replaced by pid ${place.current?.pid}`)
    else this.#say.warn(`the successor of ${name} did not get ready; nothing was replaced`)
    return replaced
  }
}
