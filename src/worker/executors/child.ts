// One child process, which runs one thing at a time.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { loaderArguments } from '../../runtime/threads.ts'
import { crashed, type Running, sent } from './host.ts'
import type { Done, FromGuest, Note, Request, ToGuest } from './protocol.ts'
import { unpack } from './thrown.ts'

/** An idle process ends after this. */
const IDLE_MS = 30_000
/** How long it may take to close what it opened. */
const CLOSE_MS = 400
const MEGABYTE = 1_048_576
/** The engine ends a process whose heap is full by one of the first two, the kernel by the last. */
const FULL: readonly string[] = ['SIGABRT', 'SIGTRAP', 'SIGKILL']

export interface ChildOptions {
  readonly memoryBytes: number | undefined
  readonly clock: Clock
}

interface Work {
  readonly hear: (note: Note) => void
  readonly resolve: (done: Done) => void
  readonly reject: (error: unknown) => void
}

export interface ChildPorts {
  readonly onIdle: () => void
  readonly onBusyOrGone: () => void
  readonly onGone: () => void
}

export class Child {
  readonly #child: ChildProcess
  readonly #options: ChildOptions
  readonly #ports: ChildPorts
  readonly #gone: Promise<void>
  #work: Work | undefined
  #idleTimer: Timer | undefined
  #killed = false
  /** What it said of an uncaught error before it ended. */
  #dying: unknown

  /** Messages reach it. */
  get connected(): boolean {
    return this.#child.connected
  }

  constructor(options: ChildOptions, ports: ChildPorts) {
    this.#options = options
    this.#ports = ports
    this.#child = forkChild(options.memoryBytes)
    this.#child.on('message', (message: FromGuest) => this.#receive(message))
    this.#gone = new Promise((resolve) => {
      this.#child.on('error', (cause) => {
        // It could not be started; other errors are of messages to one that is going.
        if (this.#child.pid === undefined) resolve(this.#ended(cause.message, cause))
      })
      // After its last messages have been read, unlike with `exit`.
      this.#child.once('close', (code, signal) => resolve(this.#ended(this.#how(code, signal), this.#dying)))
    })
  }

  start(request: Request, hear: (note: Note) => void): Running {
    this.#idleTimer?.cancel()
    this.#ref(true)
    const done = new Promise<Done>((resolve, reject) => {
      this.#work = { hear, resolve, reject }
    })
    this.#send(request)
    return {
      done,
      abort: (reason) => this.#send(reason),
      kill: () => {
        this.#work = undefined
        this.kill()
      },
    }
  }

  /** Asks it to close what it opened and to end; one that does not is ended. */
  async leave(): Promise<void> {
    this.#ref(true)
    this.#send({ kind: 'close' })
    const ending = this.#options.clock.schedule(CLOSE_MS, () => this.kill())
    await this.#gone
    ending.cancel()
  }

  kill(): void {
    this.#killed = true
    this.#ports.onBusyOrGone()
    this.#child.kill('SIGKILL')
  }

  #receive(message: FromGuest): void {
    if (message.kind === 'dying') this.#dying = unpack(message.thrown)
    else if (message.kind !== 'done') this.#work?.hear(message)
    else {
      const work = this.#work
      this.#work = undefined
      if (message.retire === true) this.kill()
      else if (!this.#killed) this.#rest()
      work?.resolve(message)
    }
  }

  #rest(): void {
    this.#ref(false)
    this.#idleTimer = this.#options.clock.schedule(IDLE_MS, () => {
      this.#ports.onBusyOrGone()
      void this.leave()
    })
    this.#ports.onIdle()
  }

  #ended(how: string, cause: unknown): void {
    this.#idleTimer?.cancel()
    this.#ports.onBusyOrGone()
    this.#ports.onGone()
    this.#work?.reject(crashed('process', how, cause))
    this.#work = undefined
  }

  #how(code: number | null, signal: NodeJS.Signals | null): string {
    if (signal === null) return `it exited with code ${code}`
    return `it was ended by ${signal}${FULL.includes(signal) ? ', as when memory is full' : ''}`
  }

  #send(message: ToGuest): void {
    // Nothing is said to one that is gone: `close` tells of it.
    if (this.#child.connected) sent(() => this.#child.send(message, () => undefined), 'an argument')
  }

  /** Keeps the process of the worker alive while it works, and only then. */
  #ref(busy: boolean): void {
    this.#child[busy ? 'ref' : 'unref']()
    this.#child.channel?.[busy ? 'ref' : 'unref']()
  }
}

function forkChild(memoryBytes: number | undefined): ChildProcess {
  const source = import.meta.url.endsWith('.ts')
  const entry = new URL(source ? './process-entry.ts' : './process-entry.js', import.meta.url)
  const memory =
    memoryBytes === undefined ? [] : [`--max-old-space-size=${Math.floor(memoryBytes / MEGABYTE)}`]
  return fork(fileURLToPath(entry), [], {
    execArgv: [...inherited(process.execArgv), ...loaderArguments(entry), ...memory],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

/** What a program was started with helps to load its modules; what belongs to one process alone is left out. */
function inherited(args: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? ''
    if (/^(?:-e|--eval|-p|-pe|--print)$/.test(arg)) i += 1
    else if (!/^--(?:inspect|debug|watch|test|input-type|eval=|print=|cpu-prof|heap-prof|prof\b)/.test(arg))
      kept.push(arg)
    // Its value, where that stands apart: no argument of Node's begins otherwise.
    else if (!arg.includes('=') && args[i + 1]?.startsWith('-') === false) i += 1
  }
  return kept
}
