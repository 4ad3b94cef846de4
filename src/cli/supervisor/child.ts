// A worker as a process of its own. Behind an interface, so that supervision can be tested without processes.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { asFromChild, type FromChild, SUPERVISED, type ToChild } from './messages.ts'

/** How a process ended; `error` where it never began. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly error?: Error | undefined
}

export interface Child {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined
  /** What is lost on the way to a process that ends is told by its end. */
  send(message: ToChild): void
  /** Ends it at once, on every system. */
  kill(): void
}

export interface ChildEvents {
  readonly onMessage: (message: FromChild) => void
  /** Once, and never before the child has been returned. */
  readonly onEnd: (end: End) => void
}

export type StartChild = (events: ChildEvents) => Child

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

export interface ChildOptions {
  readonly args: readonly string[]
  readonly cwd: string
  /** Whether another is started for one that ends. */
  readonly restarts: boolean
}

/** Children that run `offstage` with these arguments; they share the output of this process. */
export function offstageChild(options: ChildOptions): StartChild {
  return (events) => {
    try {
      return start(options, events)
    } catch (error) {
      // Where memory is short, for one, which is no reason to end what runs.
      queueMicrotask(() => events.onEnd({ code: null, signal: null, error: asError(error) }))
      return { pid: undefined, send: () => undefined, kill: () => undefined }
    }
  }
}

function start({ args, cwd, restarts }: ChildOptions, { onMessage, onEnd }: ChildEvents): Child {
  const child = spawn(process.execPath, [...process.execArgv, MAIN, ...args], {
    cwd,
    env: { ...process.env, [SUPERVISED]: restarts ? 'restarted' : 'once' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.on('message', (message) => {
    const known = asFromChild(message)
    if (known !== undefined) onMessage(known)
  })
  let ended = false
  const end = (how: End): void => {
    if (ended) return
    ended = true
    onEnd(how)
  }
  child.on('exit', (code, signal) => end({ code, signal }))
  child.on('error', (error) => {
    // An error of a process that runs (a message that was not sent) is no end of it.
    if (child.pid === undefined) end({ code: null, signal: null, error })
  })
  return {
    pid: child.pid,
    send: (message) => {
      if (child.connected) child.send(message, () => undefined)
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** `code 1`, `SIGKILL`, or why it could not be started. */
export function endText({ code, signal, error }: End): string {
  if (error !== undefined) return error.message
  return signal ?? `code ${code}`
}
