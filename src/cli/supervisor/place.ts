// One of the N places of a supervisor: keeps a child in it. One that ends by itself is followed by another after a
// back-off; one that is to be replaced goes when its successor is ready, so that the place never works with less.
import type { Clock, Timer } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import { plain } from '../text.ts'
import { Backoff } from './backoff.ts'
import { type End, endText, type StartChild } from './child.ts'
import { Member } from './member.ts'

/** A successor that is not ready by then is given up. */
const READY_MS = 60_000

/** Where a supervisor speaks to people. */
export interface Say {
  note(text: string): void
  warn(text: string): void
}

export interface PlaceOptions {
  readonly number: number
  readonly startChild: StartChild
  readonly clock: Clock
  readonly random: () => number
  readonly graceMs: number
  readonly say: Say
  /** A child asks to be replaced. */
  readonly onReplace: (place: Place, member: Member, reason: string) => void
  /** A child ended by itself. False: the supervisor gives up, and nothing is to be restarted. */
  readonly goesOn: (place: Place, member: Member, end: End) => boolean
}

export class Place {
  readonly number: number
  readonly #options: PlaceOptions
  readonly #backoff: Backoff
  /** All that have not ended: the one in the place, its successor, and what drains. */
  readonly #members = new Set<Member>()
  #current: Member | undefined
  #replacing = false
  #restart: Timer | undefined
  #stopped = false

  constructor(options: PlaceOptions) {
    this.number = options.number
    this.#options = options
    this.#backoff = new Backoff(options.random)
  }

  /** The child in the place; undefined while a restart is waited for. */
  get current(): Member | undefined {
    return this.#current
  }

  get members(): ReadonlySet<Member> {
    return this.#members
  }

  /** Puts a child into the place. */
  start(): Member {
    this.#current = this.#begin()
    return this.#current
  }

  /**
   * Starts a successor, waits until it is ready, drains the one in the place, and waits for its end. False where the
   * successor did not get ready; then all is as before.
   */
  async replace(): Promise<boolean> {
    if (this.#stopped) return false
    this.#restart?.cancel()
    this.#replacing = true
    const next = this.#begin()
    const tooLong = this.#options.clock.schedule(READY_MS, () => next.drain())
    const ready = (await next.whenReady) && next.state === 'ready'
    tooLong.cancel()
    this.#replacing = false
    if (this.#stopped) return false
    const old = this.#current
    if (ready) {
      this.#current = next
      old?.drain()
      await old?.whenEnded
    } else if (old === undefined) {
      // The one in the place ended while its successor was waited for.
      this.#startIn(this.#backoff.next(0))
    }
    return ready
  }

  /** Drains all of it, and starts nothing more. Resolves when the last child has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#restart?.cancel()
    const members = [...this.#members]
    for (const member of members) member.drain()
    await Promise.all(members.map(({ whenEnded }) => whenEnded))
  }

  kill(): void {
    this.#stopped = true
    this.#restart?.cancel()
    for (const member of this.#members) member.kill()
  }

  #begin(): Member {
    const { startChild, clock, graceMs, onReplace, say } = this.#options
    const member = new Member({
      startChild,
      clock,
      graceMs,
      onReplace: (asking, reason) => onReplace(this, asking, reason),
      onEnd: (ended, end) => this.#ended(ended, end),
      onLate: (late) => say.warn(`${this.nameOf(late)} did not end within its grace and is killed`),
    })
    this.#members.add(member)
    return member
  }

  #ended(member: Member, end: End): void {
    this.#members.delete(member)
    if (this.#stopped || member.told) return
    const inPlace = member === this.#current
    if (inPlace) this.#current = undefined
    if (!this.#options.goesOn(this, member, end)) return
    const how = `${this.nameOf(member)} ended with ${plain(endText(end))} after ${formatMs(member.upMs)}`
    // A successor that ends is told by `replace`, which also sees to a place that became empty meanwhile.
    if (!inPlace || this.#replacing) {
      this.#options.say.warn(how)
      return
    }
    const waitMs = this.#backoff.next(member.wellForMs)
    const { failures } = this.#backoff
    const often = failures > 1 ? `, ${failures} times in a row` : ''
    this.#options.say.warn(`${how}${often}; another one starts in ${formatMs(waitMs)}`)
    this.#startIn(waitMs)
  }

  #startIn(ms: number): void {
    this.#restart = this.#options.clock.schedule(ms, () => this.start(), { ref: true })
  }

  /** `process 2 (pid 4711)`. */
  nameOf({ pid }: Member): string {
    return `process ${this.number}${pid === undefined ? '' : ` (pid ${pid})`}`
  }
}
