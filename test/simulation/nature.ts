// What a world is like, by its seed. Each world has some of the faults and not the others, so that what one fault hides
// in one world shows in another.
import type { WorkerOptions } from '../../src/worker/worker.ts'
import type { Random } from '../support/random.ts'
import { type Mix, TASKS, type TaskName } from './jobs.ts'
import { FAIR, type Weather } from './line.ts'

/** What is done to a world while it is rough. */
export type Action =
  | 'enqueue'
  | 'kill'
  | 'freeze'
  | 'cut'
  | 'outage'
  | 'wall clock'
  | 'broker clock'
  | 'cancel'
  | 'pause'
  | 'retry'
  | 'promote'
  | 'remove'
  | 'stop'
  | 'start'

const ACTIONS: readonly Action[] = [
  'kill',
  'freeze',
  'cut',
  'outage',
  'wall clock',
  'broker clock',
  'cancel',
  'pause',
  'retry',
  'promote',
  'remove',
  'stop',
  'start',
]

/** Of a world whose only trouble is a job that kills whoever runs it. */
const PEACEFUL: readonly Action[] = ['cancel', 'stop', 'start']

export interface WorkerPlan {
  readonly knows: readonly TaskName[]
  /** With the queues that it names, its own is the first. */
  readonly queues: readonly string[] | undefined
  readonly options: Omit<WorkerOptions, 'queues'> & { readonly lease: number; readonly grace: number }
}

export interface Nature {
  /** One job kills every process that runs it, and nothing else happens to a process. */
  readonly poisoned: boolean
  readonly weather: Weather
  /** Timers are a little early or late. */
  readonly rough: boolean
  readonly roughMs: number
  readonly groups: number
  readonly actions: readonly Action[]
  readonly workers: readonly WorkerPlan[]
  readonly mix: Mix
}

const ALL = Object.keys(TASKS) as TaskName[]

export const HEALTHY: WorkerPlan = {
  knows: ALL,
  queues: undefined,
  options: { lease: 2_000, grace: 1_000, abandonAfter: 500 },
}

export function natureOf(random: Random): Nature {
  const poisoned = random.chance(0.12)
  // Answers that come when they had been given up, while the leases that they bring still live.
  const belated = !poisoned && random.chance(0.04)
  const some = (...rates: number[]): number => (random.chance(0.5) ? random.pick(rates) : 0)
  const enabled = (poisoned ? PEACEFUL : ACTIONS).filter(() => random.chance(0.5))
  if (belated) enabled.push('kill', 'freeze')
  const count = random.whole(3, 14)
  const actions: Action[] = []
  while (actions.length < count)
    actions.push(enabled.length === 0 || random.chance(0.3) ? 'enqueue' : random.pick(enabled))
  const latencyMs = random.pick([0, 2, 20])
  const few = random.chance(0.3)
  return {
    poisoned,
    weather: poisoned
      ? { ...FAIR, latencyMs }
      : {
          latencyMs: random.chance(0.2) ? 300 : latencyMs,
          refused: some(0.01, 0.05, 0.3),
          lost: some(0.01, 0.05, 0.3),
          silent: few ? random.pick([0.005, 0.02]) : 0,
          late: belated ? 0.15 : few ? random.pick([0.005, 0.02]) : 0,
          stale: few ? random.pick([0.005, 0.02]) : 0,
          twice: some(0.02, 0.2),
          hints: some(0.1, 0.5),
        },
    rough: random.chance(0.5),
    roughMs: belated ? random.between(20_000, 80_000) : random.between(1_000, 15_000),
    groups: random.whole(1, 5),
    actions,
    workers: Array.from({ length: random.whole(1, 3) }, () =>
      belated ? patientPlan(random) : planOf(random),
    ),
    mix: {
      special: some(0.3, 0.8),
      failing: some(0.2, 0.5),
      delayed: some(0.2, 0.5),
      slow: some(0.2, 0.6),
      noted: some(0.3, 0.8),
      hanging: some(0.2, 0.5),
      blocking: poisoned ? 0 : some(0.2),
      erased: some(0.3),
    },
  }
}

export function planOf(random: Random): WorkerPlan {
  const knows = random.chance(0.8) ? ALL : ALL.filter((task) => task !== 'fresh')
  return {
    knows,
    queues: random.chance(0.2) ? [...new Set(Object.values(TASKS))] : undefined,
    options: {
      concurrency: random.pick([1, 2, 4, 10]),
      lease: random.pick([1_500, 2_000, 2_000, 3_000, 5_000, random.chance(0.3) ? 60_000 : 3_000]),
      grace: random.pick([0, 200, 1_000, 3_000]),
      abandonAfter: random.pick([0, 500]),
      prefetch: random.pick([0, 3, 1_000]),
      maintain: random.chance(0.85),
      ...(random.chance(0.2) ? { pollInterval: 300 } : {}),
    },
  }
}

function patientPlan(random: Random): WorkerPlan {
  const plan = planOf(random)
  return { ...plan, options: { ...plan.options, lease: random.pick([60_000, 2_000]) } }
}
