// offstage dev: a worker in a process of its own, restarted when the sources change.
import { dirname, relative, resolve } from 'node:path'
import { systemClock } from '../../runtime/clock.ts'
import { durationMs } from '../../runtime/durations.ts'
import { exitCodes } from '../exit.ts'
import type { Output } from '../output.ts'
import { type EndSignal, endCodes, onSignals } from '../signals.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { type End, endText, offstageChild, type StartChild } from '../supervisor/child.ts'
import { Member } from '../supervisor/member.ts'
import { plain } from '../text.ts'
import { watchSources } from '../watch.ts'
import { entryPaths, workerOptions } from './worker.ts'

const DEBOUNCE_MS = 150
/** While somebody waits for a restart, running jobs get less time than in production. */
const DEFAULT_GRACE = '5s'

export const spec: CommandSpec = {
  args: '[entry...]',
  details: [
    'Watches the folders of the entries. After a change the worker drains and a new one starts; after an error it waits',
    'for the next change. Prints a line for each attempt.',
  ],
  options: {
    ...workerOptions,
    grace: {
      type: 'string',
      value: '<duration>',
      help: `how long running jobs may go on when it stops; default ${DEFAULT_GRACE}`,
    },
    watch: {
      type: 'string',
      value: '<folder>',
      multiple: true,
      help: 'watch this folder too; may be repeated',
    },
  },
  examples: ['offstage dev ./tasks/index.ts', 'offstage dev ./tasks/index.ts --watch ./lib -c 2'],
  positionals: { min: 0, max: Number.POSITIVE_INFINITY },
}

export async function run(context: CommandContext): Promise<number> {
  const { args, out, io } = context
  const paths = await entryPaths(context)
  const folders = [
    ...new Set([
      ...paths.map((path) => dirname(path)),
      ...args.texts('watch').map((path) => resolve(io.cwd, path)),
    ]),
  ]
  const grace = (await context.settings.duration('grace')) ?? DEFAULT_GRACE
  const childArgs = childArguments(context, paths, grace)
  const startChild = offstageChild({ args: childArgs, cwd: io.cwd, restarts: false })
  return new Promise((resolveCode, reject) => {
    const finish = (code: number): void => {
      stopSignals()
      watching.close().then(() => resolveCode(code), reject)
    }
    const restarter = new Restarter({
      out,
      startChild,
      graceMs: durationMs(grace, 'grace'),
      onEnd: () => finish(exitCodes.ok),
    })
    const stopSignals = onSignals({
      drain: (signal) => {
        out.note(`offstage dev: ${signal}: draining; a second signal ends it at once`)
        restarter.stop()
      },
      end: (signal) => {
        restarter.end(signal)
        finish(endCodes[signal])
      },
    })
    const watching = watchSources({
      folders,
      debounceMs: DEBOUNCE_MS,
      onChange: (file) => restarter.restart(file),
      onError: reject,
    })
    const shown = folders.map((folder) => plain(relative(io.cwd, folder) || '.')).join(', ')
    watching.ready.then(() => out.note(`offstage dev: watching ${shown}`), reject)
    restarter.start()
  })
}

/** The arguments of `offstage worker` in the child. */
function childArguments(
  { args, out }: CommandContext,
  paths: readonly string[],
  grace: number | string,
): string[] {
  const values = ['broker', 'namespace', 'queues', 'concurrency', 'lease'].flatMap((name) =>
    args.texts(name).flatMap((value) => [`--${name}`, value]),
  )
  const flags = [
    ...(out.quiet ? ['--quiet'] : ['--verbose']),
    ...(args.has('no-color') ? ['--no-color'] : []),
  ]
  return ['worker', ...paths, ...values, '--grace', String(grace), ...flags]
}

interface RestarterOptions {
  readonly out: Output
  readonly startChild: StartChild
  readonly graceMs: number
  /** The child has ended after `stop`. */
  readonly onEnd: () => void
}

/** Keeps one child: starts it, drains it before it is started anew, and waits for a change when it ended by itself. */
class Restarter {
  readonly #options: RestarterOptions
  #child: Member | undefined
  #state: 'running' | 'restarting' | 'stopping' | 'killed' = 'running'

  constructor(options: RestarterOptions) {
    this.#options = options
  }

  start(): void {
    const { startChild, graceMs, out } = this.#options
    this.#state = 'running'
    this.#child = new Member({
      startChild,
      clock: systemClock,
      graceMs,
      onEnd: (_, end) => this.#ended(end),
      onLate: () => out.warn('the worker did not end within its grace and is killed'),
    })
  }

  /** Drains the child; a new one starts when it has ended. Changes meanwhile are part of the same restart. */
  restart(file: string): void {
    if (this.#state !== 'running') return
    this.#options.out.note(`offstage dev: ${plain(file)} changed, restarting`)
    if (this.#child === undefined) {
      this.start()
    } else {
      this.#state = 'restarting'
      this.#child.drain()
    }
  }

  stop(): void {
    this.#state = 'stopping'
    if (this.#child === undefined) this.#options.onEnd()
    else this.#child.drain()
  }

  end(signal: EndSignal): void {
    this.#state = 'killed'
    this.#child?.kill()
    this.#options.out.always(`offstage dev: ${signal}: ended at once`)
  }

  #ended(end: End): void {
    this.#child = undefined
    if (this.#state === 'stopping') this.#options.onEnd()
    else if (this.#state === 'restarting') this.start()
    else if (this.#state === 'running')
      this.#options.out.warn(`the worker ended with ${plain(endText(end))}; waiting for a change`)
  }
}
