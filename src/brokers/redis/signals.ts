// Who in this process waits for work and who listens to events. The scripts tell one waiting client of each job, on a
// channel of its own; a claim that finds less than it wanted puts its client among those who wait, in the same step.
// Hints and best effort: nothing here is needed for correctness.
import { randomBytes } from 'node:crypto'
import type { JobEvent } from '../../broker/contract.ts'
import { type Clock, sleep, type Timer } from '../../runtime/clock.ts'
import { scripts } from './scripts.ts'
import { run, type Space } from './space.ts'
import { ByteReader } from './wire/bytes.ts'
import { readId } from './wire/ids.ts'
import { stateName } from './wire/layout.ts'

interface Waiter {
  readonly queues: readonly string[]
  readonly done: () => void
  timer: Timer | undefined
}

/** Timers take no more; it is set again as often as it comes. */
const HOLD_MS = 2_147_483_647
/** Between the tries of one who waits to be told of what comes. */
const TRY_AGAIN_MS = 500

type Listener = (events: readonly JobEvent[]) => void

export class Signals {
  /** The name that this process waits under. */
  readonly client: string = randomBytes(9).toString('base64url')
  readonly #space: Space
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()
  /** Messages may have been lost while nobody waited. */
  #unheard = false
  /** Queues with news since the last claim that took all there was, and their marks. */
  readonly #news = new Map<string, number>()
  /** Counts claims and hints, so that each is known to be before or after another. */
  #marks = 0
  /** Queues under which the store knows that this process waits. */
  readonly #registered = new Set<string>()
  readonly #listeners = new Map<object, { readonly listener: Listener; readonly stop: () => void }>()
  #hearing: Promise<boolean> | undefined
  #listening: Promise<() => Promise<void>> | undefined
  #ends: (() => Promise<void>)[] = []
  /** Keeps the process alive while somebody waits: the subscription does not. */
  #hold: Timer | undefined
  #closed = false

  constructor(space: Space, clock: Clock) {
    this.#space = space
    this.#clock = clock
  }

  /** Subscribes to what is meant for this process; false where that failed, and then the polls of callers are all. */
  hear(): Promise<boolean> {
    this.#hearing ??= this.#subscribe()
    return this.#hearing
  }

  /** Whether nobody else of this process waits for these queues. */
  isAlone(queues: readonly string[]): boolean {
    let waiting = 0
    for (const waiter of this.#waiters)
      if (waiter.queues.some((queue) => queues.includes(queue))) waiting += 1
    return waiting <= 1
  }

  /** For `drained`: what comes from now on is news also for the claim that is about to leave. */
  mark(): number {
    this.#marks += 1
    return this.#marks
  }

  /**
   * A claim took all there was, and the store counts this process among those who wait.
   *
   * @param sentAt from `mark`, before the claim left
   */
  drained(queues: readonly string[], sentAt: number): void {
    for (const queue of queues) {
      const at = this.#news.get(queue)
      // A hint that came meanwhile may be for a job that the claim has missed, and took this process off the list.
      if (at !== undefined && at >= sentAt) continue
      this.#news.delete(queue)
      this.#registered.add(queue)
    }
  }

  /** A claim took all it wanted: the store has taken this process off the list. */
  undrained(queues: readonly string[]): void {
    for (const queue of queues) this.#registered.delete(queue)
  }

  async wait(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted || queues.some((queue) => this.#news.has(queue))) return
    if (this.#unheard) {
      this.#unheard = false
      return
    }
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const waiter: Waiter = { queues, timer: undefined, done: end }
    this.#waiters.add(waiter)
    this.#holdOn()
    signal.addEventListener('abort', end, { once: true })
    try {
      // Without a connection there are no hints, and whoever waits may not come again for long.
      while (!(await Promise.race([ended.then(() => true), this.#known(waiter)])))
        await Promise.race([ended, sleep(this.#clock, TRY_AGAIN_MS)])
      await ended
    } finally {
      waiter.timer?.cancel()
      signal.removeEventListener('abort', end)
      this.#waiters.delete(waiter)
      this.#holdOn()
    }
  }

  /** Resolves when it ends, by the signal or with the broker. */
  listen(listener: Listener, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const key = {}
      const stop = (): void => {
        signal.removeEventListener('abort', stop)
        this.#listeners.delete(key)
        if (this.#listeners.size === 0) this.#stopListening()
        resolve()
      }
      this.#listeners.set(key, { listener, stop })
      signal.addEventListener('abort', stop, { once: true })
      this.#startListening()
    })
  }

  /** Resolves when what is to be heard is heard; for a listener that must not miss what follows. */
  async listening(): Promise<void> {
    await this.#listening?.catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { done } of [...this.#waiters]) done()
    for (const { stop } of [...this.#listeners.values()]) stop()
    const queues = [...this.#registered]
    this.#registered.clear()
    // A client that is gone is forgotten when nobody hears it; this only spares others the vain call.
    if (queues.length > 0)
      await run(this.#space, scripts.unwait, this.client, ...queues).catch(() => undefined)
    await Promise.all(this.#ends.map((end) => end().catch(() => undefined)))
  }

  #holdOn(): void {
    if (this.#waiters.size > 0) {
      this.#hold ??= this.#clock.schedule(HOLD_MS, () => this.#holdAgain(), { ref: true })
      return
    }
    this.#hold?.cancel()
    this.#hold = undefined
  }

  #holdAgain(): void {
    this.#hold = undefined
    this.#holdOn()
  }

  /** Whether the store knows that somebody waits, and can be heard; then `done` may still be far. */
  async #known(waiter: Waiter): Promise<boolean> {
    if (!(await this.hear())) return false
    if (waiter.queues.every((queue) => this.#registered.has(queue))) return true
    const startedAt = this.mark()
    try {
      const [there, dueInMs] = (await run(this.#space, scripts.wait, this.client, ...waiter.queues)) as [
        number,
        number,
      ]
      this.drained(waiter.queues, startedAt)
      if (there === 1) waiter.done()
      else if (dueInMs >= 0 && this.#waiters.has(waiter))
        waiter.timer = this.#clock.schedule(dueInMs, waiter.done)
      return true
    } catch {
      // Told to those who ask for something; a hint is none.
      return false
    }
  }

  async #subscribe(): Promise<boolean> {
    const { client, base } = this.#space
    try {
      const missed = (): void => this.#missed()
      const notify = (message: Buffer): void => this.#notify(message.toString())
      this.#ends.push(
        await client.subscribe(base, `${base}wake:${this.client}`, notify, missed),
        await client.subscribe(base, `${base}cancel`, notify, () => undefined),
      )
      return true
    } catch {
      // It was told to whoever opened the connection; the next who waits tries again.
      this.#hearing = undefined
      return false
    }
  }

  #notify(queue: string): void {
    this.#news.set(queue, this.mark())
    this.#registered.delete(queue)
    for (const { queues, done } of [...this.#waiters]) if (queues.includes(queue)) done()
  }

  /** Messages may have been lost: everybody looks once, and where nobody waits just now, whoever does so next. */
  #missed(): void {
    this.#registered.clear()
    this.#unheard = this.#waiters.size === 0
    for (const { done } of [...this.#waiters]) done()
  }

  #startListening(): void {
    const { client, base } = this.#space
    if (this.#listening !== undefined) return
    const listening = client.subscribe(
      base,
      `${base}events`,
      (message) => this.#emit(message),
      () => undefined,
    )
    this.#listening = listening
    listening.catch(() => {
      // Events are best effort; callers poll, and the next listener subscribes again.
      if (this.#listening === listening) this.#listening = undefined
    })
  }

  #stopListening(): void {
    const listening = this.#listening
    this.#listening = undefined
    listening?.then((end) => end()).catch(() => undefined)
  }

  #emit(message: Buffer): void {
    const events = readEvents(message)
    for (const { listener } of [...this.#listeners.values()]) queueMicrotask(() => listener(events))
  }
}

function readEvents(message: Buffer): JobEvent[] {
  const reader = new ByteReader(message)
  const events: JobEvent[] = []
  while (!reader.done) {
    const kind = reader.u8() === 2 ? 'progress' : 'state'
    const state = stateName(reader.u8())
    const at = reader.u48()
    const id = readId(reader)
    const [queue = '', task = ''] = reader.text16().split('\n')
    events.push({ kind, id, task, queue, state, at })
  }
  return events
}
