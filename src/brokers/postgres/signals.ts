// Who in this process waits for work and who listens to events, over one channel of notifications: `w` and the name of a
// queue, `c` and the name of a worker whose job is being cancelled, `e` and events as JSON. Producers announce new jobs on
// the leading edge, at most once a queue in 50 ms, since a notification takes a lock of the whole server at commit.
// Hints and best effort: nothing here is needed for correctness.
import { randomBytes } from 'node:crypto'
import type { JobEvent } from '../../broker/contract.ts'
import type { JobState } from '../../job/states.ts'
import { jobStates } from '../../job/states.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Listening } from './client/client.ts'
import { listenUntil, unlisten } from './registry.ts'
import type { Space } from './space.ts'
import { packTexts } from './wire/arrays.ts'

/** The shortest time between two announcements of a queue. */
const QUIET_MS = 50
/** How long the store knows of a listener, and how often it is told again. */
const LISTENER_MS = 30_000
/** Timers take no more; it is set again as often as it comes. */
const HOLD_MS = 2_147_483_647

interface Waiter {
  readonly queues: readonly string[]
  readonly done: () => void
}

type Listener = (events: readonly JobEvent[]) => void

export interface SignalsOptions {
  readonly space: Space
  readonly clock: Clock
  /** How often those who wait look by themselves where nothing can be heard. */
  readonly pollMs: number
}

export class Signals {
  readonly #space: Space
  readonly #clock: Clock
  readonly #pollMs: number
  readonly #waiters = new Set<Waiter>()
  /** Queues with news since the last claim that took all there was, and their marks. */
  readonly #news = new Map<string, number>()
  /** Counts claims and hints, so that each is known to be before or after another. */
  #marks = 0
  /** When something of any queue may have been missed last. */
  #missedAt = 0
  /** When each queue was last announced, and whether more has come since. */
  readonly #announced = new Map<string, { at: number; later: Timer | undefined }>()
  readonly #listeners = new Map<object, { readonly listener: Listener; readonly stop: () => void }>()
  readonly #id = randomBytes(9).toString('base64url')
  #listening: Listening | null | undefined
  #telling: Timer | undefined
  /** Keeps the process alive while somebody waits: the connection does not. */
  #hold: Timer | undefined
  #closed = false

  constructor({ space, clock, pollMs }: SignalsOptions) {
    this.#space = space
    this.#clock = clock
    this.#pollMs = pollMs
  }

  // ── producers ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Of queues that are about to get jobs, those that the same step is to announce. */
  announce(queues: Iterable<string>): string[] | null {
    const now = this.#clock.monotonic()
    const leading: string[] = []
    for (const queue of queues) {
      const last = this.#announced.get(queue)
      if (last === undefined || now - last.at >= QUIET_MS) {
        last?.later?.cancel()
        this.#announced.set(queue, { at: now, later: undefined })
        leading.push(queue)
      } else if (last.later === undefined) {
        last.later = this.#clock.schedule(last.at + QUIET_MS - now, () => this.#announceLater(queue))
      }
    }
    return leading.length === 0 ? null : leading
  }

  /** There is work for those who wait in this process. */
  tell(queues: Iterable<string>): void {
    for (const queue of queues) this.#news.set(queue, this.mark())
    for (const { queues: wanted, done } of [...this.#waiters])
      if (wanted.some((queue) => this.#news.has(queue))) done()
  }

  #announceLater(queue: string): void {
    this.#announced.delete(queue)
    if (this.#closed) return
    const queues = this.announce([queue]) ?? []
    const text = "SELECT pg_notify($1, 'w' || q) FROM unnest($2::text[]) AS q"
    // Whoever misses it finds the jobs by asking.
    this.#space.client.run({ text, values: [this.#space.schema, packTexts(queues)] }).catch(() => undefined)
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For `drained`: what comes from now on is news also for the claim that is about to leave. */
  mark(): number {
    this.#marks += 1
    return this.#marks
  }

  /**
   * A claim took all there was.
   *
   * @param sentAt from `mark`, before the claim left
   */
  drained(queues: readonly string[], sentAt: number): void {
    for (const queue of queues) {
      if (this.#missedAt > sentAt) this.#news.set(queue, this.#missedAt)
      else if ((this.#news.get(queue) ?? sentAt) < sentAt) this.#news.delete(queue)
    }
    // Whoever claims will wait.
    this.#hear()
  }

  wait(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted || queues.some((queue) => this.#news.has(queue)))
      return Promise.resolve()
    this.#hear()
    const poll =
      this.#listening === null || this.#listening?.deaf === true
        ? this.#clock.schedule(this.#pollMs, () => done())
        : undefined
    let done = (): void => undefined
    const waiting = new Promise<void>((resolve) => {
      done = () => {
        poll?.cancel()
        signal.removeEventListener('abort', done)
        this.#waiters.delete(waiter)
        this.#holdOn()
        resolve()
      }
      const waiter = { queues, done }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', done, { once: true })
      this.#holdOn()
    })
    return waiting
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

  // ── listeners ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when it ends, by the signal or with the broker. */
  listen(listener: Listener, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const key = {}
      const stop = (): void => {
        signal.removeEventListener('abort', stop)
        this.#listeners.delete(key)
        if (this.#listeners.size === 0) this.#stopTelling()
        resolve()
      }
      this.#listeners.set(key, { listener, stop })
      signal.addEventListener('abort', stop, { once: true })
      this.#hear()
      if (this.#listeners.size === 1) this.#tellStore()
    })
  }

  /** Resolves when what is to be heard is heard; for a listener that must not miss what follows. */
  async listening(): Promise<void> {
    await this.#listening?.ready()
    await this.#told
  }

  #told: Promise<void> = Promise.resolve()

  /** Events are published while the store knows that somebody listens. */
  #tellStore(): void {
    this.#told = listenUntil(this.#space, this.#id, LISTENER_MS).catch(() => undefined)
    this.#telling = this.#clock.schedule(LISTENER_MS / 3, () => this.#tellStore())
  }

  #stopTelling(): void {
    this.#telling?.cancel()
    this.#telling = undefined
    unlisten(this.#space, this.#id).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { done } of [...this.#waiters]) done()
    for (const { stop } of [...this.#listeners.values()]) stop()
    for (const { later } of this.#announced.values()) later?.cancel()
    this.#listening?.stop()
  }

  // ── what is heard ──────────────────────────────────────────────────────────────────────────────────────────────

  #hear(): void {
    if (this.#listening !== undefined || this.#closed) return
    this.#listening = this.#space.client.listen(
      this.#space.schema,
      (payload) => this.#heard(payload),
      () => this.#missed(),
    )
    // What was announced before the channel was heard is told to nobody.
    this.#listening?.ready().then(() => this.#missed())
  }

  #heard(payload: string): void {
    const rest = payload.slice(1)
    if (payload.startsWith('w')) this.tell([rest])
    else if (payload.startsWith('e')) this.#emit(rest)
    // A job of some worker is being cancelled: its keeper asks for its leases when it is woken.
    else if (payload.startsWith('c')) this.#missed()
  }

  /** Everybody looks once. */
  #missed(): void {
    this.#missedAt = this.mark()
    for (const { done } of [...this.#waiters]) done()
  }

  #emit(text: string): void {
    const events = readEvents(text)
    for (const { listener } of [...this.#listeners.values()]) queueMicrotask(() => listener(events))
  }
}

type EventRow = [id: string, queue: string, task: string, state: number, at: number, kind: 's' | 'p']

/** Whoever may connect to the database may send anything over the channel: what is no event is left out. */
function readEvents(text: string): JobEvent[] {
  return readRows(text).map(([id, queue, task, state, at, kind]) => ({
    kind: kind === 'p' ? 'progress' : 'state',
    id,
    task,
    queue,
    state: jobStates[state] as JobState,
    at,
  }))
}

function readRows(text: string): EventRow[] {
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
  return Array.isArray(rows) ? rows.filter(isEvent) : []
}

function isEvent(row: unknown): row is EventRow {
  if (!Array.isArray(row)) return false
  const [id, queue, task, state, at] = row as unknown[]
  const names = [id, queue, task].every((name) => typeof name === 'string')
  return names && typeof at === 'number' && typeof state === 'number' && jobStates[state] !== undefined
}
