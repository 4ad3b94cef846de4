// What a child process is told, and the jobs that a seed stands for.
import type { AppWorkerOptions, JobOptions } from '../../src/index.ts'
import { mulberry } from '../support/random.ts'
import type { Deed } from './deeds.ts'

export type TaskName = 'work' | 'limited' | 'unique' | 'parted' | `places-${Places}` | 'rated'

/** How many runs at once the tasks with a plain limit allow. */
export type Places = 1 | 2 | 3 | 4 | 5

export interface Input {
  readonly n: number
  readonly workMs: number
  /** How many attempts fail before one succeeds. */
  readonly fails: number
  readonly pad: string
  /** The unique key or the partition. */
  readonly key?: string
  /** What its handler does to its process. */
  readonly deed?: Deed
}

export interface Plan {
  readonly seed: number
  /** Before the number of each id. */
  readonly prefix: string
  readonly count: number
  readonly inFlight: number
  /** At most so many enqueues a second; 0 for as many as there can be. */
  readonly perSecond: number
  readonly task: TaskName
  /** The longest that a handler works. */
  readonly workMs: number
  /** Shares of the jobs, 0 to 1. */
  readonly failing: number
  readonly delayed: number
  readonly limited: number
  /** With one of `keys` unique keys. */
  readonly unique: number
  readonly keys: number
  /** In one of a few partitions with a limit. */
  readonly parted: number
  readonly maxBytes: number
  /** With an input of 200 KB. */
  readonly big: number
  /** What the handlers of all of them do to their processes. */
  readonly deed: Deed | undefined
  /** How all of them are enqueued, beside the id and the delay. */
  readonly options: JobOptions
}

export type Orders = {
  readonly library: string
  readonly broker: string
  readonly history: string
  /** The URL of a database with a ledger: enqueues and completes in its transactions. */
  readonly ledger?: string | undefined
  /** Logs everything to its output, with all that there is to know of it. */
  readonly loud?: boolean | undefined
} & (
  | { readonly role: 'producer'; readonly plan: Plan }
  /**
   * `extraMs`: how much longer its handlers work. `deaf`: they do not heed their signals. `knows`: the name of one more
   * task. `only`: the names of all that it has. `fragile`: an error that nobody catches ends it, as it does by default.
   */
  | {
      readonly role: 'worker'
      readonly options: Omit<AppWorkerOptions, 'tasks'>
      readonly extraMs: number
      readonly deaf: boolean
      readonly fragile: boolean
      readonly knows: string | undefined
      readonly only: readonly string[] | undefined
    }
)

export interface PlannedJob {
  readonly id: string
  readonly task: TaskName
  readonly input: Input
  readonly delayMs: number
}

export function planOf(plan: Partial<Plan> & Pick<Plan, 'seed' | 'prefix' | 'count'>): Plan {
  return {
    inFlight: 16,
    perSecond: 0,
    task: 'work',
    workMs: 0,
    failing: 0,
    delayed: 0,
    limited: 0,
    unique: 0,
    keys: 20,
    parted: 0,
    maxBytes: 200,
    big: 0,
    deed: undefined,
    options: {},
    ...plan,
  }
}

const BIG_BYTES = 200_000
/** How many partitions the jobs with one are spread over. */
const PARTITIONS = 4

/** The same jobs for the same plan, made one by one. */
export function* jobsOf(plan: Plan): Generator<PlannedJob, undefined> {
  const random = mulberry(plan.seed)
  for (let n = 0; n < plan.count; n += 1) {
    const task = taskOf(plan, random())
    const fails = random() < plan.failing ? 1 + Math.floor(random() * 2) : 0
    const delayMs = random() < plan.delayed ? 100 + Math.floor(random() * 900) : 0
    const bytes = random() < plan.big ? BIG_BYTES : Math.floor(random() ** 3 * plan.maxBytes)
    const workMs = Math.floor(random() * (plan.workMs + 1))
    const keys = task === 'unique' ? plan.keys : task === 'parted' ? PARTITIONS : 0
    // In braces, and in the id too: what has to be in one shard says so.
    const key = keys === 0 ? undefined : `{${task}-${Math.floor(random() * keys)}}`
    const deed = plan.deed === undefined ? {} : { deed: plan.deed }
    const input = { n, workMs, fails, pad: 'é0 '.repeat(Math.ceil(bytes / 4)), ...deed }
    yield {
      id: `${plan.prefix}-${n}${key ?? ''}`,
      task,
      input: key === undefined ? input : { ...input, key },
      delayMs,
    }
  }
  return undefined
}

function taskOf({ task, limited, unique, parted }: Plan, at: number): TaskName {
  if (at < limited) return 'limited'
  if (at < limited + unique) return 'unique'
  return at < limited + unique + parted ? 'parted' : task
}
