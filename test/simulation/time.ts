// The time of a simulated world. It stands still while anything is left to do and then jumps to the next alarm, so that
// minutes cost milliseconds. What Node would do in turns of its loop (setImmediate) is done here in an order of its
// own, so that a world runs within one turn of the real loop and in the same way each time.
import type { Clock, Timer } from '../../src/runtime/clock.ts'
import type { Random } from '../support/random.ts'

/** Whoever lives in the world and may be stopped or killed: what is due to them waits, or never comes. */
export class Life {
  /** Killed: nothing reaches it any more. */
  gone = false
  /** Stopped, as by SIGSTOP or a blocked loop: what is due meanwhile comes when it goes on. */
  frozen = false
  /** Timers first, then what came from outside, as Node serves them after a block. */
  readonly held: Alarm[] = []
}

export interface Alarm {
  readonly at: number
  readonly order: number
  readonly life: Life | undefined
  readonly kind: 'timer' | 'message'
  run: (() => void) | undefined
}

/** The start of 2030 in UTC. */
const EPOCH = 1_893_456_000_000

export class Timeline {
  #now = 0
  #order = 0
  readonly #heap: Alarm[] = []
  readonly #soon: (() => void)[] = []
  readonly #thawed: Life[] = []
  /** What a timer or a turn of the loop threw. */
  readonly troubles: unknown[] = []
  steps = 0

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now
  }

  /** In place of setImmediate. */
  readonly soon = (run: (...args: unknown[]) => void, ...args: unknown[]): void => {
    this.#soon.push(() => run(...args))
  }

  after(ms: number, run: () => void, life?: Life, kind: Alarm['kind'] = 'message'): Alarm {
    this.#order += 1
    const alarm: Alarm = { at: this.#now + Math.max(0, ms), order: this.#order, life, kind, run }
    push(this.#heap, alarm)
    return alarm
  }

  /** Lets somebody go on. */
  thaw(life: Life): void {
    if (!life.frozen) return
    life.frozen = false
    this.#thawed.push(life)
  }

  /** Goes on to the next alarm, and until nothing is left to do there. False where nothing will ever happen again. */
  async step(): Promise<boolean> {
    const alarm = pop(this.#heap)
    if (alarm === undefined) return false
    const { run, life } = alarm
    if (run === undefined || life?.gone === true) return true
    this.steps += 1
    this.#now = alarm.at
    if (life?.frozen === true) life.held.push(alarm)
    else {
      this.#run(alarm)
      await this.rest()
    }
    for (const thawed of this.#thawed.splice(0)) await this.#catchUp(thawed)
    return true
  }

  /** Until nothing is left to do at this moment. */
  async rest(): Promise<void> {
    await microtasks()
    while (this.#soon.length > 0) {
      for (const run of this.#soon.splice(0)) {
        this.#guarded(run)
        await microtasks()
      }
    }
  }

  /** Microtasks run between what was held back, turns of the loop only after it. */
  async #catchUp(life: Life): Promise<void> {
    const held = life.held.splice(0)
    for (const kind of ['timer', 'message'] as const) {
      for (const alarm of held) {
        if (alarm.kind !== kind) continue
        // What it does on its way back may stop it again.
        if (life.frozen) life.held.push(alarm)
        else if (!life.gone) {
          this.#run(alarm)
          await microtasks()
        }
      }
    }
    await this.rest()
  }

  #run(alarm: Alarm): void {
    const { run } = alarm
    alarm.run = undefined
    if (run !== undefined) this.#guarded(run)
  }

  #guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.troubles.push(error)
    }
  }
}

/** The clock of one process: its wall time may be wrong, its timers come a little early or late. */
export class ProcessClock implements Clock {
  readonly #time: Timeline
  readonly #life: Life | undefined
  readonly #random: Random
  /** Node's timers may fire up to a millisecond early, and come late under load. */
  readonly #rough: boolean
  /** What the wall clock is off by. */
  offMs = 0
  #waiting = 0
  #shown = 0

  constructor(time: Timeline, random: Random, options: { readonly life?: Life; readonly rough?: boolean }) {
    this.#time = time
    this.#random = random
    this.#life = options.life
    this.#rough = options.rough ?? false
  }

  /** How many timers are set. */
  get waiting(): number {
    return this.#waiting
  }

  /** The latest wall time that anybody has seen here, or would see now: time that never runs backwards. */
  get latest(): number {
    return Math.max(this.#shown, this.#wall())
  }

  now(): number {
    const now = this.#wall()
    this.#shown = Math.max(this.#shown, now)
    return now
  }

  monotonic(): number {
    return this.#time.now
  }

  schedule(ms: number, run: () => void): Timer {
    this.#waiting += 1
    const offMs = this.#rough && ms > 1 ? this.#random.between(-0.9, 3) : 0
    const fire = (): void => {
      this.#waiting -= 1
      run()
    }
    const alarm = this.#time.after(ms + offMs, fire, this.#life, 'timer')
    return {
      cancel: () => {
        if (alarm.run !== undefined) this.#waiting -= 1
        alarm.run = undefined
      },
    }
  }

  #wall(): number {
    return Math.floor(EPOCH + this.#time.now + this.offMs)
  }
}

/**
 * Hands out the world's own chance and turns of the loop in place of the real ones; the answer ends that. Errors get no
 * stacks meanwhile, which would cost a quarter of the time; who replays a seed wants them.
 */
export function takeOver(time: Timeline, chance: () => number, stacks: boolean): () => void {
  const { setImmediate } = globalThis
  const { random } = Math
  const { stackTraceLimit } = Error
  if (!stacks) Error.stackTraceLimit = 0
  globalThis.setImmediate = time.soon as unknown as typeof setImmediate
  Math.random = chance
  return () => {
    globalThis.setImmediate = setImmediate
    Math.random = random
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Resolves when every microtask has run: Node turns to the next tick only then. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

function before(a: Alarm, b: Alarm): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function push(heap: Alarm[], alarm: Alarm): void {
  let at = heap.length
  heap.push(alarm)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent] as Alarm
    if (!before(alarm, above)) break
    heap[at] = above
    at = parent
  }
  heap[at] = alarm
}

function pop(heap: Alarm[]): Alarm | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    const right = heap[child + 1]
    if (right !== undefined && before(right, heap[child] as Alarm)) child += 1
    if (!before(heap[child] as Alarm, last)) break
    heap[at] = heap[child] as Alarm
    at = child
  }
  heap[at] = last
  return first
}
