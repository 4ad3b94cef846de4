// The tasks of the fault tests, and what a producer does with a plan. Each writes down what it does.
import { createHash } from 'node:crypto'
import type { App, JobOptions, Task, TaskContext } from '../../src/index.ts'
import type { HistoryWriter } from './history.ts'
import type { Ledger } from './ledger.ts'
import { type Input, jobsOf, type Places, type Plan, type PlannedJob, type TaskName } from './plan.ts'
import { lasting, now } from './time.ts'

export type Tasks = { readonly [name in TaskName]: Task<Input, unknown> }
type Run = (input: Input, ctx: TaskContext) => Promise<number>

/** How many runs there may be at once: of the task, or of each partition of it. */
export const LIMITS: { readonly [task: string]: number } = {
  limited: 2,
  parted: 1,
  'places-1': 1,
  'places-2': 2,
  'places-3': 3,
  'places-4': 4,
  'places-5': 5,
}

/** How many runs of the task `rated` may start in any second. */
export const RATE = 20

export function tasksOf(app: App, run: Run): Tasks {
  const retry = { attempts: 8, base: '20ms', max: '200ms' } as const
  const byKey = ({ key = '' }: Input): string => key
  const places = (concurrency: Places): Task<Input, unknown> =>
    app.task<Input>({ name: `places-${concurrency}`, retry, limit: { concurrency }, run })
  return {
    work: app.task<Input>({ name: 'work', retry, run }),
    limited: app.task<Input>({ name: 'limited', retry, limit: { concurrency: LIMITS.limited }, run }),
    unique: app.task<Input>({ name: 'unique', retry, unique: { by: byKey, onConflict: 'keep' }, run }),
    parted: app.task<Input>({
      name: 'parted',
      retry,
      partition: { by: byKey, limit: { concurrency: LIMITS.parted } },
      run,
    }),
    'places-1': places(1),
    'places-2': places(2),
    'places-3': places(3),
    'places-4': places(4),
    'places-5': places(5),
    rated: app.task<Input>({ name: 'rated', retry, limit: { rate: `${RATE}/s` }, run }),
  }
}

/** For cases with so many jobs that writing down each run would be the load. */
export interface QuietInput {
  /** Epoch milliseconds, by the clock of this machine. */
  readonly dueAt?: number
  /** A file that is there while what the handler depends on is up. */
  readonly needs?: string
}

export function quietTask(
  app: App,
  run: (input: QuietInput, ctx: TaskContext) => void,
): Task<QuietInput, unknown> {
  return app.task<QuietInput>({ name: 'quiet', queue: 'quiet', retry: QUIET_RETRY, run })
}

export const QUIET_RETRY = { attempts: 100, base: 16_000, max: 32_000 } as const

export function hashOf(input: Input): string {
  return createHash('sha256').update(JSON.stringify(input)).digest('hex')
}

/** Enqueues what the plan says, until all is asked for or `stopped` says so. */
export async function produce(
  tasks: Tasks,
  plan: Plan,
  history: Pick<HistoryWriter, 'write'>,
  { stopped = () => false, ledger }: ProduceOptions = {},
): Promise<void> {
  const jobs = jobsOf(plan)
  const startedAt = now()
  let count = 0
  const pump = async (): Promise<void> => {
    for (let { value: job } = jobs.next(); job !== undefined && !stopped(); job = jobs.next().value) {
      count += 1
      const earlyMs = plan.perSecond === 0 ? 0 : startedAt + (count * 1_000) / plan.perSecond - now()
      if (earlyMs > 0) await lasting(earlyMs)
      await ask(tasks, job, { history, ledger, more: plan.options })
    }
  }
  await Promise.all(Array.from({ length: plan.inFlight }, pump))
}

interface ProduceOptions {
  readonly stopped?: () => boolean
  readonly ledger?: Ledger | undefined
}

interface AskTools {
  readonly history: Pick<HistoryWriter, 'write'>
  readonly ledger: Ledger | undefined
  readonly more: JobOptions
}

async function ask(
  tasks: Tasks,
  { id, task, input, delayMs }: PlannedJob,
  { history, ledger, more }: AskTools,
): Promise<void> {
  const key = task === 'unique' && input.key !== undefined ? { key: input.key } : {}
  history.write({ e: 'asked', id, task, hash: hashOf(input), delayMs, ...key })
  const options = { ...more, id, ...(delayMs > 0 ? { delay: delayMs } : {}) }
  try {
    const job =
      ledger === undefined
        ? await tasks[task].enqueue(input, options)
        : await ledger.order(id, (tx) => tasks[task].enqueue(input, { ...options, tx }))
    if (job === undefined) return
    history.write({ e: 'accepted', id, ...(job.id === id ? {} : { as: job.id }) })
  } catch (error) {
    const { code = 'none' } = error as { readonly code?: string }
    history.write({ e: 'refused', id, error: String(error), code })
  }
}
