// Progress and log lines of an attempt on their way to the worker. A handler that computes may report a million times a
// second, of which the latest counts.
import type { LogLevel } from '../../broker/records.ts'
import type { Payload } from '../../job/record.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Line } from './guest.ts'
import { alone } from './protocol.ts'

/** The shortest time between two reports of progress; the worker writes no oftener. */
const PAUSE_MS = 50

export class Notes {
  readonly #line: Line
  readonly #clock: Clock
  #progress: Payload | undefined
  #sentAt = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined

  constructor(line: Line, clock: Clock) {
    this.#line = line
    this.#clock = clock
  }

  progress(_claim: unknown, value: Payload): void {
    this.#progress = value
    const leftMs = this.#sentAt + PAUSE_MS - this.#clock.monotonic()
    if (leftMs <= 0) this.flush()
    else this.#timer ??= this.#clock.schedule(leftMs, () => this.flush())
  }

  log(_claim: unknown, level: LogLevel, text: string): void {
    this.#line.send({ kind: 'log', level, text })
  }

  /** Sends what was held back. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#progress === undefined) return
    this.#line.send({ kind: 'progress', value: alone(this.#progress) })
    this.#progress = undefined
    this.#sentAt = this.#clock.monotonic()
  }
}
