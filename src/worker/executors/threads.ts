// Threads on a piscina pool. Each request has a message port of its own, since piscina carries only a task and its
// result; it travels to the thread as the task, with the request waiting on it.
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { codeOf } from '../../errors/error.ts'
import { storedError } from '../../job/stored-error.ts'
import { type Clock, sleep } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import { formatBytes } from '../../runtime/sizes.ts'
import { loaderArguments } from '../../runtime/threads.ts'
import { crashed, type Host, type Running, sent } from './host.ts'
import type { Done, FromGuest, Note, Request, ToGuest } from './protocol.ts'

/** An idle thread ends after this. */
const IDLE_MS = 30_000
/** How long threads may take to close what they opened. */
const CLOSE_MS = 400
const MEGABYTE = 1_048_576

export interface HostOptions {
  readonly max: number
  readonly memoryBytes: number | undefined
  readonly clock: Clock
  readonly logger: Logger
}

export class ThreadHost implements Host {
  readonly #piscina: Piscina
  readonly #options: HostOptions
  /** What runs or waits for its thread to start: each ends when its thread cannot start. */
  readonly #pending = new Set<(cause: unknown) => void>()

  constructor(options: HostOptions) {
    this.#options = options
    const { max, memoryBytes } = options
    const source = import.meta.url.endsWith('.ts')
    const entry = new URL(source ? './thread-entry.ts' : './thread-entry.js', import.meta.url)
    const loader = loaderArguments(entry)
    this.#piscina = new Piscina({
      filename: entry.href,
      name: 'serve',
      minThreads: 0,
      maxThreads: max,
      idleTimeout: IDLE_MS,
      // Else an idle thread would stand still, and with it the connections that its tasks opened.
      atomics: 'disabled',
      recordTiming: false,
      ...(loader.length > 0 && { execArgv: [...loader] }),
      ...(memoryBytes !== undefined && {
        resourceLimits: { maxOldGenerationSizeMb: Math.floor(memoryBytes / MEGABYTE) },
      }),
    })
    this.#piscina.on('error', (error: unknown) => this.#idleFailed(error))
    this.#piscina.on('workerDestroy', () => setImmediate(() => this.#endStranded()))
  }

  start(request: Request, hear: (note: Note) => void): Running {
    const { port1: port, port2 } = new MessageChannel()
    try {
      sent(() => port.postMessage(request), 'an argument')
    } catch (error) {
      port.close()
      throw error
    }
    let last: Done | undefined
    const receive = (message: FromGuest): void => {
      if (message.kind === 'done') last = message
      else if (message.kind !== 'dying') hear(message)
    }
    port.on('message', receive)
    const ending = new AbortController()
    let killed = false
    const done = new Promise<Done>((resolve, reject) => {
      const strand = (cause: unknown): void => {
        end(cause)
        // Else it would be run after all, once there is another thread.
        ending.abort()
      }
      const end = (cause: unknown): void => {
        if (!this.#pending.delete(strand)) return
        // What the thread said before it was done, or died, is here by now.
        for (let left = receiveMessageOnPort(port); left !== undefined; left = receiveMessageOnPort(port)) {
          receive(left.message as FromGuest)
        }
        port.close()
        if (killed) return
        if (last !== undefined) resolve(last)
        else reject(crashed('thread', this.#how(cause), cause))
      }
      this.#pending.add(strand)
      const options = { transferList: [port2], signal: ending.signal }
      try {
        this.#piscina.run(port2, options).then(() => end(undefined), end)
      } catch (error) {
        // No thread could be made.
        strand(error)
      }
    })
    return {
      done,
      abort: (reason) => port.postMessage(reason),
      kill: () => {
        killed = true
        ending.abort()
      },
    }
  }

  async close(): Promise<void> {
    const { threads } = this.#piscina
    const closings = threads.map(async () => {
      const { port1, port2 } = new MessageChannel()
      port1.postMessage({ kind: 'close' } satisfies ToGuest)
      // Several at once, each of which has a thread for itself, so every thread gets one.
      await this.#piscina.run(port2, { transferList: [port2], signal: new AbortController().signal })
    })
    const closed = new AbortController()
    const limit = sleep(this.#options.clock, CLOSE_MS, { signal: closed.signal, ref: true })
    await Promise.race([Promise.allSettled(closings), limit])
    closed.abort()
    await this.#piscina.destroy()
  }

  #how(cause: unknown): string {
    const { memoryBytes } = this.#options
    if (codeOf(cause) === 'ERR_WORKER_OUT_OF_MEMORY') {
      const limit = memoryBytes === undefined ? '' : ` of ${formatBytes(memoryBytes)}`
      return `it reached its limit${limit} of memory`
    }
    // piscina has no place for an error that is null.
    const { message } = storedError(cause ?? null)
    const code = /^worker exited with code: (-?\d+)$/.exec(message)?.[1]
    return code === undefined ? `uncaught error: ${message}` : `it exited with code ${code}`
  }

  /** What an earlier attempt left behind has failed, or a thread could not start. */
  #idleFailed(error: unknown): void {
    this.#options.logger.warn({ error: storedError(error) }, 'a thread of the pool failed while it was idle')
    this.#endStranded(error)
  }

  /** piscina starts no other thread for what waits when one ends before it could take it. */
  #endStranded(cause: unknown = new Error('the thread could not be started')): void {
    if (this.#pending.size === 0 || this.#piscina.threads.length > 0) return
    for (const strand of [...this.#pending]) strand(cause)
  }
}
