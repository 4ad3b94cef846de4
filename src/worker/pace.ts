// How far ahead to claim: what will start within a tenth of a second, by the worker's own measure. No-op jobs travel in
// hundreds, a job of ten minutes is never hoarded, and where both are in one queue, the slots that long ones hold do
// not count.
//
//   a slot that is free has the whole horizon for others; one that is held has what is left of it when its attempt is
//   expected to have ended: it goes on for as long as attempts of its task take, or for as long again as it has taken
//   ahead = the sum of that over all slots / how long an attempt takes
//
// Attempts longer than the horizon count as the horizon: how much longer they are makes no difference here. A worker
// whose handlers compute has slots that wait for the one thread; so nothing is claimed beyond what really has started
// lately.
import type { Attempt } from './attempt.ts'

/** Jobs that will start within this are worth claiming now. */
export const HORIZON_MS = 100
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
    const counted = Math.min(ms, HORIZON_MS)
    this.#all.add(counted)
    let ofTask = this.#byTask.get(task)
    if (ofTask === undefined) {
      if (this.#byTask.size >= MAX_TASKS) this.#byTask.clear()
      ofTask = new Mean()
      this.#byTask.set(task, ofTask)
    }
    ofTask.add(counted)
  }

  /** How many jobs to hold beyond the slots. */
  ahead(running: ReadonlySet<Running>, slots: number, now: number): number {
    const { value: meanMs } = this.#all
    if (meanMs === undefined) return 0
    let leftMs = Math.max(0, slots - running.size) * (HORIZON_MS - meanMs)
    for (const { job, startedAt } of running) {
      const takesMs = this.#byTask.get(job.task)?.value ?? HORIZON_MS
      leftMs += Math.max(0, HORIZON_MS - Math.max(takesMs, now - startedAt))
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
