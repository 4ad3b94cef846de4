// One child of a supervisor, from its start to its end: what state it is in, and what was heard of it.
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Health } from '../probe/health.ts'
import type { Child, End, StartChild } from './child.ts'
import type { FromChild } from './messages.ts'

/** `draining`: it was told to. */
export type MemberState = 'starting' | 'ready' | 'draining' | 'ended'

/** Beyond its grace, a child that drains has this long for its last outcomes and its end. */
const LAST_MS = 1_000

export interface MemberOptions {
  readonly startChild: StartChild
  readonly clock: Clock
  readonly graceMs: number
  /** It asks to be replaced. */
  readonly onReplace?: ((member: Member, reason: string) => void) | undefined
  readonly onEnd: (member: Member, end: End) => void
  /** It did not end within its grace and is killed. */
  readonly onLate: (member: Member) => void
}

export class Member {
  /** True once it is ready; false where it was drained or ended before. */
  readonly whenReady: Promise<boolean>
  readonly whenEnded: Promise<void>
  readonly #options: MemberOptions
  readonly #child: Child
  readonly #startedAt: number
  #readyAt: number | undefined
  #state: MemberState = 'starting'
  #told = false
  #heardAt: number
  #health: Health | undefined
  #late: Timer | undefined
  #isReady: (ready: boolean) => void = () => undefined
  #hasEnded: () => void = () => undefined

  constructor(options: MemberOptions) {
    this.#options = options
    this.whenReady = new Promise((resolve) => {
      this.#isReady = resolve
    })
    this.whenEnded = new Promise((resolve) => {
      this.#hasEnded = resolve
    })
    this.#startedAt = options.clock.monotonic()
    this.#heardAt = this.#startedAt
    this.#child = options.startChild({
      onMessage: (message) => this.#heard(message),
      onEnd: (end) => this.#ended(end),
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get state(): MemberState {
    return this.#state
  }

  /** True where it was told to end, so that its end is none by itself. */
  get told(): boolean {
    return this.#told
  }

  get upMs(): number {
    return this.#options.clock.monotonic() - this.#startedAt
  }

  /** How long it has been ready; 0 where it never was. */
  get wellForMs(): number {
    return this.#readyAt === undefined ? 0 : this.#options.clock.monotonic() - this.#readyAt
  }

  /** Since anything was heard of it. */
  get silentMs(): number {
    return this.#options.clock.monotonic() - this.#heardAt
  }

  /** As of its last answer to a ping. */
  get health(): Health | undefined {
    return this.#health
  }

  ping(): void {
    this.#child.send({ offstage: 'ping' })
  }

  /** Its jobs may end within the grace; what has not ended a second later is killed. Repeatable. */
  drain(): void {
    if (this.#told || this.#state === 'ended') return
    this.#told = true
    this.#state = 'draining'
    this.#child.send({ offstage: 'drain' })
    this.#isReady(false)
    const { clock, graceMs, onLate } = this.#options
    this.#late = clock.schedule(
      graceMs + LAST_MS,
      () => {
        onLate(this)
        this.#child.kill()
      },
      { ref: true },
    )
  }

  kill(): void {
    this.#told = true
    this.#child.kill()
  }

  #heard(message: FromChild): void {
    this.#heardAt = this.#options.clock.monotonic()
    if (message.offstage === 'ready' && this.#state === 'starting') {
      this.#state = 'ready'
      this.#readyAt = this.#heardAt
      this.#isReady(true)
    } else if (message.offstage === 'pong') {
      this.#health = message.health
    } else if (message.offstage === 'replace' && this.#state === 'ready') {
      this.#options.onReplace?.(this, message.reason)
    }
  }

  #ended(end: End): void {
    this.#late?.cancel()
    this.#state = 'ended'
    this.#isReady(false)
    this.#options.onEnd(this, end)
    this.#hasEnded()
  }
}
