// Claiming from several shards: they take turns at being asked first, for all that is wanted; where the first has less,
// the others are asked together for a share each, until there is no room or nothing left. So one trip is enough while
// there is much to do, and a shard that is always full keeps no other from its turn.
import type { Reserved, ReservedJob, ReserveRequest } from '../contract.ts'
import type { Shard } from './shard.ts'

/** How often all shards are looked through for suspects, of which one at a time may be claimed. */
export const SUSPECTS_EVERY_MS = 500

export class Turns {
  readonly #count: number
  #next: number
  #called: number | undefined
  #calledLast = false

  constructor(count: number, first: number) {
    this.#count = count
    this.#next = first % count
  }

  /** A shard said that there may be work: it is asked next. */
  call(shard: number): void {
    this.#called = shard
  }

  /** The shards in the order of asking. A called one goes first, but never twice in a row before the turn of another. */
  order(): number[] {
    const called = this.#called
    this.#called = undefined
    if (called !== undefined && called !== this.#next && !this.#calledLast) {
      this.#calledLast = true
      return [called, ...this.#row().filter((shard) => shard !== called)]
    }
    this.#calledLast = false
    const row = this.#row()
    this.#next = (this.#next + 1) % this.#count
    return row
  }

  #row(): number[] {
    return Array.from({ length: this.#count }, (_, i) => (this.#next + i) % this.#count)
  }
}

export class Sweep {
  readonly #request: ReserveRequest
  readonly #jobs: ReservedJob[] = []
  readonly #dueInMs = new Map<Shard, number | undefined>()
  #againInMs: number | undefined
  /** Shards that may have more, in the order of asking. */
  #left: Shard[]
  /** Shards that were asked while no suspect was wanted of them. */
  readonly #unsearched = new Set<Shard>()
  #suspects: number
  #now: number | undefined
  #error: unknown

  /** @param shards in the order of asking */
  constructor(request: ReserveRequest, shards: readonly Shard[]) {
    this.#request = request
    this.#left = [...shards]
    this.#suspects = request.suspects
  }

  /** What to ask one shard for, when it is asked alone: all that is wanted. */
  whole(): ReserveRequest {
    return this.#part(this.#request.max, this.#request.starting, this.#suspects)
  }

  /** Asks until there is no room or nothing left. Never rejects: see `answer`. */
  async run(): Promise<this> {
    const [first] = this.#left
    if (first !== undefined) await this.#ask([first], this.#room)
    return this.rest()
  }

  /** As `run`, where the first has been asked. */
  async rest(): Promise<this> {
    while (this.#room > 0 && this.#left.length > 0) {
      // All jobs of a round are recorded as started or none of them is, since a shard may bring less than its share.
      const mixed = this.#left.length > 1 && this.#starting > 0
      await this.#ask(this.#left, mixed ? Math.min(this.#starting, this.#room) : this.#room)
    }
    return this
  }

  /** There is room for a suspect that some shards were not asked for. */
  get lacksSuspect(): boolean {
    return this.#room > 0 && this.#suspects > 0 && this.#unsearched.size > 0
  }

  get foundSuspect(): boolean {
    return this.#request.suspects > 0 && this.#suspects === 0
  }

  /** It was not looked for suspects everywhere, and may be then. */
  askAgainIn(ms: number): void {
    this.#againInMs = ms
  }

  /** Where there is room left for a suspect: one shard after the other, so that no more than one is claimed. */
  async searchSuspects(): Promise<void> {
    for (const shard of [...this.#unsearched]) {
      if (this.#room === 0 || this.#suspects === 0) return
      await this.#askOne(shard, this.#part(1, this.#starting > 0 ? 1 : 0, 1))
    }
  }

  /** One shard's answer to `request`; undefined where it failed. */
  add(shard: Shard, request: ReserveRequest, answer: Reserved | undefined, error?: unknown): void {
    this.#left = this.#left.filter((one) => one !== shard)
    if (answer === undefined) {
      this.#error ??= error
      return
    }
    // The earliest of those that gave jobs, so that no lease ends before what is said.
    const known = answer.jobs.length > 0 && this.#jobs.length === 0 ? undefined : this.#now
    if (answer.jobs.length > 0 || this.#jobs.length === 0)
      this.#now = Math.min(known ?? answer.now, answer.now)
    this.#jobs.push(...answer.jobs)
    this.#dueInMs.set(shard, answer.nextDueInMs)
    if (answer.jobs.some(({ suspect }) => suspect)) this.#suspects = 0
    if (request.suspects < this.#suspects) this.#unsearched.add(shard)
    else this.#unsearched.delete(shard)
    if (answer.jobs.length === request.max) this.#left.push(shard)
  }

  get answered(): boolean {
    return this.#now !== undefined
  }

  /** @throws what a shard threw, where none has answered */
  answer(): Reserved {
    if (this.#now === undefined) throw this.#error
    const due = [...this.#dueInMs.values(), this.#againInMs].filter((ms) => ms !== undefined)
    return {
      jobs: this.#jobs,
      now: this.#now,
      ...(due.length > 0 && { nextDueInMs: Math.min(...due) }),
    }
  }

  get #room(): number {
    return this.#request.max - this.#jobs.length
  }

  get #starting(): number {
    return Math.max(0, this.#request.starting - this.#jobs.length)
  }

  #part(max: number, starting: number, suspects: number): ReserveRequest {
    return { ...this.#request, max, starting, suspects: suspects > 0 ? 1 : 0 }
  }

  /** @param max shared out among the shards: those for which nothing is left are asked in another round */
  async #ask(shards: readonly Shard[], max: number): Promise<void> {
    const asked = shards.slice(0, Math.max(1, max))
    const starting = this.#starting
    await Promise.all(
      asked.map((shard, i) => {
        const share = Math.floor(max / asked.length) + (i < max % asked.length ? 1 : 0)
        return this.#askOne(shard, this.#part(share, Math.min(share, starting), i === 0 ? this.#suspects : 0))
      }),
    )
  }

  async #askOne(shard: Shard, request: ReserveRequest): Promise<void> {
    try {
      // Between asking and answering the caller has gone on without these.
      const late = (reserved: Reserved): void => giveBack(shard, reserved.jobs)
      this.add(shard, request, await shard.callSoon((broker) => broker.reserve(request), { late }))
    } catch (error) {
      this.add(shard, request, undefined, error)
    }
  }
}

/** Returns claims that nobody will hear of. Where that fails they come back when their leases end. */
export function giveBack(shard: Shard, jobs: readonly ReservedJob[]): void {
  // A suspect that is released is none any more; it has to wait for its lease.
  const outcomes = jobs
    .filter(({ suspect }) => !suspect)
    .map(({ id, token }) => ({ kind: 'released', id, token }) as const)
  if (outcomes.length === 0) return
  shard.call((broker) => broker.settle({ outcomes })).catch(() => undefined)
}
