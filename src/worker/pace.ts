// How far ahead to claim: what will start within about a tenth of a second, by the worker's own measure. No-op jobs travel
// in hundreds, a job of ten minutes is never hoarded, and where both are in one queue, the slots that long ones hold do
// not count.
//
//   a slot that is free has the whole horizon for others; one that is held has what is left of it when its attempt is
//   expected to have ended: as long as attempts of its task take; one that is late, as late again
//   ahead = the sum of that over all slots / how long an attempt takes
//
// Attempts longer than the horizon count as the horizon, and for their own task as twice that: how much longer they are makes
// no difference here. Slots of tasks of which two in five attempts are as long as that count for nothing, however close to the
// end they seem to be. A worker
// whose handlers compute has slots that wait for the one thread; so nothing is claimed beyond what really has started
// lately.
import type { Attempt } from './attempt.ts'

/**
 * Jobs that will start within this are worth claiming now. More than a tenth of a second, so that attempts of just that
 * length, which timers make a little longer, are among those whose successors are claimed in time.
 */
export const HORIZON_MS = 125
/** From such a mean on, attempts count as longer than the horizon. */
const LONG_MS = 0.9 * HORIZON_MS
/** The weight of the latest attempt in the means. */
const WEIGHT = 0.05

/** A store may hold any number of unknown names; beyond this what is known of tasks is learned anew. */
const MAX_TASKS = 1_000

type Running = Pick<Attempt, 'job' | 'startedAt'>

export class Pace {
  readonly #max: number
  /** How long attempts of all tasks hold their slots. */
  readonly #all = new Mean()
  readonly #byTask = new Map<string, Mean>()
  /** Starts since `#since`, and in the horizon before that. */
  #started = 0
  #startedBefore = 0
  #since = 0

  constructor(max: number) {
    this.#max = max
  }

  started(now: number): void {
    this.#turn(now)
    this.#started += 1
  }

  /** An attempt of the task held its slot that long. */
  ended(task: string, ms: number): void {
    this.#all.add(Math.min(ms, HORIZON_MS))
    let ofTask = this.#byTask.get(task)
    if (ofTask === undefined) {
      if (this.#byTask.size >= MAX_TASKS) this.#byTask.clear()
      ofTask = new Mean()
      this.#byTask.set(task, ofTask)
    }
    ofTask.add(Math.min(ms, 2 * HORIZON_MS))
  }

  /** How many jobs to hold beyond the slots. */
  ahead(running: ReadonlySet<Running>, slots: number, now: number): number {
    const { value: meanMs } = this.#all
    if (meanMs === undefined) return 0
    let leftMs = meanMs > LONG_MS ? 0 : Math.max(0, slots - running.size) * (HORIZON_MS - meanMs)
    for (const { job, startedAt } of running) {
      const takesMs = this.#byTask.get(job.task)?.value ?? HORIZON_MS
      if (takesMs > LONG_MS) continue
      leftMs += Math.max(0, HORIZON_MS - Math.abs(takesMs - (now - startedAt)))
    }
    const starts = Math.floor(leftMs / Math.max(meanMs, 0.001))
    return Math.min(this.#max, this.startedLately(now), starts)
  }

  /** How many attempts have started within the horizon, or up to twice as long. */
  startedLately(now: number): number {
    this.#turn(now)
    return this.#started + this.#startedBefore
  }

  #turn(now: number): void {
    const passedMs = now - this.#since
    if (passedMs < HORIZON_MS) return
    this.#startedBefore = passedMs < 2 * HORIZON_MS ? this.#started : 0
    this.#started = 0
    this.#since = now
  }
}

class Mean {
  /** Undefined before the first. */
  value: number | undefined = undefined

  add(ms: number): void {
    this.value = this.value === undefined ? ms : this.value + (ms - this.value) * WEIGHT
  }
}
