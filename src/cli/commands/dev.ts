// offstage dev: a worker in a process of its own, restarted when the sources change.
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exitCodes } from '../exit.ts'
import type { Output } from '../output.ts'
import { type EndSignal, endCodes, onSignals } from '../signals.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { SUPERVISED, type SupervisorMessage } from '../supervision.ts'
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
    `for the next change. Prints a line for each attempt. Takes the options of offstage worker; grace: ${DEFAULT_GRACE}.`,
  ],
  options: {
    ...workerOptions,
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
  const workerArgs = await childArguments(context, paths)
  return new Promise((resolveCode, reject) => {
    const finish = (code: number): void => {
      stopSignals()
      watching.close().then(() => resolveCode(code), reject)
    }
    const supervisor = new Supervisor({
      out,
      args: workerArgs,
      cwd: io.cwd,
      onEnd: () => finish(exitCodes.ok),
    })
    const stopSignals = onSignals({
      drain: (signal) => {
        out.note(`offstage dev: ${signal}: draining; a second signal ends it at once`)
        supervisor.stop()
      },
      end: (signal) => {
        supervisor.end(signal)
        finish(endCodes[signal])
      },
    })
    const watching = watchSources({
      folders,
      debounceMs: DEBOUNCE_MS,
      onChange: (file) => supervisor.restart(file),
      onError: reject,
    })
    const shown = folders.map((folder) => plain(relative(io.cwd, folder) || '.')).join(', ')
    watching.ready.then(() => out.note(`offstage dev: watching ${shown}`), reject)
    supervisor.start()
  })
}

/** The arguments of `offstage worker` in the child. */
async function childArguments(
  { args, settings, out }: CommandContext,
  paths: readonly string[],
): Promise<string[]> {
  const values = ['broker', 'namespace', 'queues', 'concurrency', 'lease'].flatMap((name) =>
    args.texts(name).flatMap((value) => [`--${name}`, value]),
  )
  const grace = (await settings.text('grace')) ?? DEFAULT_GRACE
  const flags = [
    ...(out.quiet ? ['--quiet'] : ['--verbose']),
    ...(args.has('no-color') ? ['--no-color'] : []),
  ]
  return ['worker', ...paths, ...values, '--grace', grace, ...flags]
}

interface SupervisorOptions {
  readonly out: Output
  readonly args: readonly string[]
  readonly cwd: string
  /** The child has ended after `stop`. */
  readonly onEnd: () => void
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

/** Keeps one child: starts it, drains it for a restart, and forgets it when it is to end. */
class Supervisor {
  readonly #options: SupervisorOptions
  #child: ChildProcess | undefined
  #stopping = false
  #restarting = false

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  start(): void {
    const { args, cwd } = this.#options
    const child = spawn(process.execPath, [...process.execArgv, MAIN, ...args], {
      cwd,
      env: { ...process.env, [SUPERVISED]: '1' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    child.on('error', (error) => this.#options.out.error(`the worker could not be started: ${error.message}`))
    child.on('exit', (code, signal) => this.#ended(code, signal))
  }

  /** Drains the child; a new one starts when it has ended. Changes meanwhile are part of the same restart. */
  restart(file: string): void {
    if (this.#stopping || this.#restarting) return
    this.#options.out.note(`offstage dev: ${plain(file)} changed, restarting`)
    if (this.#child === undefined) {
      this.start()
    } else {
      this.#restarting = true
      this.#send({ offstage: 'drain' })
    }
  }

  stop(): void {
    this.#stopping = true
    if (this.#child === undefined) this.#options.onEnd()
    else this.#send({ offstage: 'drain' })
  }

  end(signal: EndSignal): void {
    this.#stopping = true
    this.#child?.removeAllListeners('exit')
    this.#child?.kill('SIGKILL')
    this.#options.out.always(`offstage dev: ${signal}: ended at once`)
  }

  #send(message: SupervisorMessage): void {
    const child = this.#child
    if (child?.connected !== true) return
    // The child may end while the message is on its way; its exit event says the rest.
    child.send(message, () => undefined)
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined
    if (this.#stopping) {
      this.#options.onEnd()
    } else if (this.#restarting) {
      this.#restarting = false
      this.start()
    } else {
      const how = signal === null ? `code ${code}` : signal
      this.#options.out.warn(`the worker ended with ${how}; waiting for a change`)
    }
  }
}
