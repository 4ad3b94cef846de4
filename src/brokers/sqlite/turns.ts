// The open lanes of a queue by whose turn it is, while one reserve looks at them. Lanes are read as they are needed, in
// the order of their turns; what happens to them in between is told to this object.
import type { Value } from './engine.ts'
import type { Store } from './store.ts'

/** A lane's head as the claim reads it. */
export type HeadRow = readonly [
  seq: number,
  id: string,
  task: number,
  priority: number,
  flags: number,
  failures: number,
  crashes: number,
  version: number,
  createdAt: number,
  dueAt: number | null,
  expiresAt: number | null,
  begun: number,
  startedAt: number | null,
  codec: number,
  input: Uint8Array | null,
  rare: string | null,
  partition: string | null,
  unknownSince: number | null,
  progressCodec: number | null,
  progress: Uint8Array | null,
]

export interface Lane {
  readonly id: number
  readonly queue: number
  readonly suspect: number
  readonly task: number
  readonly partition: string
  turn: number
  /** Jobs read ahead, in order, and where the next of them stands. */
  heads: readonly HeadRow[]
  next: number
  /** True where `heads` holds all there is behind it. */
  whole: boolean
  moved: boolean
}

export type LaneRow = readonly [
  id: number,
  queue: number,
  suspect: number,
  task: number,
  partition: string,
  turn: number,
  ...Value[],
]

export function readLane([id, queue, suspect, task, partition, turn]: LaneRow): Lane {
  return { id, queue, suspect, task, partition, turn, heads: [], next: 0, whole: false, moved: false }
}

const CHUNK = 64

export class Turns {
  readonly #store: Store
  readonly #queue: number
  readonly #suspect: number
  /** Lanes by turn. Those of the file with a turn up to `#upTo` are here or left the rotation. */
  #lanes: Lane[] = []
  #upTo = 0
  /** Lanes that came after the start are told by `join`. */
  readonly #end: number
  #complete = false

  constructor(store: Store, queue: number, suspect: number) {
    this.#store = store
    this.#queue = queue
    this.#suspect = suspect
    this.#end = store.counters.turn
  }

  /** How many lanes are known; at least one more may follow where it is not `complete`. */
  get size(): number {
    return this.#lanes.length
  }

  peek(): Lane | undefined {
    while (!this.#complete && (this.#lanes[0]?.turn ?? Number.POSITIVE_INFINITY) > this.#upTo) this.#load()
    return this.#lanes[0]
  }

  /** The lane whose turn it was goes to the end. */
  toEnd(lane: Lane): void {
    this.#store.counters.turn += 1
    lane.turn = this.#store.counters.turn
    lane.moved = true
    if (this.#lanes.length === 1) return
    this.#lanes.splice(this.#lanes.indexOf(lane), 1)
    this.#lanes.push(lane)
  }

  remove(id: number): void {
    const index = this.#lanes.findIndex((lane) => lane.id === id)
    if (index >= 0) this.#lanes.splice(index, 1)
  }

  /** A lane was made or opened while this object stands. */
  join(lane: Lane): void {
    if (!this.#complete && lane.turn > this.#upTo && lane.turn <= this.#end) return
    let index = this.#lanes.length
    while (index > 0 && (this.#lanes[index - 1]?.turn ?? 0) > lane.turn) index -= 1
    this.#lanes.splice(index, 0, lane)
  }

  /** A job came into the lane: what was read ahead of it may be out of order. */
  refresh(id: number): void {
    const lane = this.#lanes.find((one) => one.id === id)
    if (lane !== undefined) {
      lane.heads = []
      lane.next = 0
      lane.whole = false
    }
  }

  /** Writes the turns that have changed. */
  save(): void {
    for (const lane of this.#lanes) if (lane.moved) this.#store.sql.laneTurn.run(lane.turn, lane.id)
  }

  #load(): void {
    const rows = this.#store.sql.openLanes.all<LaneRow>(
      this.#queue,
      this.#suspect,
      this.#upTo,
      this.#end,
      CHUNK,
    )
    this.#complete = rows.length < CHUNK
    const first = this.#lanes.findIndex((lane) => lane.turn > this.#upTo)
    this.#lanes.splice(first < 0 ? this.#lanes.length : first, 0, ...rows.map(readLane))
    this.#upTo = this.#complete ? this.#end : (rows.at(-1)?.[5] ?? this.#end)
  }
}
