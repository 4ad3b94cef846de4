// How many attempts may run at once: a fixed number, or one that follows what the process can bear.
//
// Additive increase, multiplicative decrease (D.-M. Chiu and R. Jain, 1989), looked at twice a second:
//   the loop turns late, or memory is short   number × 0.75
//   all slots are taken, and there is room    number + a fiftieth of the range, at least 1
//   else                                      stays
//
// Late is a turn of more than 100 ms: what was claimed ahead (`pace.ts`) cannot start in time then. The
// number rises only below a quarter of that, so that a rise is not the cause of the next fall. Uncollected garbage counts
// as taken memory, so it rises up to 70 % of the limit, and falls above 85 %. With a lower number what runs goes on; it
// only has no successor.
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Gauge } from './gauge.ts'

const LOOK_MS = 500
const START = 10
const DECREASE = 0.75
/** From the floor to the ceiling in so many rises: half a minute. */
const RISES = 50
const LATE_MS = 100
const EASY_MS = LATE_MS / 4
const SHORT_MEMORY = 0.85
const EASY_MEMORY = 0.7

export interface Range {
  readonly min: number
  readonly max: number
}

export interface ConcurrencyPorts {
  readonly gauge: () => Gauge
  /** All slots are taken. */
  readonly isFull: () => boolean
  /** There is room for more. */
  readonly onRise: () => void
}

export class Concurrency {
  readonly #clock: Clock
  readonly #range: Range
  readonly #ports: ConcurrencyPorts
  readonly #step: number
  #now: number
  #gauge: Gauge | undefined
  #timer: Timer | undefined

  constructor(clock: Clock, range: Range, ports: ConcurrencyPorts) {
    const { min, max } = range
    this.#clock = clock
    this.#range = range
    this.#ports = ports
    this.#step = Math.max(1, Math.ceil((max - min) / RISES))
    this.#now = Math.min(max, Math.max(min, START))
  }

  /** How many attempts may run at once, now. */
  get now(): number {
    return this.#now
  }

  start(): void {
    const { min, max } = this.#range
    if (min === max) return
    this.#gauge = this.#ports.gauge()
    this.#plan()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#gauge?.stop()
    this.#gauge = undefined
  }

  #plan(): void {
    this.#timer = this.#clock.schedule(LOOK_MS, () => {
      this.#look()
      if (this.#gauge !== undefined) this.#plan()
    })
  }

  #look(): void {
    if (this.#gauge === undefined) return
    const { min, max } = this.#range
    const { delayMs, memory } = this.#gauge.read()
    if (delayMs > LATE_MS || memory > SHORT_MEMORY) {
      this.#now = Math.max(min, Math.floor(this.#now * DECREASE))
      return
    }
    if (delayMs > EASY_MS || memory > EASY_MEMORY || this.#now === max || !this.#ports.isFull()) return
    this.#now = Math.min(max, this.#now + this.#step)
    this.#ports.onRise()
  }
}
