// The tasks of the fault tests, and what a producer does with a plan. Each writes down what it does.
import { createHash } from 'node:crypto'
import type { App, Task, TaskContext } from '../../src/index.ts'
import type { HistoryWriter } from './history.ts'
import type { Ledger } from './ledger.ts'
import { type Input, jobsOf, type Plan, type PlannedJob, type TaskName } from './plan.ts'
import { lasting, now } from './time.ts'

export type Tasks = { readonly [name in TaskName]: Task<Input, unknown> }
type Run = (input: Input, ctx: TaskContext) => Promise<number>

/** How many runs there may be at once: of the task, or of each partition of it. */
export const LIMITS: { readonly [task: string]: number } = { limited: 2, parted: 1 }

export function tasksOf(app: App, run: Run): Tasks {
  const retry = { attempts: 8, base: '20ms', max: '200ms' } as const
  const byKey = ({ key = '' }: Input): string => key
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
  }
}

export function hashOf(input: Input): string {
  return createHash('sha256').update(JSON.stringify(input)).digest('hex')
}

/** Enqueues what the plan says, until all is asked for or `stopped` says so. */
export async function produce(
  tasks: Tasks,
  plan: Plan,
  history: HistoryWriter,
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
      await ask(tasks, job, history, ledger)
    }
  }
  await Promise.all(Array.from({ length: plan.inFlight }, pump))
}

interface ProduceOptions {
  readonly stopped?: () => boolean
  readonly ledger?: Ledger | undefined
}

async function ask(
  tasks: Tasks,
  { id, task, input, delayMs }: PlannedJob,
  history: HistoryWriter,
  ledger: Ledger | undefined,
): Promise<void> {
  const key = task === 'unique' && input.key !== undefined ? { key: input.key } : {}
  history.write({ e: 'asked', id, task, hash: hashOf(input), delayMs, ...key })
  const options = { id, ...(delayMs > 0 ? { delay: delayMs } : {}) }
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
