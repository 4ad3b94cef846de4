// Who waits for work and who listens to events. Hints and best effort: nothing here is needed for correctness.
import type { JobEvent } from '../../broker/contract.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'

interface Waiter {
  readonly queues: readonly string[]
  readonly done: () => void
  dueAt: number
  timer: Timer | undefined
}

type Listener = (events: readonly JobEvent[]) => void

export class Signals {
  readonly #clock: Clock
  readonly #now: () => number
  readonly #waiters = new Map<string, Set<Waiter>>()
  /** Queues with news since the last reserve that took all there was. */
  readonly #news = new Set<string>()
  readonly #listeners = new Set<{ readonly listener: Listener; stop: () => void }>()
  #events: JobEvent[] = []

  constructor(clock: Clock, now: () => number) {
    this.#clock = clock
    this.#now = now
  }

  /** There may be work in a queue, or a claim on one of its jobs is being cancelled. */
  notify(queue: string): void {
    this.#news.add(queue)
    for (const waiter of [...(this.#waiters.get(queue) ?? [])]) waiter.done()
  }

  /** Something of a queue falls due then: those who knew a later time wait for this one. */
  due(queue: string, at: number): void {
    for (const waiter of this.#waiters.get(queue) ?? []) if (at < waiter.dueAt) this.#arm(waiter, at)
  }

  /** Somebody has taken all there was to take. */
  drained(queues: readonly string[]): void {
    for (const queue of queues) this.#news.delete(queue)
  }

  /** @param dueAt when something of these queues falls due as far as is known */
  wait(queues: readonly string[], dueAt: number | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted || queues.some((queue) => this.#news.has(queue))) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        waiter.timer?.cancel()
        signal.removeEventListener('abort', done)
        for (const queue of queues) {
          const waiters = this.#waiters.get(queue)
          waiters?.delete(waiter)
          if (waiters?.size === 0) this.#waiters.delete(queue)
        }
        resolve()
      }
      const waiter: Waiter = { queues, done, dueAt: Number.POSITIVE_INFINITY, timer: undefined }
      for (const queue of queues) {
        const waiters = this.#waiters.get(queue)
        if (waiters === undefined) this.#waiters.set(queue, new Set([waiter]))
        else waiters.add(waiter)
      }
      signal.addEventListener('abort', done, { once: true })
      if (dueAt !== undefined) this.#arm(waiter, dueAt)
    })
  }

  /** Resolves when it ends, by the signal or with the broker. */
  listen(listener: Listener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const subscription = { listener, stop: (): void => undefined }
      subscription.stop = () => {
        signal.removeEventListener('abort', subscription.stop)
        this.#listeners.delete(subscription)
        resolve()
      }
      this.#listeners.add(subscription)
      signal.addEventListener('abort', subscription.stop, { once: true })
    })
  }

  /** Delivers after the call that it comes from, so that a listener cannot break one. */
  emit(event: () => JobEvent): void {
    if (this.#listeners.size === 0) return
    this.#events.push(event())
    if (this.#events.length > 1) return
    queueMicrotask(() => {
      const events = this.#events
      this.#events = []
      for (const { listener } of [...this.#listeners]) queueMicrotask(() => listener(events))
    })
  }

  close(): void {
    for (const waiters of [...this.#waiters.values()]) for (const { done } of [...waiters]) done()
    for (const { stop } of [...this.#listeners]) stop()
  }

  #arm(waiter: Waiter, at: number): void {
    waiter.timer?.cancel()
    waiter.dueAt = at
    waiter.timer = this.#clock.schedule(Math.max(0, at - this.#now()), waiter.done)
  }
}
