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
import { type EndSignal, endCodes, onSignals } from '../signals.ts'
import type { CommandContext, CommandSpec, OptionSpecs } from '../spec.ts'
import { onSupervisor } from '../supervision.ts'
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
    help: 'attempts at once, 1 to 10000; default 10',
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
  ],
  options: {
    ...workerOptions,
    verbose: { type: 'boolean', help: 'a line for each attempt, not only for those that failed' },
  },
  examples: [
    'offstage worker ./tasks/index.ts',
    'offstage worker ./tasks/index.ts -Q high,default -c 50',
    'offstage worker ./mail.ts ./images.ts --grace 1m',
  ],
  positionals: { min: 0, max: Number.POSITIVE_INFINITY },
}

export async function run(context: CommandContext): Promise<number> {
  const { out, args } = context
  const paths = await entryPaths(context)
  const ending = new Ending(out)
  const stopListening = ending.listen()
  const stopLines = printAttempts(out, args.has('verbose'))
  try {
    const work = async (entry: Entry): Promise<number> => {
      const worker = entry.app.worker({ tasks: entry.tasks, ...(await optionsOf(context)) })
      if (!ending.asked) await patiently(ending, out, () => worker.start())
      if (!ending.asked) await announce(context, entry, worker)
      await ending.wait()
      await worker.stop()
      out.note('offstage worker stopped')
      return exitCodes.ok
    }
    return await withEntry(context, paths, work, (open) => patiently(ending, out, open))
  } finally {
    stopLines()
    stopListening()
  }
}

/** A broker that is away at the start is waited for, as it is later; until the worker is told to end. */
async function patiently<T>(ending: Ending, out: Output, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await act()
    } catch (error) {
      if (ending.asked || !(error instanceof Error) || !hasCode(error, 'BROKER_UNAVAILABLE')) throw error
      const waitMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10))
      out.always(`offstage worker: ${plain(error.message)}; trying again in ${formatMs(waitMs)}`)
      await Promise.race([ending.wait(), sleep(systemClock, waitMs, { ref: true })])
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
  readonly concurrency?: number
  readonly lease?: number | string
  readonly grace?: number | string
}

async function optionsOf({ settings }: CommandContext): Promise<Options> {
  const [queues, concurrency, lease, grace] = await Promise.all([
    settings.find('queues'),
    settings.find('concurrency'),
    settings.text('lease'),
    settings.text('grace'),
  ])
  return {
    ...(queues !== undefined && { queues: queues.values }),
    ...(concurrency !== undefined && { concurrency: wholeOf(concurrency.values[0] ?? '', concurrency.from) }),
    ...(lease !== undefined && { lease: durationOf(lease) }),
    ...(grace !== undefined && { grace: durationOf(grace) }),
  }
}

function wholeOf(text: string, from: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new UsageError(`${from}: concurrency is '${plain(text)}'; it is a whole number from 1 to 10000`)
}

function durationOf(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text
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
  #asked = false
  #resolve: () => void = () => undefined
  readonly #request: Promise<void>

  constructor(out: Output) {
    this.#out = out
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

  listen(): () => void {
    const supervised = onSupervisor({
      drain: () => this.#drain('draining'),
      end: (signal) => process.exit(endCodes[signal]),
    })
    // A supervised worker gets Ctrl+C from the terminal too; its supervisor says what it means.
    if (supervised !== undefined) return supervised
    return onSignals({
      drain: (signal) => this.#drain(`${signal}: draining; a second signal ends it at once`),
      end: (signal) => this.#end(signal),
    })
  }

  #drain(text: string): void {
    if (this.#asked) return
    this.#asked = true
    this.#out.note(`offstage worker: ${text}`)
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
