// Children of a supervisor without processes: a test says when they are ready and how they end, and sees what they were
// told, in one history.
import type { Child, ChildEvents, End, StartChild } from '../../src/cli/supervisor/child.ts'
import type { FromChild, ToChild } from '../../src/cli/supervisor/messages.ts'

export class FakeChild implements Child {
  readonly pid: number
  alive = true
  readonly #events: ChildEvents
  readonly #note: (what: string) => void

  constructor(pid: number, events: ChildEvents, note: (what: string) => void) {
    this.pid = pid
    this.#events = events
    this.#note = note
    note(`start ${pid}`)
  }

  send(message: ToChild): void {
    this.#note(`${message.offstage} ${this.pid}`)
  }

  kill(): void {
    this.#note(`kill ${this.pid}`)
    this.end({ signal: 'SIGKILL' })
  }

  say(message: FromChild): void {
    if (message.offstage === 'ready') this.#note(`ready ${this.pid}`)
    this.#events.onMessage(message)
  }

  ready(): void {
    this.say({ offstage: 'ready' })
  }

  end(how: Partial<End>): void {
    if (!this.alive) return
    this.alive = false
    this.#note(`end ${this.pid}`)
    this.#events.onEnd({ code: null, signal: null, ...how })
  }
}

export class FakeChildren {
  readonly children: FakeChild[] = []
  readonly history: string[] = []

  readonly start: StartChild = (events) => {
    const child = new FakeChild(this.children.length + 1, events, (what) => this.history.push(what))
    this.children.push(child)
    return child
  }

  /** The child that was started as number `pid`, from 1. */
  get(pid: number): FakeChild {
    const child = this.children[pid - 1]
    if (child === undefined) throw new Error(`no child ${pid} was started`)
    return child
  }

  get alive(): readonly number[] {
    return this.children.filter(({ alive }) => alive).map(({ pid }) => pid)
  }
}

/** Lets everything go on that waits for what has already happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
