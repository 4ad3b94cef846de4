// Who in this process waits for work, and what has happened since somebody last took all there was.

interface Waiter {
  readonly queues: readonly string[]
  readonly done: () => void
}

export class Waiters {
  readonly #waiters = new Set<Waiter>()
  /** Queues with news since the last reserve that took all there was. */
  readonly #news = new Set<string>()
  readonly #changed: (waiting: boolean) => void
  #closed = false

  /** @param changed called when the first starts to wait, and when the last has gone */
  constructor(changed: (waiting: boolean) => void) {
    this.#changed = changed
  }

  get waiting(): boolean {
    return this.#waiters.size > 0
  }

  wait(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted || queues.some((queue) => this.#news.has(queue)))
      return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        this.#waiters.delete(waiter)
        if (this.#waiters.size === 0) this.#changed(false)
        resolve()
      }
      const waiter: Waiter = { queues, done }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', done, { once: true })
      if (this.#waiters.size === 1) this.#changed(true)
    })
  }

  /** There may be work in these queues. */
  tell(queues: readonly string[]): void {
    for (const queue of queues) this.#news.add(queue)
    for (const waiter of [...this.#waiters])
      if (waiter.queues.some((queue) => this.#news.has(queue))) waiter.done()
  }

  tellAll(): void {
    for (const { done } of [...this.#waiters]) done()
  }

  /** Ends all waits, and those to come at once. */
  close(): void {
    this.#closed = true
    this.tellAll()
  }

  /** Somebody has taken all there was to take. */
  drained(queues: readonly string[]): void {
    for (const queue of queues) this.#news.delete(queue)
  }
}
