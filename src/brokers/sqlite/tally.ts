// What a transaction changes in sums: jobs by queue and state, and what the minute brought. Gathered in memory and
// written once, at its end, so that a job costs no statement for them.
import type { Statements } from './statements.ts'

const MINUTE_MS = 60_000

const COUNTED = ['enqueued', 'succeeded', 'retried', 'failed', 'cancelled', 'crashed', 'ranMs'] as const
export type Counted = (typeof COUNTED)[number]

interface Minute {
  readonly queue: number
  readonly task: number
  readonly sums: { [C in Counted]: number }
}

export class Tally {
  readonly #queues = new Map<number, number[]>()
  readonly #minutes = new Map<number, Minute>()

  /** @param state index in `jobStates` */
  count(queue: number, state: number, by: number): void {
    let counts = this.#queues.get(queue)
    if (counts === undefined) {
      counts = [0, 0, 0, 0, 0, 0, 0]
      this.#queues.set(queue, counts)
    }
    counts[state] = (counts[state] ?? 0) + by
  }

  add(queue: number, task: number, what: Counted, by: number): void {
    const key = queue * 0x4000000 + task
    let minute = this.#minutes.get(key)
    if (minute === undefined) {
      const sums = { enqueued: 0, succeeded: 0, retried: 0, failed: 0, cancelled: 0, crashed: 0, ranMs: 0 }
      minute = { queue, task, sums }
      this.#minutes.set(key, minute)
    }
    minute.sums[what] += by
  }

  get isEmpty(): boolean {
    return this.#queues.size === 0 && this.#minutes.size === 0
  }

  flush(sql: Statements, now: number): void {
    for (const [queue, counts] of this.#queues) sql.countJobs.run(queue, ...counts)
    const minuteAt = now - (now % MINUTE_MS)
    for (const { queue, task, sums } of this.#minutes.values())
      sql.countMinute.run(minuteAt, queue, task, ...COUNTED.map((what) => sums[what]))
    this.clear()
  }

  clear(): void {
    this.#queues.clear()
    this.#minutes.clear()
  }
}
