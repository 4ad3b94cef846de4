// The options of a worker as users write them, and their one place of checking.
import { OffstageError } from '../errors/error.ts'
import { defaultGraceMs, defaultLeaseMs, defaultUnknownAfterMs } from '../job/defaults.ts'
import { checkName } from '../job/ids.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'
import { checkKnown, invalidOption, wholeNumber } from '../task/check.ts'
import type { RunnableTask } from '../task/runnable.ts'

export interface WorkerOptions {
  /**
   * The queues to work on. Given: strictly in this order, so that a queue is looked at only while those before it are
   * empty. Default: those of the worker's tasks, which take turns.
   */
  queues?: readonly string[] | undefined
  /**
   * How many attempts run at once in this process, 1 to 10,000. Default 10. Handlers that wait for a network bear far
   * more; handlers that compute gain nothing from more than one.
   */
  concurrency?: number | undefined
  /**
   * How long a claim holds without renewal: what a dead worker held starts elsewhere after at most that plus one
   * second. 100 ms to 1 d, default 15 s. Renewed at a third of it.
   */
  lease?: Duration | undefined
  /** How long `stop()` lets running attempts go on before it aborts them and gives them back. Default 25 s. */
  grace?: Duration | undefined
  /** How long a job may be put back for want of its task before it becomes a dead letter. Default 1 h. */
  unknownAfter?: Duration | undefined
  /** How long an aborted handler has to end before its attempt is given up and its slot freed. Default 5 s. */
  abandonAfter?: Duration | undefined
  /**
   * The most jobs to claim beyond the free slots, 0 to 10,000. Default 1,000. How many of them really are depends on how
   * fast attempts end: only what will start within about 100 ms is claimed ahead.
   */
  prefetch?: number | undefined
  /**
   * How often to look for work when nothing is heard of it. Default 1 s, and 200 ms where the broker cannot wake other
   * processes.
   */
  pollInterval?: Duration | undefined
  /** Takes part in the upkeep of the broker (due jobs, lost workers, retention). Default true. */
  maintain?: boolean | undefined
}

/** Checked and complete. */
export interface WorkerSettings {
  readonly queues: readonly string[]
  /** True where the order of the queues was given and is kept. */
  readonly strict: boolean
  readonly concurrency: number
  readonly leaseMs: number
  readonly graceMs: number
  readonly unknownAfterMs: number
  readonly abandonAfterMs: number
  readonly prefetch: number
  /** Absent: as suits the broker. */
  readonly pollIntervalMs: number | undefined
  readonly maintain: boolean
}

const KNOWN: readonly (keyof WorkerOptions)[] = [
  'queues',
  'concurrency',
  'lease',
  'grace',
  'unknownAfter',
  'abandonAfter',
  'prefetch',
  'pollInterval',
  'maintain',
]

const DAY_MS = 86_400_000

/**
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID, TASK_DUPLICATE
 */
export function workerSettings(options: WorkerOptions, tasks: readonly RunnableTask[]): WorkerSettings {
  checkKnown('worker', options, KNOWN)
  if (tasks.length === 0) throw invalid('tasks', 'is empty: a worker needs at least one task')
  checkTasks(tasks)
  return {
    queues: queuesOf(options.queues, tasks),
    strict: options.queues !== undefined,
    concurrency: wholeNumber('concurrency', options.concurrency ?? 10, 1, 10_000),
    leaseMs: duration(options.lease ?? defaultLeaseMs, 'lease', 100),
    graceMs: duration(options.grace ?? defaultGraceMs, 'grace', 0),
    unknownAfterMs: durationMs(options.unknownAfter ?? defaultUnknownAfterMs, 'unknownAfter'),
    abandonAfterMs: duration(options.abandonAfter ?? 5_000, 'abandonAfter', 0),
    prefetch: wholeNumber('prefetch', options.prefetch ?? 1_000, 0, 10_000),
    pollIntervalMs:
      options.pollInterval === undefined ? undefined : duration(options.pollInterval, 'pollInterval', 10),
    maintain: flag(options.maintain ?? true, 'maintain'),
  }
}

function checkTasks(tasks: readonly RunnableTask[]): void {
  const names = new Set<string>()
  for (const { name, queue } of tasks) {
    checkName('task', name)
    checkName('queue', queue)
    if (names.has(name)) {
      throw new OffstageError('TASK_DUPLICATE', `two tasks are named '${name}': a worker runs one a name`)
    }
    names.add(name)
  }
}

function queuesOf(given: readonly string[] | undefined, tasks: readonly RunnableTask[]): readonly string[] {
  if (given === undefined) return [...new Set(tasks.map(({ queue }) => queue))]
  if (!Array.isArray(given) || given.length === 0) throw invalid('queues', 'must name at least one queue')
  for (const queue of given) checkName('queue', queue)
  const twice = given.find((queue, i) => given.indexOf(queue) !== i)
  if (twice !== undefined) throw invalid('queues', `names '${twice}' twice`)
  return [...given]
}

function duration(value: Duration, path: string, min: number): number {
  const ms = durationMs(value, path)
  if (ms >= min && ms <= DAY_MS) return ms
  throw invalidOption(path, value, `it is from ${min} ms to 1 d`)
}

function flag(value: boolean, path: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalidOption(path, value, 'it is true or false')
}

function invalid(path: string, rule: string): OffstageError {
  return new OffstageError('OPTION_INVALID', `${path} ${rule}`, { details: { path } })
}
