// Watches the event loop from the thread of the keeper: asks it to answer, a few times a second and only while it has
// jobs, and knows by the question that stays open that it is blocked, and since when.
import type { BlockedMessage } from '../../runtime/channels.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Board, Row } from './board.ts'
import type { Sample } from './stack.ts'

/** From one look to the next. */
const LOOK_MS = 50
/** A look that comes later than this was held up itself, by a machine or a process that stood still. */
const LATE_MS = 4 * LOOK_MS
/** The loop would have ended an attempt whose time is over, had it turned within this. */
const MIN_EXCESS_MS = 1_000
/** Jobs that wait in a loop that is blocked for so long are given back. */
const GIVE_BACK_MS = 500

export interface WatchdogEnv {
  readonly board: Board
  readonly clock: Clock
  /** From when on a block is reported; undefined for never. */
  readonly warnMs: number | undefined
  readonly maxMs: number
  /** How long a handler has to heed the end of its time: no shorter block is too long. */
  readonly patienceMs: number
  /** Whether to watch also while nothing waits and nothing runs. */
  readonly always: boolean
}

export interface WatchdogPorts {
  readonly ask: (question: number) => void
  /** Where the loop stands. Undefined where that could not be found out. */
  readonly sample: () => Promise<Sample | undefined>
  /** What waits there is to be given back. Called at each look while the loop is blocked. */
  readonly giveBack: () => void
  /** The loop is blocked for longer than it may be. Called once a block. */
  readonly exceeded: (block: Block) => void
  /** The loop turns again. */
  readonly over: (block: Omit<BlockedMessage, 'worker'>) => void
}

/** What is known of a block. */
export interface Block {
  readonly blockedMs: number
  /** Whose handler it is, where that is known. */
  readonly culprit?: Row | undefined
  readonly sample?: Sample | undefined
}

/** The block that is going on. */
interface Open {
  readonly running: number
  sampling?: Promise<void>
  sample?: Sample | undefined
  /** Whose handler it is, where that is known. */
  culprit?: Row | undefined
  exceeded?: true
}

export class Watchdog {
  readonly #env: WatchdogEnv
  readonly #ports: WatchdogPorts
  #timer: Timer | undefined
  #stopped = false
  #lookedAt = 0
  #question = 0
  #askedAt = 0
  #open: Open | undefined

  constructor(env: WatchdogEnv, ports: WatchdogPorts) {
    this.#env = env
    this.#ports = ports
  }

  start(): void {
    this.#lookedAt = this.#env.clock.monotonic()
    this.#plan()
  }

  /** Resolves when what is known of a block that is just over has been told. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    if (!this.#asleep) await this.#ended()
  }

  /** Whether the lease of a claim is kept on: not that of an attempt whose time is over, or of a loop that is lost. */
  keeps({ limitMs, limitFrom }: Row): boolean {
    const { clock, maxMs } = this.#env
    if (!this.#asleep) return true
    const now = clock.monotonic()
    return limitMs > 0 ? now - limitFrom < limitMs : now - this.#askedAt <= maxMs
  }

  /** The last question is open, and no debugger holds the loop. */
  get #asleep(): boolean {
    const { board } = this.#env
    return board.answered !== this.#question && !board.attached
  }

  #plan(): void {
    if (!this.#stopped) this.#timer = this.#env.clock.schedule(LOOK_MS, () => this.#look(), { ref: true })
  }

  #look(): void {
    const { board, clock } = this.#env
    const now = clock.monotonic()
    const lateMs = now - this.#lookedAt
    // This thread stood still too, and what stood still with it was not blocked.
    if (lateMs > LATE_MS) this.#askedAt += lateMs - LOOK_MS
    this.#lookedAt = now
    if (this.#asleep) this.#blocked(now - this.#askedAt)
    else {
      void this.#ended()
      if (this.#env.always || board.busy) this.#ask(now)
    }
    this.#plan()
  }

  async #ended(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    if (open !== undefined) await this.#over(open, this.#env.board.answeredAt - this.#askedAt)
  }

  #ask(now: number): void {
    this.#question = (this.#question + 1) | 0
    this.#askedAt = now
    this.#ports.ask(this.#question)
  }

  #blocked(blockedMs: number): void {
    const { warnMs = Number.POSITIVE_INFINITY, board } = this.#env
    if (blockedMs < Math.min(warnMs, GIVE_BACK_MS)) return
    this.#open ??= { running: board.running, culprit: board.read(board.current) }
    if (blockedMs >= warnMs) this.#open.sampling ??= this.#sample(this.#open)
    if (blockedMs >= GIVE_BACK_MS) this.#ports.giveBack()
    this.#judge(this.#open, blockedMs)
  }

  /** Too long is what takes longer than its own attempt may, else than the loop may. */
  #judge(open: Open, blockedMs: number): void {
    const { culprit, sample } = open
    const { maxMs, patienceMs } = this.#env
    const timed = culprit !== undefined && culprit.limitMs > 0
    const within = timed
      ? this.keeps(culprit) || blockedMs < Math.max(patienceMs, MIN_EXCESS_MS)
      : blockedMs <= maxMs
    if (within || open.exceeded) return
    open.exceeded = true
    this.#ports.exceeded({ blockedMs: Math.round(blockedMs), culprit, sample })
  }

  async #sample(open: Open): Promise<void> {
    const sample = await this.#ports.sample()
    open.sample = sample
    open.culprit ??= this.#env.board.rows().find(({ id, state }) => state === 'running' && id === sample?.job)
  }

  async #over(open: Open, blockedMs: number): Promise<void> {
    if (open.sampling === undefined) return
    await open.sampling
    const { running } = open
    const { place, stack = [] } = open.sample ?? {}
    const { id: job, task } = open.culprit ?? {}
    this.#ports.over({ blockedMs: Math.round(blockedMs), job, task, place, stack, running })
  }
}
