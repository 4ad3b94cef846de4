// What a worker holds, in memory that its threads share: the event loop writes it down as claims come and go, and the
// thread that keeps the leases reads it whenever it has to, also while the loop is blocked. Nothing is sent and nobody
// waits: a claim costs the loop a few stores.
//
// A row is written by the loop alone, but for the moment of a lease's end, which the thread writes, and for the one move
// that both may make, from `waiting` to `running` or to `taken`: whoever makes it first has it.
import { bounds } from '../../job/defaults.ts'

const ID_BYTES = bounds.key
/** Places of the values that are not of one row. */
const WHOLE = {
  answered: 0,
  attached: 1,
  current: 2,
  used: 3,
  asked: 4,
  heard: 5,
  sealed: 6,
  slots: 7,
} as const
const WHOLE_COUNT = 8

const rowStates = { free: 0, waiting: 1, running: 2, ended: 3, taken: 4 } as const
type RowState = keyof typeof rowStates

/** A claim as the board has it. */
export interface Row {
  readonly row: number
  /** Tells this claim from the others that had the row before. */
  readonly serial: number
  readonly id: string
  /** Absent where the worker does not know it. */
  readonly task: string | undefined
  readonly token: number
  readonly state: RowState
  /** The broker was told, or is to be told, that it started. */
  readonly started: boolean
  /** `processMs` of the moment when its time began. */
  readonly limitFrom: number
  /** How long it may take from then on, with what it has to heed its end; 0 for no limit. */
  readonly limitMs: number
}

export interface NewRow {
  readonly id: string
  readonly task: string
  readonly token: number
  readonly state: RowState
  readonly started: boolean
}

const NAMES = Object.keys(rowStates) as readonly RowState[]

export class Board {
  readonly memory: SharedArrayBuffer
  readonly capacity: number
  readonly #names: readonly string[]
  readonly #places: ReadonlyMap<string, number>
  readonly #whole: Int32Array
  readonly #states: Int32Array
  readonly #serials: Int32Array
  readonly #started: Int32Array
  readonly #lengths: Int32Array
  /** The place of its task among the names. */
  readonly #tasks: Int32Array
  readonly #answeredAt: Float64Array
  readonly #tokens: Float64Array
  readonly #limitFrom: Float64Array
  readonly #limits: Float64Array
  readonly #leaseEnds: Float64Array
  readonly #ids: Buffer
  /** Rows that were used and are free again; the loop's alone. */
  readonly #free: number[] = []
  #lastSerial = 0

  /**
   * @param names of the tasks, the same in all threads
   * @param memory of the board that another thread has made. Default: a new one
   */
  constructor(capacity: number, names: readonly string[], memory?: SharedArrayBuffer) {
    const floats = (1 + 4 * capacity) * Float64Array.BYTES_PER_ELEMENT
    const ints = (WHOLE_COUNT + 5 * capacity) * Int32Array.BYTES_PER_ELEMENT
    this.capacity = capacity
    this.#names = names
    this.#places = new Map(names.map((name, place) => [name, place]))
    this.memory = memory ?? new SharedArrayBuffer(floats + ints + capacity * ID_BYTES)
    let at = 0
    const floatsOf = (length: number): Float64Array => {
      const made = new Float64Array(this.memory, at, length)
      at += made.byteLength
      return made
    }
    const intsOf = (length: number): Int32Array => {
      const made = new Int32Array(this.memory, at, length)
      at += made.byteLength
      return made
    }
    this.#answeredAt = floatsOf(1)
    this.#tokens = floatsOf(capacity)
    this.#limitFrom = floatsOf(capacity)
    this.#limits = floatsOf(capacity)
    this.#leaseEnds = floatsOf(capacity)
    this.#whole = intsOf(WHOLE_COUNT)
    this.#states = intsOf(capacity)
    this.#serials = intsOf(capacity)
    this.#started = intsOf(capacity)
    this.#lengths = intsOf(capacity)
    this.#tasks = intsOf(capacity)
    this.#ids = Buffer.from(this.memory, at, capacity * ID_BYTES)
  }

  // ── the loop's side ────────────────────────────────────────────────────────────────────────────────────────────

  /** The row of a new claim; -1 where there is no room. */
  add({ id, task, token, state, started }: NewRow): number {
    const row = this.#free.pop() ?? this.#unused()
    if (row === -1) return -1
    this.#lastSerial = (this.#lastSerial + 1) | 0
    Atomics.store(this.#serials, row, this.#lastSerial)
    this.#tokens[row] = token
    this.#tasks[row] = this.#places.get(task) ?? -1
    this.#started[row] = started ? 1 : 0
    this.#limitFrom[row] = 0
    this.#limits[row] = 0
    this.#leaseEnds[row] = 0
    this.#lengths[row] = this.#ids.write(id, row * ID_BYTES, ID_BYTES)
    // Last, and in order: whoever sees the state sees the rest.
    Atomics.store(this.#states, row, rowStates[state])
    return row
  }

  #unused(): number {
    const used = this.#used
    if (used === this.capacity) return -1
    Atomics.store(this.#whole, WHOLE.used, used + 1)
    return used
  }

  get #used(): number {
    return Atomics.load(this.#whole, WHOLE.used)
  }

  serialOf(row: number): number {
    return this.#serials[row] ?? 0
  }

  /** False where the thread has given the job back meanwhile. */
  start(row: number): boolean {
    const before = Atomics.compareExchange(this.#states, row, rowStates.waiting, rowStates.running)
    if (before !== rowStates.waiting) return false
    this.#started[row] = 1
    return true
  }

  /** From then on the attempt has that long. */
  limit(row: number, from: number, ms: number): void {
    this.#limitFrom[row] = from
    this.#limits[row] = ms
  }

  end(row: number): void {
    Atomics.store(this.#states, row, rowStates.ended)
  }

  free(row: number): void {
    Atomics.store(this.#states, row, rowStates.free)
    this.#free.push(row)
  }

  /** By `processMs`, the end of a lease that the thread has renewed; 0 where it has not. */
  leaseEnds(row: number): number {
    return this.#leaseEnds[row] ?? 0
  }

  /** Which attempt the loop is about to call the handler of; -1 when it has come back. */
  set current(row: number) {
    this.#whole[WHOLE.current] = row + 1
  }

  /** A claim leaves. Answers its number. */
  ask(): number {
    return Atomics.add(this.#whole, WHOLE.asked, 1) + 1
  }

  /** The answer to a claim is read. False where the thread gives its jobs back, since it lay there for long. */
  hear(number: number): boolean {
    Atomics.store(this.#whole, WHOLE.heard, number)
    return Atomics.load(this.#whole, WHOLE.sealed) < number
  }

  /** How many attempts may run at once. */
  get slots(): number {
    return this.#whole[WHOLE.slots] ?? 0
  }

  set slots(count: number) {
    this.#whole[WHOLE.slots] = count
  }

  /** The loop turns, at that moment by `processMs`. */
  answer(question: number, attached: boolean, at: number): void {
    this.#whole[WHOLE.attached] = attached ? 1 : 0
    this.#answeredAt[0] = at
    Atomics.store(this.#whole, WHOLE.answered, question)
  }

  // ── the thread's side ──────────────────────────────────────────────────────────────────────────────────────────

  /** The last question that the loop has answered. */
  get answered(): number {
    return Atomics.load(this.#whole, WHOLE.answered)
  }

  /** When it has, by `processMs`. */
  get answeredAt(): number {
    return this.#answeredAt[0] ?? 0
  }

  /** A debugger is attached to the process. */
  get attached(): boolean {
    return this.#whole[WHOLE.attached] === 1
  }

  /** True, once a claim, where one is under way whose answer may lie unread. From now on the loop does not start what it brings. */
  seal(): boolean {
    const asked = Atomics.load(this.#whole, WHOLE.asked)
    if (asked === Atomics.load(this.#whole, WHOLE.heard) || asked === this.#whole[WHOLE.sealed]) return false
    Atomics.store(this.#whole, WHOLE.sealed, asked)
    return true
  }

  /** What was sealed lies there still, and no other claim has left since. */
  get sealed(): boolean {
    const sealed = Atomics.load(this.#whole, WHOLE.sealed)
    return (
      sealed === Atomics.load(this.#whole, WHOLE.asked) && sealed !== Atomics.load(this.#whole, WHOLE.heard)
    )
  }

  get current(): number {
    return (this.#whole[WHOLE.current] ?? 0) - 1
  }

  /** Something waits or runs, or is about to come, that the loop has to turn for. */
  get busy(): boolean {
    if (Atomics.load(this.#whole, WHOLE.asked) !== Atomics.load(this.#whole, WHOLE.heard)) return true
    for (let row = 0; row < this.#used; row += 1) {
      const state = this.#states[row]
      if (state === rowStates.running || state === rowStates.waiting) return true
    }
    return false
  }

  /** How many attempts run. */
  get running(): number {
    let count = 0
    for (let row = 0; row < this.#used; row += 1) if (this.#states[row] === rowStates.running) count += 1
    return count
  }

  /** All claims of now. One that comes or goes while this looks may be there or not, and is never a mixture of two. */
  rows(): Row[] {
    const found: Row[] = []
    for (let row = 0; row < this.#used; row += 1) {
      const one = this.read(row)
      if (one !== undefined) found.push(one)
    }
    return found
  }

  read(row: number): Row | undefined {
    if (row < 0) return undefined
    const state = NAMES[Atomics.load(this.#states, row)]
    if (state === undefined || state === 'free') return undefined
    const serial = Atomics.load(this.#serials, row)
    const from = row * ID_BYTES
    const one: Row = {
      row,
      serial,
      id: this.#ids.toString('utf8', from, from + (this.#lengths[row] ?? 0)),
      task: this.#names[this.#tasks[row] ?? -1],
      token: this.#tokens[row] ?? 0,
      state,
      started: this.#started[row] === 1,
      limitFrom: this.#limitFrom[row] ?? 0,
      limitMs: this.#limits[row] ?? 0,
    }
    const same =
      Atomics.load(this.#serials, row) === serial && Atomics.load(this.#states, row) !== rowStates.free
    return same ? one : undefined
  }

  /** Takes a claim that has not started from the loop. Undefined where it has, or is gone. */
  take(row: number): Row | undefined {
    const before = Atomics.compareExchange(this.#states, row, rowStates.waiting, rowStates.taken)
    // What is read now is what was taken: the loop frees no row that is taken before it has heard of it.
    return before === rowStates.waiting ? this.read(row) : undefined
  }

  renewed({ row, serial }: Row, leaseEnds: number): void {
    if (Atomics.load(this.#serials, row) === serial) this.#leaseEnds[row] = leaseEnds
  }
}
