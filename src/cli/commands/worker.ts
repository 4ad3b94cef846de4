// offstage worker: runs the jobs of the tasks that modules export, until a signal drains it.
import { resolve } from 'node:path'
import type { AppWorker } from '../../app/worker.ts'
import { hasCode } from '../../errors/error.ts'
import { type ChannelMessages, subscribe } from '../../runtime/channels.ts'
import { sleep, systemClock } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import { withEntry } from '../connect.ts'
import type { Entry } from '../entry.ts'
import { exitCodes, UsageError } from '../exit.ts'
import { logLine } from '../log.ts'
import type { Output } from '../output.ts'
import { WorkerHealth } from '../probe/health.ts'
import type { Setting } from '../settings.ts'
import { type EndSignal, endCodes, onSignals } from '../signals.ts'
import type { CommandContext, CommandSpec, OptionSpecs } from '../spec.ts'
import { Limits } from '../supervisor/limits.ts'
import { type ProcessSettings, processOptions, processSettings } from '../supervisor/settings.ts'
import { joinSupervisor, type Supervision } from '../supervisor/supervised.ts'
import { plain, plural } from '../text.ts'

const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 10_000

/** Shared with `dev`, which hands them on. */
export const workerOptions: OptionSpecs = {
  queues: {
    type: 'string',
    short: 'Q',
    value: '<a,b>',
    multiple: true,
    help: 'these queues, the first with work first; default those of the tasks',
  },
  concurrency: {
    type: 'string',
    short: 'c',
    value: '<count>',
    help: 'attempts at once, 1 to 10000, or auto; default 10, or as many as there are threads and processes where all tasks run in these',
  },
  lease: { type: 'string', value: '<duration>', help: 'how long a claim holds without renewal; default 15s' },
  grace: {
    type: 'string',
    value: '<duration>',
    help: 'how long running jobs may go on when it stops; default 25s',
  },
}

export const spec: CommandSpec = {
  args: '<entry...>',
  details: [
    'Runs every task that the modules export, else all tasks of the app that they export.',
    'SIGINT or SIGTERM drains: nothing more is claimed, running jobs may end within the grace, the rest is given back,',
    'and it exits 0. A second signal ends it at once (130 or 143); what it held runs elsewhere after the lease.',
    'A broker that is away is waited for, at the start and later.',
    'With --processes, --max-jobs or --max-memory a supervisor keeps the processes: one that ends is started again after',
    'a back-off, one that has reached a limit drains when its successor is ready, and SIGHUP replaces all in turn.',
    'It gives up, with their exit code, only where the first one ends before it was ready.',
  ],
  options: {
    ...workerOptions,
    ...processOptions,
    verbose: { type: 'boolean', help: 'a line for each attempt, not only for those that failed' },
  },
  examples: [
    'offstage worker ./tasks/index.ts',
    'offstage worker ./tasks/index.ts -Q high,default -c 50',
    'offstage worker ./mail.ts ./images.ts --grace 1m',
    'offstage worker ./tasks/index.ts --processes 4 --max-memory 512mb --probe 0.0.0.0:8080',
  ],
  positionals: { min: 0, max: Number.POSITIVE_INFINITY },
}

export async function run(context: CommandContext): Promise<number> {
  const health = new WorkerHealth(systemClock)
  const ending = new Ending(context.out, () => health.draining())
  const supervision = joinSupervisor({
    drain: () => ending.drain('draining'),
    health: () => {
      health.watch()
      return health.now()
    },
  })
  const paths = await entryPaths(context)
  const settings = await processSettings(context)
  const { processes } = settings
  if (supervision === undefined && processes !== undefined) {
    const { supervise } = await import('../supervisor/run.ts')
    return supervise(context, { ...settings, processes })
  }
  // What a child has to say, its supervisor hears; signals of the terminal are for that one, too.
  const leave = supervision === undefined ? ending.listen() : () => supervision.leave()
  const closeProbe = supervision === undefined ? await answerProbes(context, settings, health) : undefined
  try {
    return await work(context, { paths, settings, ending, health, supervision })
  } finally {
    leave()
    health.stop()
    await closeProbe?.()
  }
}

interface Work {
  readonly paths: readonly string[]
  readonly settings: ProcessSettings
  readonly ending: Ending
  readonly health: WorkerHealth
  readonly supervision: Supervision | undefined
}

async function work(context: CommandContext, parts: Work): Promise<number> {
  const { out, args } = context
  const { paths, ending, health, supervision } = parts
  const stopLines = printAttempts(out, args.has('verbose'))
  const limits = supervision === undefined ? undefined : limitsOf(parts.settings, supervision)
  try {
    const serve = async (entry: Entry): Promise<number> => {
      // Its supervisor starts another; elsewhere nobody might.
      const exitOnBlock = supervision?.restarts === true
      const worker = entry.app.worker({ tasks: entry.tasks, exitOnBlock, ...(await optionsOf(context)) })
      if (!ending.asked) await patiently(ending, out, () => worker.start())
      if (!ending.asked) {
        await announce(context, entry, worker)
        health.started(worker, await entry.app.broker())
        limits?.start()
        supervision?.ready()
      }
      await ending.wait()
      await worker.stop()
      out.note('offstage worker stopped')
      return exitCodes.ok
    }
    return await withEntry(context, paths, serve, (open) => patiently(ending, out, open))
  } catch (error) {
    if (!(error instanceof EndedEarly)) throw error
    out.note('offstage worker stopped')
    return exitCodes.ok
  } finally {
    limits?.stop()
    stopLines()
  }
}

/** Listens where the settings say; the answer ends it. */
async function answerProbes(
  { out }: CommandContext,
  { probe: address }: ProcessSettings,
  health: WorkerHealth,
): Promise<(() => Promise<void>) | undefined> {
  if (address === undefined) return undefined
  const { openProbe } = await import('../probe/listener.ts')
  const probe = await openProbe(address, () => health.now())
  health.watch()
  out.note(`offstage worker: probes are answered at ${probe.location}`)
  return () => probe.close()
}

function limitsOf({ maxJobs, maxMemoryBytes }: ProcessSettings, supervision: Supervision): Limits {
  return new Limits({
    maxJobs,
    maxMemoryBytes,
    clock: systemClock,
    random: Math.random,
    memory: () => process.memoryUsage.rss(),
    ask: (reason) => supervision.replace(reason),
  })
}

/** It was told to end while it waited for its broker: it has nothing to drain. */
class EndedEarly extends Error {
  override readonly name = 'EndedEarly'
}

/** A broker that is away at the start is waited for, as it is later; until the worker is told to end. */
async function patiently<T>(ending: Ending, out: Output, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof Error) || !hasCode(error, 'BROKER_UNAVAILABLE')) throw error
      if (ending.asked) throw new EndedEarly()
      const waitMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10))
      out.always(`offstage worker: ${plain(error.message)}; trying again in ${formatMs(waitMs)}`)
      await Promise.race([ending.wait(), sleep(systemClock, waitMs, { ref: true })])
      if (ending.asked) throw new EndedEarly()
    }
  }
}

/** The modules named as arguments, else those of the entry setting. */
export async function entryPaths({ args, settings, io }: CommandContext): Promise<readonly string[]> {
  if (args.positionals.length > 0) return args.positionals.map((path) => resolve(io.cwd, path))
  const setting = await settings.find('entry')
  if (setting !== undefined) return setting.values
  throw new UsageError('name the module that exports the tasks: offstage worker ./tasks/index.ts')
}

interface Options {
  readonly queues?: readonly string[]
  readonly concurrency?: number | 'auto'
  readonly lease?: number | string
  readonly grace?: number | string
}

function concurrencyOf({ values: [text = ''], from }: Setting): number | 'auto' {
  return text === 'auto' ? 'auto' : wholeOf(text, from)
}

async function optionsOf({ settings }: CommandContext): Promise<Options> {
  const [queues, concurrency, lease, grace] = await Promise.all([
    settings.find('queues'),
    settings.find('concurrency'),
    settings.duration('lease'),
    settings.duration('grace'),
  ])
  return {
    ...(queues !== undefined && { queues: queues.values }),
    ...(concurrency !== undefined && { concurrency: concurrencyOf(concurrency) }),
    ...(lease !== undefined && { lease }),
    ...(grace !== undefined && { grace }),
  }
}

function wholeOf(text: string, from: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new UsageError(
    `${from}: concurrency is '${plain(text)}'; it is a whole number from 1 to 10000, or auto`,
  )
}

async function announce({ out }: CommandContext, { app, tasks }: Entry, worker: AppWorker): Promise<void> {
  const broker = await app.broker()
  const { location } = await broker.health()
  const names = tasks.map(({ name }) => name)
  const shown = names.slice(0, 12).join(', ') + (names.length > 12 ? ', …' : '')
  out.note(
    `offstage worker ready: ${plural(names.length, 'task')} (${plain(shown)}), broker ${broker.name} at ${plain(location)}, namespace ${broker.namespace}, worker ${plain(worker.id ?? '')}`,
  )
}

/** Waits for the request to drain: a signal, or the supervising process. */
class Ending {
  readonly #out: Output
  readonly #onDrain: () => void
  #asked = false
  #resolve: () => void = () => undefined
  readonly #request: Promise<void>

  constructor(out: Output, onDrain: () => void) {
    this.#out = out
    this.#onDrain = onDrain
    this.#request = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get asked(): boolean {
    return this.#asked
  }

  wait(): Promise<void> {
    return this.#request
  }

  /** Listens to signals, in a process without a supervisor. */
  listen(): () => void {
    return onSignals({
      drain: (signal) => this.drain(`${signal}: draining; a second signal ends it at once`),
      end: (signal) => this.#end(signal),
    })
  }

  drain(text: string): void {
    if (this.#asked) return
    this.#asked = true
    this.#out.note(`offstage worker: ${text}`)
    this.#onDrain()
    this.#resolve()
  }

  #end(signal: EndSignal): void {
    this.#out.always(`offstage worker: ${signal}: ended at once; what was running runs again after its lease`)
    process.exit(endCodes[signal])
  }
}

/** A line for each attempt that failed, and for all of them where asked. */
function printAttempts(out: Output, all: boolean): () => void {
  return subscribe('offstage:end', (attempt) => {
    const failed = attempt.error !== undefined
    if (!failed && (!all || out.quiet)) return
    out.always(attemptLine(out, attempt))
  })
}

function attemptLine(out: Output, attempt: ChannelMessages['offstage:end']): string {
  const { task, id, outcome, ranMs, error } = attempt
  const text = error === undefined ? '' : `: ${errorText(error)}`
  return logLine(out, {
    level: error === undefined ? 'info' : 'warn',
    style: error === undefined ? 'green' : 'yellow',
    message: `${task} ${id} ${outcome} after ${formatMs(ranMs)}${text}`,
    fields: { attempt: attempt.attempt },
  })
}

function errorText(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  } catch {
    // A hostile error must not end the worker that reports it.
    return 'an error that cannot be read'
  }
}
