// The options of a worker as users write them, and their one place of checking.
import { OffstageError } from '../errors/error.ts'
import { defaultGraceMs, defaultLeaseMs, defaultMaxBlockMs, defaultUnknownAfterMs } from '../job/defaults.ts'
import { checkName } from '../job/ids.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'
import { boundedMs, checkKnown, checkObject, choice, invalidOption, wholeNumber } from '../task/check.ts'
import { type Places, type PlacesOptions, placesOf, resolvePlaces } from '../task/places.ts'
import type { RunnableTask } from '../task/runnable.ts'

export interface WorkerOptions {
  /**
   * The queues to work on. Given: strictly in this order, so that a queue is looked at only while those before it are
   * empty. Default: those of the worker's tasks, which take turns.
   */
  queues?: readonly string[] | undefined
  /**
   * How many attempts run at once in this process, 1 to 10,000. Default 10. Handlers that wait for a network bear far
   * more; handlers that compute gain nothing from more than one. `'auto'` or `{ min, max }` lets the worker find the
   * number between 1 and 100, or min and max: it rises while all places are taken, and falls when the event loop turns
   * late or memory is short.
   * Where all tasks run in threads or processes, the default is as many as there are of these.
   */
  concurrency?: number | 'auto' | ConcurrencyRange | undefined
  /**
   * How long a claim holds without renewal: what a dead worker held starts elsewhere after at most that plus one
   * second. 100 ms to 1 d, default 15 s. Renewed at a third of it.
   */
  lease?: Duration | undefined
  /** How long `stop()` lets running attempts go on before it aborts them and gives them back. Default 25 s. */
  grace?: Duration | undefined
  /** How long a job may be put back for want of its task before it becomes a dead letter. Default 1 h. */
  unknownAfter?: Duration | undefined
  /**
   * The longest time that an attempt of a queue may take, whatever its task says: `{ mail: '1m', '*': '1h' }`, where `*`
   * is every queue that is not named. The shorter of this and the timeout of the job or task holds. Each at least 1 ms.
   */
  timeouts?: { readonly [queue: string]: Duration } | undefined
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
  /**
   * `thread` (default): leases are renewed from a thread with a connection of its own, however long a handler blocks the
   * event loop, and what blocks it is said. `loop`: by the event loop itself, as where the broker cannot be reached from
   * another thread (the memory broker, a client or pool that was handed in).
   */
  keeper?: 'thread' | 'loop' | undefined
  /**
   * From when on a blocked event loop is reported with the job and the line that block it; false for never. 50 ms to
   * 1 h, default 250 ms. Only with `keeper: 'thread'`.
   */
  warnBlock?: Duration | false | undefined
  /**
   * How long the leases of a blocked event loop are kept: that long, or to the end of the timeout of those that have
   * one. Then their jobs run elsewhere. 1 s to 1 d, default 60 s. Only with `keeper: 'thread'`.
   */
  maxBlock?: Duration | undefined
  /** Ends the process, as if it had been killed, when its event loop is blocked for longer than that. Default false. */
  exitOnBlock?: boolean | undefined
  /** For tasks with `runIn: 'thread'`. */
  threads?: PlacesOptions | undefined
  /** For tasks with `runIn: 'process'`. */
  processes?: PlacesOptions | undefined
}

interface ConcurrencyRange {
  /** At least 1. Default 1. */
  min?: number | undefined
  /** At most 10,000. Default 100. */
  max?: number | undefined
}

/** Checked and complete. */
export interface WorkerSettings {
  readonly queues: readonly string[]
  /** True where the order of the queues was given and is kept. */
  readonly strict: boolean
  /** The most at once. */
  readonly concurrency: number
  /** The same, or less where the number is found by the worker. */
  readonly minConcurrency: number
  readonly leaseMs: number
  readonly graceMs: number
  readonly unknownAfterMs: number
  /** By queue; `*` is every queue that is not named. */
  readonly timeoutsMs: ReadonlyMap<string, number>
  readonly abandonAfterMs: number
  readonly prefetch: number
  /** Absent: as suits the broker. */
  readonly pollIntervalMs: number | undefined
  readonly maintain: boolean
  readonly keeper: 'thread' | 'loop'
  /** Undefined for never. */
  readonly warnBlockMs: number | undefined
  readonly maxBlockMs: number
  readonly exitOnBlock: boolean
  readonly threads: Places
  readonly processes: Places
}

const KNOWN: readonly (keyof WorkerOptions)[] = [
  'queues',
  'concurrency',
  'lease',
  'grace',
  'unknownAfter',
  'timeouts',
  'abandonAfter',
  'prefetch',
  'pollInterval',
  'maintain',
  'keeper',
  'warnBlock',
  'maxBlock',
  'exitOnBlock',
  'threads',
  'processes',
]

/** No name of a queue, so it cannot be taken for one. */
export const ALL_QUEUES = '*'
const DAY_MS = 86_400_000

/**
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID, TASK_DUPLICATE
 */
export function workerSettings(options: WorkerOptions, tasks: readonly RunnableTask[]): WorkerSettings {
  checkKnown('worker', options, KNOWN)
  if (tasks.length === 0) throw invalid('tasks', 'is empty: a worker needs at least one task')
  checkTasks(tasks)
  const threads = resolvePlaces('threads', options.threads)
  const processes = resolvePlaces('processes', options.processes)
  return {
    queues: queuesOf(options.queues, tasks),
    strict: options.queues !== undefined,
    ...concurrencyOf(options.concurrency ?? usualConcurrency(tasks, threads, processes)),
    leaseMs: duration(options.lease ?? defaultLeaseMs, 'lease', 100),
    graceMs: duration(options.grace ?? defaultGraceMs, 'grace', 0),
    unknownAfterMs: durationMs(options.unknownAfter ?? defaultUnknownAfterMs, 'unknownAfter'),
    timeoutsMs: timeoutsOf(options.timeouts),
    abandonAfterMs: duration(options.abandonAfter ?? 5_000, 'abandonAfter', 0),
    prefetch: wholeNumber('prefetch', options.prefetch ?? 1_000, 0, 10_000),
    pollIntervalMs:
      options.pollInterval === undefined ? undefined : duration(options.pollInterval, 'pollInterval', 10),
    maintain: flag(options.maintain ?? true, 'maintain'),
    keeper: choice('keeper', options.keeper ?? 'thread', ['thread', 'loop']),
    warnBlockMs:
      options.warnBlock === false ? undefined : duration(options.warnBlock ?? 250, 'warnBlock', 50),
    maxBlockMs: duration(options.maxBlock ?? defaultMaxBlockMs, 'maxBlock', 1_000),
    exitOnBlock: flag(options.exitOnBlock ?? false, 'exitOnBlock'),
    threads,
    processes,
  }
}

/** What waits for a thread would be claimed in vain: other workers may have one that is free. */
function usualConcurrency(tasks: readonly RunnableTask[], threads: Places, processes: Places): number {
  const kinds = new Set(tasks.map(({ remote }) => remote?.runIn))
  if (kinds.has(undefined)) return 10
  return (kinds.has('thread') ? placesOf(threads) : 0) + (kinds.has('process') ? placesOf(processes) : 0)
}

function concurrencyOf(
  given: number | 'auto' | ConcurrencyRange,
): Pick<WorkerSettings, 'concurrency' | 'minConcurrency'> {
  if (given === 'auto') return concurrencyOf({})
  if (typeof given === 'object' && given !== null) {
    checkKnown('concurrency', given, ['min', 'max'])
    const max = wholeNumber('concurrency.max', given.max ?? 100, 1, 10_000)
    return { concurrency: max, minConcurrency: wholeNumber('concurrency.min', given.min ?? 1, 1, max) }
  }
  if (typeof given === 'string') {
    throw invalidOption('concurrency', given, "a whole number, 'auto' or { min, max } is needed")
  }
  const concurrency = wholeNumber('concurrency', given, 1, 10_000)
  return { concurrency, minConcurrency: concurrency }
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

function timeoutsOf(given: WorkerOptions['timeouts']): ReadonlyMap<string, number> {
  if (given === undefined) return new Map()
  checkObject('timeouts', given)
  return new Map(
    Object.entries(given).map(([queue, timeout]) => {
      if (queue !== ALL_QUEUES) checkName('queue', queue)
      return [queue, boundedMs(`timeouts.${queue}`, timeout, 1)]
    }),
  )
}

/** The limit of a queue's attempts; undefined where there is none. */
export function queueTimeoutMs({ timeoutsMs }: WorkerSettings, queue: string): number | undefined {
  return timeoutsMs.get(queue) ?? timeoutsMs.get(ALL_QUEUES)
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
