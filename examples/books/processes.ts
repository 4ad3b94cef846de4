// The site and the worker run in processes of their own, as they would anywhere else: the internet is another machine,
// and a worker that parses pages must not make the web service wait. Each says over its channel that it is ready, and
// stops when its parent hangs up.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { describeSite, type SiteDescription } from './site/site.ts'

export interface RunningProcess<Ready> {
  /** What the process said when it was ready. */
  ready: Ready
  /** Rejects if the process ends before it was stopped. */
  died: Promise<never>
  stop(): Promise<void>
}

export interface RunningSite extends SiteDescription {
  port: number
  died: Promise<never>
  stop(): Promise<void>
}

/** The book site on its port, or on any free one where that is taken. */
export async function startSiteProcess(port: number): Promise<RunningSite> {
  const { ready, died, stop } = await start<{ port: number }>('./site/main.ts', String(port))
  return { ...describeSite(`http://127.0.0.1:${ready.port}`), port: ready.port, died, stop }
}

/** A worker for the tasks of this example. Its broker and its database come from the environment. */
export function startWorkerProcess(concurrency: number): Promise<RunningProcess<unknown>> {
  return start('./worker.ts', String(concurrency))
}

async function start<Ready>(module: string, argument: string): Promise<RunningProcess<Ready>> {
  const child = fork(new URL(module, import.meta.url), [argument])
  let stopping = false
  const ended = once(child, 'exit')
  const died = ended.then(([code, signal]) => {
    if (stopping) return new Promise<never>(() => undefined)
    throw new Error(`${module} ended by itself (${signal ?? `exit code ${code}`})`)
  })
  // Whoever waits for it hears of it; until somebody does, it is no unhandled rejection.
  died.catch(() => undefined)
  const [ready] = await Promise.race([once(child, 'message'), died])
  return { ready, died, stop: () => hangUp() }

  async function hangUp(): Promise<void> {
    stopping = true
    if (child.connected) child.disconnect()
    if (isRunning(child)) await ended
  }
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null
}

/** For the child: says that it is ready, and calls `stop` once its parent hangs up. Ctrl-C is the parent's to hear. */
export function serveParent(ready: unknown, stop: () => Promise<void>): void {
  process.on('SIGINT', () => undefined)
  process.once('disconnect', () => {
    stop().catch((error: unknown) => {
      console.error(error)
      process.exitCode = 1
    })
  })
  process.send?.(ready)
}
