// What each minute brought, by queue and task. Kept for a day.
import type { CounterRow } from '../../broker/contract.ts'

const MINUTE_MS = 60_000
const KEPT_MS = 86_400_000

type Row = { -readonly [F in keyof CounterRow]: CounterRow[F] }
export type Counted = Exclude<keyof CounterRow, 'minuteAt' | 'queue' | 'task'>

export class Counters {
  /** By minute, in order, since broker time never runs backwards. */
  readonly #minutes = new Map<number, Map<string, Row>>()

  add(
    job: { readonly queue: string; readonly task: string },
    field: Counted,
    amount: number,
    now: number,
  ): void {
    const minuteAt = now - (now % MINUTE_MS)
    let rows = this.#minutes.get(minuteAt)
    if (rows === undefined) {
      rows = new Map()
      this.#minutes.set(minuteAt, rows)
      this.#forget(now)
    }
    const key = `${job.queue}\n${job.task}`
    let row = rows.get(key)
    if (row === undefined) {
      row = newRow(minuteAt, job.queue, job.task)
      rows.set(key, row)
    }
    row[field] += amount
  }

  between(fromAt: number, toAt: number, now: number): CounterRow[] {
    this.#forget(now)
    return [...this.#minutes]
      .filter(([minuteAt]) => minuteAt >= fromAt && minuteAt < toAt)
      .flatMap(([, rows]) => [...rows.values()].map((row) => ({ ...row })))
  }

  #forget(now: number): void {
    for (const minuteAt of this.#minutes.keys()) {
      if (minuteAt > now - KEPT_MS) return
      this.#minutes.delete(minuteAt)
    }
  }
}

function newRow(minuteAt: number, queue: string, task: string): Row {
  return {
    minuteAt,
    queue,
    task,
    enqueued: 0,
    succeeded: 0,
    retried: 0,
    failed: 0,
    cancelled: 0,
    crashed: 0,
    ranMs: 0,
  }
}
