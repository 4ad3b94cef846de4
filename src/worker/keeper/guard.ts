// The event loop's side of keeping: starts the thread that renews the leases, and does its work itself for as long as
// there is none: before it is ready, after it has died, and where the broker cannot be reached from another thread.
import { url as inspectorUrl } from 'node:inspector'
import { isMainThread, type Worker as Thread } from 'node:worker_threads'
import type { Broker } from '../../broker/contract.ts'
import { isReachable, type Way } from '../../broker/reaching.ts'
import { storedError } from '../../job/stored-error.ts'
import { type BlockedMessage, publish } from '../../runtime/channels.ts'
import { processMs, sleep, systemClock, type Timer } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import type { LogFields } from '../../runtime/logger.ts'
import { startThread } from '../../runtime/threads.ts'
import type { Claim, Claims } from '../claims.ts'
import { backoffMs, type WorkerEnv } from '../env.ts'
import { Presence } from '../presence.ts'
import { type Maintained, Upkeep } from '../upkeep.ts'
import { Board } from './board.ts'
import { Keeper } from './keeper.ts'
import type { FromKeeper, RowRef, ToKeeper } from './protocol.ts'

/** Claims that answers which come late may add to those that were wanted. */
const SPARE_ROWS = 2_000
const MAX_BACKOFF_MS = 30_000
/** Beyond so many places the memory of what was reported starts anew. */
const MAX_REPORTED = 1_000
/** How long the thread may take to end by itself. */
const END_MS = 900

export interface GuardPorts {
  readonly lost: (claim: Claim) => void
  readonly cancelling: (claim: Claim) => void
  /** It had not started, and was given back for the loop, which stood still. */
  readonly taken: (claim: Claim) => void
  /** From now on the next hint of the broker is heard. */
  readonly arm: () => void
  /** How many attempts run. */
  readonly active: () => number
}

export class Guard {
  readonly #env: WorkerEnv
  readonly #broker: Broker
  readonly #claims: Claims
  readonly #tasks: readonly string[]
  readonly #ports: GuardPorts
  readonly #startedAt: number
  readonly #keeper: Keeper<Claim>
  #own: { readonly upkeep: Upkeep; readonly presence: Presence } | undefined
  #thread: Thread | undefined
  /** It keeps the leases by now. */
  #ready = false
  #state: 'new' | 'running' | 'stopping' | 'stopped' = 'new'
  #restarts = 0
  #restart: Timer | undefined
  readonly #reported = new Set<string>()

  constructor(
    env: WorkerEnv,
    parts: { readonly broker: Broker; readonly claims: Claims; readonly tasks: readonly string[] },
    ports: GuardPorts,
  ) {
    this.#env = env
    this.#broker = parts.broker
    this.#claims = parts.claims
    this.#tasks = parts.tasks
    this.#ports = ports
    this.#startedAt = env.clock.now()
    this.#keeper = new Keeper<Claim>(env, {
      held: (renew) => this.#held(renew),
      renewed: (claim, leaseEnds, started) => {
        claim.renewed(leaseEnds)
        claim.recorded ||= started
      },
      lost: (claim) => this.#lost(claim),
      cancelling: (claim) => this.#cancelling(claim),
      arm: () => {
        if (this.#claims.size > 0) this.#ports.arm()
      },
    })
  }

  start(): void {
    this.#state = 'running'
    this.#keeper.start()
    this.#goOnAlone()
    if (this.#env.settings.keeper === 'thread') this.#startThread()
  }

  /** One of the running jobs may be about to be cancelled. */
  look(): void {
    if (this.#claims.size > 0) this.#keeper.look()
  }

  /** Says at once that the worker is stopping. */
  stopping(): void {
    this.#state = 'stopping'
    this.#own?.presence.stopping()
    this.#tell({ kind: 'stopping' })
  }

  /** Nothing is kept any more, and the worker's entry is taken away. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#restart?.cancel()
    const thread = this.#thread
    const own = this.#own
    await Promise.all([
      this.#keeper.stop(),
      own?.upkeep.stop(),
      // Both may have shown the worker.
      own?.presence.leave(),
      thread === undefined ? undefined : this.#end(thread),
    ])
  }

  // ── in the loop ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The thread renews what is on its board, but for what it is late with: its connection may be lost while this one is
   * not. Looks for cancels are made here, where they are acted on.
   */
  #held(renew: boolean): readonly Claim[] {
    const { clock, settings } = this.#env
    const now = clock.monotonic()
    const late = (claim: Claim): boolean => claim.leaseEnds(now) - now < settings.leaseMs / 2
    const held: Claim[] = []
    for (const claim of this.#claims) {
      const mine = renew ? !(this.#ready && claim.posted) || late(claim) : claim.state === 'running'
      if (mine && !claim.lost) held.push(claim)
    }
    return held
  }

  /** An outcome on its way is answered by settle, which also knows that it was recorded already. */
  #lost(claim: Claim): void {
    if (claim.state !== 'ended') this.#ports.lost(claim)
  }

  #cancelling(claim: Claim): void {
    if (claim.state !== 'ended') this.#ports.cancelling(claim)
  }

  #goOnAlone(): void {
    if (this.#own !== undefined) return
    const env = this.#env
    const upkeep = new Upkeep(env, {
      hold: () => this.#keeper.overdue && this.#claims.size > 0,
      report: (done) => this.#maintained(done),
    })
    const presence = new Presence(env, this.#tasks, this.#startedAt, this.#ports.active)
    this.#own = { upkeep, presence }
    presence.start()
    if (this.#state === 'stopping') presence.stopping()
    if (env.settings.maintain) upkeep.start()
  }

  #maintained(done: Maintained): void {
    publish('offstage:maintain', () => done)
  }

  // ── the thread ─────────────────────────────────────────────────────────────────────────────────────────────────

  #startThread(): void {
    try {
      this.#launch()
    } catch (error) {
      // A process may have as many threads as it can.
      this.#failed(error)
      this.#restartLater()
    }
  }

  #launch(): void {
    const way = this.#way()
    if (way === undefined) return
    const { settings, worker } = this.#env
    const board = new Board(settings.concurrency + settings.prefetch + SPARE_ROWS, this.#tasks)
    const thread = launch()
    this.#thread = thread
    board.slots = this.#env.concurrency.now
    // It sees them from its first moment on, even if this loop should be blocked by then.
    this.#claims.post(board)
    thread.on('message', (message: FromKeeper) => this.#hear(message, board))
    thread.on('error', (error) => this.#failed(error))
    thread.on('exit', () => this.#ended(thread))
    const { module, data, transfer = [] } = way
    const { capacity, memory } = board
    const beginning = {
      worker,
      settings,
      tasks: this.#tasks,
      startedAt: this.#startedAt,
      board: { capacity, memory },
      broker: { module, data },
      samples: isMainThread,
    }
    thread.postMessage({ kind: 'begin', beginning } satisfies ToKeeper, transfer)
  }

  #way(): Way | undefined {
    const { clock, logger } = this.#env
    // The memory broker lives in the loop itself, and whoever has its own time must have all of it.
    if (!isReachable(this.#broker) || clock !== systemClock) return undefined
    const way = this.#broker.reach()
    if (typeof way !== 'string') return way
    logger.warn(
      `a handler that blocks the event loop can lose its lease: no thread keeps the leases, since ${way}`,
    )
    return undefined
  }

  #hear(message: FromKeeper, board: Board): void {
    if (message.kind === 'question') {
      board.slots = this.#env.concurrency.now
      board.answer(message.number, inspectorUrl() !== undefined, processMs())
    } else if (message.kind === 'ready') this.#handOver()
    else if (message.kind === 'log') this.#env.logger[message.level](message.fields, message.text)
    else if (message.kind === 'maintained') this.#maintained(message.done)
    else if (message.kind === 'blocked') this.#blocked(message.block)
    else if (message.kind !== 'stopped') this.#each(message.claims, this.#actionOf(message.kind))
  }

  #actionOf(kind: 'lost' | 'cancelling' | 'taken'): (claim: Claim) => void {
    if (kind === 'lost') return (claim) => this.#lost(claim)
    return kind === 'cancelling' ? (claim) => this.#cancelling(claim) : this.#ports.taken
  }

  #each(refs: readonly RowRef[], act: (claim: Claim) => void): void {
    for (const { row, serial } of refs) {
      const claim = this.#claims.at(row, serial)
      if (claim !== undefined && !claim.lost) act(claim)
    }
  }

  #handOver(): void {
    if (this.#state === 'stopped') return
    this.#restarts = 0
    this.#ready = true
    const own = this.#own
    this.#own = undefined
    void own?.upkeep.stop()
    void own?.presence.stop()
    this.#env.logger.debug('a thread keeps the leases from now on')
  }

  #ended(thread: Thread): void {
    if (this.#thread !== thread || this.#state === 'stopped') return
    this.#thread = undefined
    this.#ready = false
    this.#claims.post(undefined)
    this.#goOnAlone()
    this.#restartLater()
  }

  #failed(error: unknown): void {
    this.#say('error', { error: storedError(error) }, 'the thread that keeps the leases failed')
  }

  #restartLater(): void {
    const waitMs = backoffMs(this.#restarts + 1, MAX_BACKOFF_MS)
    this.#say(
      'warn',
      { waitMs },
      'the thread that keeps the leases has ended; the event loop keeps them meanwhile',
    )
    this.#restarts += 1
    this.#restart = this.#env.clock.schedule(waitMs, () => {
      if (this.#state === 'running') this.#startThread()
    })
  }

  /** Loudly for the first of several failures in a row. */
  #say(level: 'error' | 'warn', fields: LogFields, text: string): void {
    this.#env.logger[this.#restarts === 0 ? level : 'debug'](fields, text)
  }

  async #end(thread: Thread): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      thread.on('message', ({ kind }: FromKeeper) => {
        if (kind === 'stopped') resolve()
      })
      thread.on('exit', () => resolve())
    })
    this.#tell({ kind: 'stop' })
    // One that has not got so far has nothing to take leave of.
    if (this.#ready) {
      const over = new AbortController()
      await Promise.race([stopped, sleep(this.#env.clock, END_MS, { ref: true, signal: over.signal })])
      over.abort()
    }
    await thread.terminate()
  }

  #tell(message: ToKeeper): void {
    this.#thread?.postMessage(message)
  }

  /** Loudly once a task and place, since a handler that blocks does it again and again. */
  #blocked(block: Omit<BlockedMessage, 'worker'>): void {
    const { worker, logger } = this.#env
    const { blockedMs, job, task, place, running } = block
    publish('offstage:blocked', () => ({ ...block, worker }))
    // A long loop stands at another line each time.
    const key = `${task} ${place?.replace(/(:\d+)+\)$/, '')}`
    const level = this.#reported.has(key) ? 'debug' : 'warn'
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear()
    this.#reported.add(key)
    const who = job === undefined ? 'something' : `job '${job}' of task '${task}'`
    const where = place === undefined ? '' : ` at ${place}`
    logger[level](
      { job, task, place, blockedMs, running },
      `${who} blocked the event loop for ${formatMs(blockedMs)}${where}; runIn: 'thread' keeps such work out of it`,
    )
  }
}

function launch(): Thread {
  const source = import.meta.url.endsWith('.ts')
  const entry = new URL(source ? './thread.ts' : './thread.js', import.meta.url)
  const thread = startThread(entry, undefined, 'offstage-keeper')
  thread.unref()
  return thread
}
