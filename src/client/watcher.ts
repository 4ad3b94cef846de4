// Watches jobs for whoever waits for them: one for all waits of a process. Asks for many jobs in one trip, takes events
// as hints of what to ask for next, and asks anyway with a back-off, since hints may be missed. Nothing runs while
// nobody waits; while somebody does, the process stays alive.
import type { Broker, JobEvent } from '../broker/contract.ts'
import { isPlacing, type PlacingBroker } from '../broker/placing.ts'
import type { JobRecord } from '../job/record.ts'
import { isEnded } from '../job/states.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { type Connection, isRetryable } from './connection.ts'

const FIRST_POLL_MS = 20
const MAX_POLL_MS = 1_000
/** However many jobs are waited for, no more than that many are asked for in a second: hints tell the rest. */
const MAX_ASKED_PER_S = 5_000
/** Jobs asked for in one trip. */
const BATCH = 500

export interface Watch {
  /** Called with each state that is seen; undefined where no record is kept. */
  readonly see: (record: JobRecord | undefined) => void
  /** Called once, when asking cannot go on; the watch is over. */
  readonly fail: (error: unknown) => void
  /** Ask at every event of the job, and not only at its end. */
  readonly everyEvent?: boolean | undefined
}

interface Watched {
  readonly watches: Set<Watch>
  /** By the monotonic clock. */
  dueAt: number
  waitMs: number
}

export class Watcher {
  readonly #connection: Pick<Connection, 'broker' | 'logger'>
  readonly #clock: Clock
  readonly #watched = new Map<string, Watched>()
  #nudge = new AbortController()
  #running = false
  #listening: AbortController | undefined
  #listeningTo: Broker | undefined

  /** @param clock real time, even where the app's is a test's: polling is a net, and no test turns it */
  constructor(connection: Pick<Connection, 'broker' | 'logger'>, clock: Clock) {
    this.#connection = connection
    this.#clock = clock
  }

  /** Watches a job until the answer is called. */
  watch(id: string, watch: Watch): () => void {
    const known = this.#watched.get(id)
    const watched = known ?? { watches: new Set(), dueAt: 0, waitMs: FIRST_POLL_MS }
    watched.watches.add(watch)
    watched.dueAt = this.#clock.monotonic()
    watched.waitMs = FIRST_POLL_MS
    if (known === undefined) this.#watched.set(id, watched)
    this.#nudge.abort()
    if (!this.#running) void this.#run()
    return () => this.#unwatch(id, watch)
  }

  /** Ends every watch with the error. */
  failAll(error: unknown): void {
    const all = [...this.#watched.values()].flatMap(({ watches }) => [...watches])
    this.#watched.clear()
    this.#nudge.abort()
    for (const { fail } of all) fail(error)
  }

  #unwatch(id: string, watch: Watch): void {
    const watched = this.#watched.get(id)
    if (watched === undefined) return
    watched.watches.delete(watch)
    if (watched.watches.size === 0) this.#watched.delete(id)
    if (this.#watched.size === 0) this.#nudge.abort()
  }

  async #run(): Promise<void> {
    this.#running = true
    let errors = 0
    while (this.#watched.size > 0) {
      this.#nudge = new AbortController()
      try {
        await this.#poll()
        errors = 0
      } catch (error) {
        errors += 1
        if (isRetryable(error))
          this.#connection.logger.debug({ error }, 'waiting for jobs: the broker is away')
        else this.failAll(error)
      }
      if (this.#watched.size === 0) break
      const waitMs = errors === 0 ? this.#untilDue() : Math.min(MAX_POLL_MS, FIRST_POLL_MS * 2 ** errors)
      if (waitMs > 0) await sleep(this.#clock, waitMs, { signal: this.#nudge.signal, ref: true })
    }
    this.#running = false
    this.#listening?.abort()
    this.#listening = undefined
    this.#listeningTo = undefined
  }

  async #poll(): Promise<void> {
    const broker = await this.#connection.broker()
    this.#listen(broker)
    const now = this.#clock.monotonic()
    const due = [...this.#watched].filter(([, { dueAt }]) => dueAt <= now).map(([id]) => id)
    for (let i = 0; i < due.length; i += BATCH) {
      const ids = due.slice(i, i + BATCH)
      // Moved on before the trip, so that a hint that comes during it is not lost.
      for (const id of ids) this.#postpone(id, now)
      if (isPlacing(broker)) await this.#askByShard(broker, ids)
      else await this.#ask(broker, ids)
    }
  }

  async #ask(broker: Broker, ids: readonly string[]): Promise<void> {
    const records = await broker.get(ids)
    for (const [n, id] of ids.entries()) this.#deliver(id, records[n])
  }

  /** Those whose shard is away keep no others from their answers. */
  async #askByShard(broker: PlacingBroker, ids: readonly string[]): Promise<void> {
    const shares = new Map<number, string[]>()
    for (const id of ids) {
      const shard = broker.shardOf(id)
      const share = shares.get(shard)
      if (share === undefined) shares.set(shard, [id])
      else share.push(id)
    }
    const asked = [...shares.values()].map((share) => this.#ask(broker, share))
    await Promise.allSettled(asked)
    await Promise.all(asked)
  }

  #postpone(id: string, now: number): void {
    const watched = this.#watched.get(id)
    if (watched === undefined) return
    watched.dueAt = now + Math.max(watched.waitMs, (this.#watched.size * 1_000) / MAX_ASKED_PER_S)
    watched.waitMs = Math.min(MAX_POLL_MS, watched.waitMs * 1.5)
  }

  #deliver(id: string, record: JobRecord | undefined): void {
    for (const { see } of [...(this.#watched.get(id)?.watches ?? [])]) see(record)
  }

  #untilDue(): number {
    let dueAt = Number.POSITIVE_INFINITY
    for (const watched of this.#watched.values()) dueAt = Math.min(dueAt, watched.dueAt)
    return Math.max(0, Math.min(MAX_POLL_MS, dueAt - this.#clock.monotonic()))
  }

  #listen(broker: Broker): void {
    if (this.#listeningTo === broker) return
    this.#listening?.abort()
    this.#listening = new AbortController()
    this.#listeningTo = broker
    void this.#hearFrom(broker, this.#listening.signal)
  }

  /** Events are hints: where there are none, or no more, asking goes on. */
  async #hearFrom(broker: Broker, signal: AbortSignal): Promise<void> {
    try {
      await broker.events((events) => this.#hear(events), signal)
    } catch (error) {
      this.#connection.logger.debug({ error }, 'the broker tells no events; waits for jobs go on by asking')
    }
  }

  #hear(events: readonly JobEvent[]): void {
    let any = false
    for (const { id, state } of events) {
      const watched = this.#watched.get(id)
      if (watched === undefined) continue
      if (!isEnded(state) && ![...watched.watches].some(({ everyEvent }) => everyEvent === true)) continue
      watched.dueAt = 0
      any = true
    }
    if (any) this.#nudge.abort()
  }
}
