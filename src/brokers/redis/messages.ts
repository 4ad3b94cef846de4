// The message half: each call is one script, one trip.

import type {
  ExtendAnswer,
  GroupAnswer,
  HeldLease,
  MaintainReport,
  Reserved,
  ReserveRequest,
  Settled,
  SettleRequest,
} from '../../broker/contract.ts'
import { unreadableError } from '../../broker/outcomes.ts'
import { ServerTime } from '../../broker/server-time.ts'
import type { JobSpec } from '../../job/record.ts'
import type { Clock } from '../../runtime/clock.ts'
import { scripts } from './scripts.ts'
import type { Signals } from './signals.ts'
import { run, type Space } from './space.ts'
import { packRequest, type ReadClaims, readClaims } from './wire/claims.ts'
import { packGroups, readGroups } from './wire/enqueue.ts'
import { packLeases, packOutcomes } from './wire/outcomes.ts'

const OK = 111
const CANCELLING = 99

export class Messages {
  readonly #space: Space
  readonly #signals: Signals
  readonly #clock: Clock
  readonly #serverTime = new ServerTime()

  constructor(space: Space, signals: Signals, clock: Clock) {
    this.#space = space
    this.#signals = signals
    this.#clock = clock
  }

  async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const { client, base } = this.#space
    const reply = await client.run(scripts.enqueue, base, packGroups(groups), { replicated: true })
    return readGroups(groups, reply)
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    const [packed, mark] = await this.#packed(request)
    const leftAt = this.#clock.monotonic()
    const reply = await run(this.#space, scripts.reserve, packed)
    return this.#reserved(request, reply, mark, leftAt)
  }

  async settle({ outcomes, started = [], next }: SettleRequest): Promise<Settled> {
    const [packed, mark] = next === undefined ? ['', 0] : await this.#packed(next)
    const leftAt = this.#clock.monotonic()
    const reply = await run(this.#space, scripts.settle, packOutcomes(started, outcomes), packed)
    const [letters, claims] = reply as [Buffer, unknown]
    const answers = Array.from(letters, (letter) => (letter === OK ? 'ok' : 'lost'))
    if (next === undefined) return { answers }
    return { answers, next: await this.#reserved(next, claims, mark, leftAt) }
  }

  async extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    const letters = await run(this.#space, scripts.extend, String(leaseMs), packLeases(leases))
    return Array.from(letters as Buffer, (letter) =>
      letter === OK ? 'ok' : letter === CANCELLING ? 'cancelling' : 'lost',
    )
  }

  async maintain(): Promise<MaintainReport> {
    const sentAt = this.#serverTime.at(this.#clock.monotonic())
    const outageMs = Math.ceil(this.#space.client.takeOutageMs())
    const reply = await run(this.#space, scripts.maintain, String(outageMs), String(Math.floor(sentAt)))
    const [promoted, reclaimed, expired, pruned, spread, more, nextDueInMs] = reply as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const report = { promoted, reclaimed, expired, pruned, spread, more: more === 1 }
    return nextDueInMs < 0 ? report : { ...report, nextDueInMs }
  }

  /** Who claims wants to hear of work and of cancels. */
  async #packed(request: ReserveRequest): Promise<[Buffer, number]> {
    const heard = await this.#signals.hear()
    const client = heard ? this.#signals.client : ''
    return [packRequest(request, client, this.#signals.isAlone(request.queues)), this.#signals.mark()]
  }

  async #reserved(request: ReserveRequest, reply: unknown, mark: number, leftAt: number): Promise<Reserved> {
    const { unreadable, drained, ...reserved } = readClaims(reply, this.#space.kinds)
    this.#serverTime.learn(reserved.now, leftAt, this.#clock.monotonic())
    if (drained) this.#signals.drained(request.queues, mark)
    else this.#signals.undrained(request.queues)
    if (unreadable.length > 0) await this.#bury(unreadable)
    return reserved
  }

  /** What cannot be read ends as a dead letter; if that is lost on the way, its lease runs out and it comes here again. */
  async #bury(unreadable: ReadClaims['unreadable']): Promise<void> {
    const outcomes = unreadable.map((lease) => ({
      ...lease,
      kind: 'failed' as const,
      reason: 'unreadable' as const,
      error: unreadableError,
    }))
    await run(this.#space, scripts.settle, packOutcomes([], outcomes), '').catch(() => undefined)
  }
}
