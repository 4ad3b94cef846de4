// What a child process is told, and the jobs that a seed stands for.
import type { AppWorkerOptions } from '../../src/index.ts'

export interface Input {
  readonly n: number
  readonly workMs: number
  /** How many attempts fail before one succeeds. */
  readonly fails: number
  readonly pad: string
}

export interface Plan {
  readonly seed: number
  /** Before the number of each id. */
  readonly prefix: string
  readonly count: number
  readonly inFlight: number
  readonly task: 'work' | 'limited'
  /** The longest that a handler works. */
  readonly workMs: number
  /** Shares of the jobs, 0 to 1. */
  readonly failing: number
  readonly delayed: number
  readonly limited: number
  readonly maxBytes: number
}

export type Orders = {
  readonly library: string
  readonly broker: string
  readonly history: string
} & (
  | { readonly role: 'producer'; readonly plan: Plan }
  /** `extraMs`: how much longer its handlers work. `deaf`: they do not heed their signals. */
  | {
      readonly role: 'worker'
      readonly options: Omit<AppWorkerOptions, 'tasks'>
      readonly extraMs: number
      readonly deaf: boolean
    }
)

export interface PlannedJob {
  readonly id: string
  readonly task: Plan['task']
  readonly input: Input
  readonly delayMs: number
}

export function planOf(plan: Partial<Plan> & Pick<Plan, 'seed' | 'prefix' | 'count'>): Plan {
  return {
    inFlight: 16,
    task: 'work',
    workMs: 0,
    failing: 0,
    delayed: 0,
    limited: 0,
    maxBytes: 200,
    ...plan,
  }
}

/** The same jobs for the same plan. */
export function jobsOf(plan: Plan): PlannedJob[] {
  const random = mulberry(plan.seed)
  return Array.from({ length: plan.count }, (_, n) => {
    const task = random() < plan.limited ? 'limited' : plan.task
    const fails = random() < plan.failing ? 1 + Math.floor(random() * 2) : 0
    const delayMs = random() < plan.delayed ? 100 + Math.floor(random() * 900) : 0
    const bytes = Math.floor(random() ** 3 * plan.maxBytes)
    const workMs = Math.floor(random() * (plan.workMs + 1))
    const input = { n, workMs, fails, pad: 'é0 '.repeat(Math.ceil(bytes / 4)) }
    return { id: `${plan.prefix}-${n}`, task, input, delayMs }
  })
}

/** Small and good enough: a sequence of numbers in [0, 1) for a seed. */
export function mulberry(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
