// What producers, workers and faults of a test did, one JSON line an event, in one file that all of them append to: a
// line is one write, so that the order of the lines is an order of all processes.
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'

/** `at`: epoch milliseconds. `pid`: whoever did it; of a fault, whom it was done to, 0 for all of them. */
export type Event = { readonly at: number; readonly pid: number } & (
  | { readonly e: 'up'; readonly role: string }
  | {
      readonly e: 'asked'
      readonly id: string
      readonly task: string
      /** Of the input as JSON. */
      readonly hash: string
      readonly delayMs: number
      /** Its unique key. */
      readonly key?: string
    }
  /** `as`: the job that holds its unique key, where that is another. */
  | { readonly e: 'accepted'; readonly id: string; readonly as?: string }
  | { readonly e: 'refused'; readonly id: string; readonly error: string; readonly code: string }
  /** A handler began. */
  | {
      readonly e: 'run'
      readonly id: string
      readonly task: string
      readonly token: number
      readonly attempt: number
      readonly hash: string
      /** Whose places it takes one of, where there is a limit. */
      readonly place?: string
    }
  /** A handler returned or threw. */
  | { readonly e: 'ran'; readonly id: string; readonly token: number }
  /** The signal of a handler fired. */
  | { readonly e: 'aborted'; readonly id: string; readonly token: number; readonly code: string }
  | {
      readonly e: 'settled'
      readonly id: string
      readonly token: number
      readonly outcome: string
      readonly answer: 'ok' | 'lost'
    }
  | { readonly e: 'lease-lost'; readonly id: string; readonly token: number }
  /** The library said that the broker did not do its part. */
  | { readonly e: 'noticed'; readonly code: string }
  /** A worker could not start, and tries again. */
  | { readonly e: 'not-started'; readonly code: string }
  /** An error that nobody caught, or an unexpected one of the library. */
  | { readonly e: 'trouble'; readonly what: string }
  /** A producer has asked for everything. */
  | { readonly e: 'done' }
  /** A worker was told to stop. */
  | { readonly e: 'told' }
  /** What a worker made of quiet jobs, when it stops. */
  | ({ readonly e: 'tally' } & TallyFigures)
  /** What a worker holds, after its garbage was collected. */
  | {
      readonly e: 'gauge'
      readonly heapBytes: number
      readonly resources: { readonly [kind: string]: number }
    }
  | { readonly e: 'fault'; readonly kind: 'kill' | 'stop' | 'go-on' | 'term' }
  /** To the network or the broker itself, between everybody and their answers; `long`: leases may end meanwhile. */
  | { readonly e: 'fault'; readonly kind: 'outage'; readonly what: string; readonly long: boolean }
)

export interface TallyFigures {
  readonly runs: number
  /** For how long first runs went on. */
  readonly firstsMs: number
  /** Runs that were no first ones, by the hundred milliseconds since the first of all. */
  readonly retries: readonly number[]
  /** How late they began, in milliseconds; 0 where none was due at a given time. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export type Of<E extends Event['e']> = Extract<Event, { e: E }>

type Entry = Event extends infer E ? (E extends Event ? Omit<E, 'at' | 'pid'> : never) : never

export type { Entry }

export class HistoryWriter {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = openSync(path, 'a')
  }

  write(entry: Entry, pid: number = process.pid): void {
    writeSync(this.#fd, `${JSON.stringify({ at: Date.now(), pid, ...entry })}\n`)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

export class HistoryReader {
  readonly #fd: number
  readonly #events: Event[] = []
  #offset = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'r')
  }

  /** All whole lines. */
  read(): readonly Event[] {
    const bytes = Buffer.alloc(fstatSync(this.#fd).size - this.#offset)
    readSync(this.#fd, bytes, 0, bytes.length, this.#offset)
    const end = bytes.lastIndexOf(10) + 1
    for (const line of bytes.toString('utf8', 0, end).split('\n'))
      if (line !== '') this.#events.push(JSON.parse(line) as Event)
    this.#offset += end
    return this.#events
  }

  close(): void {
    closeSync(this.#fd)
  }
}
