// The message half: each call is one function, one trip, one transaction.

import type {
  ExtendAnswer,
  GroupAnswer,
  HeldLease,
  MaintainReport,
  Outcome,
  Reserved,
  ReserveRequest,
  SettleAnswer,
  Settled,
  SettleRequest,
} from '../../broker/contract.ts'
import { unreadableError } from '../../broker/outcomes.ts'
import { ServerTime } from '../../broker/server-time.ts'
import type { JobSpec } from '../../job/record.ts'
import type { Clock } from '../../runtime/clock.ts'
import { type Row, type Value, wasBlocked } from './client/client.ts'
import { Kinds } from './kinds.ts'
import { Lows } from './lows.ts'
import type { Signals } from './signals.ts'
import { type Call, call, type Space, select } from './space.ts'
import { readBool, readNumber, readNumbers } from './wire/arrays.ts'
import {
  kindsOf,
  packRequest,
  type ReadClaims,
  readClaims,
  reserveCall,
  reserveTypes,
} from './wire/claims.ts'
import { enqueueCall, packGroups, readGroups } from './wire/enqueue.ts'
import { type Claim, extendCall, packLeases, packOutcomes, readAnswers, settleCall } from './wire/outcomes.ts'

const maintainCall: Call = { name: 'maintain', types: ['bigint', 'bigint'] }
const EXTENDED = ['ok', 'lost', 'cancelling', 'away'] as const satisfies readonly ExtendAnswer[]
/** How often a group by itself waits half a second for what others hold. */
const TRIES_ALONE = 3
/** How many claims are remembered; of older ones the store looks up what it needs. */
const MAX_CLAIMS = 100_000
/** Columns of the answer of `settle_jobs`, before those of `reserve_jobs`. */
const SETTLED = 3

export class Messages {
  readonly #space: Space
  readonly #signals: Signals
  readonly #clock: Clock
  readonly #kinds = new Kinds()
  readonly #lows = new Lows()
  /** The jobs that this process holds, by token. */
  readonly #claims = new Map<number, Claim>()
  readonly #serverTime = new ServerTime()

  constructor(space: Space, signals: Signals, clock: Clock) {
    this.#space = space
    this.#signals = signals
    this.#clock = clock
  }

  async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const queues = new Set(groups.flatMap((group) => group.map(({ queue }) => queue)))
    const values = packGroups(groups, this.#signals.announce(queues))
    try {
      const row = await call(this.#space, { ...enqueueCall, impatient: true }, values)
      this.#signals.tell(queues)
      return readGroups(groups, row)
    } catch (error) {
      if (!wasBlocked(error)) throw error
      return this.#enqueueApart(groups)
    }
  }

  /** A transaction of the user's holds an id or a key of some group: only that group waits for it. */
  async #enqueueApart(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const answers = new Array<GroupAnswer>(groups.length)
    let next = 0
    const work = async (): Promise<void> => {
      for (let i = next++; i < groups.length; i = next++)
        answers[i] = await this.#enqueueAlone(groups[i] ?? [])
    }
    await Promise.all([work(), work()])
    return answers
  }

  async #enqueueAlone(group: readonly JobSpec[]): Promise<GroupAnswer> {
    const queues = new Set(group.map(({ queue }) => queue))
    const values = packGroups([group], [...queues])
    for (let tries = 1; tries <= TRIES_ALONE; tries += 1) {
      try {
        const row = await call(this.#space, { ...enqueueCall, impatient: true }, values)
        this.#signals.tell(queues)
        const [answer] = readGroups([group], row)
        if (answer !== undefined) return answer
      } catch (error) {
        if (!wasBlocked(error)) throw error
      }
    }
    const id = group[0]?.id ?? ''
    const message = `somebody holds the id or the unique key of job '${id}': a transaction that is still open, as a rule`
    return { ok: false, code: 'BROKER_UNAVAILABLE', id, message }
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    const claim = this.#claim(request)
    const row = await call(this.#space, reserveCall, [null, ...claim.values])
    return claim.read(row)
  }

  async settle(request: SettleRequest): Promise<Settled> {
    try {
      return await this.#settle(request, false)
    } catch (error) {
      if (!wasBlocked(error)) throw error
      return this.#settle(request, true)
    }
  }

  async #settle({ outcomes, started = [], next }: SettleRequest, careful: boolean): Promise<Settled> {
    const packed = packOutcomes(outcomes, started, this.#claims, careful)
    const impatient = !careful
    if (next === undefined) {
      const row = await call(this.#space, { ...settleCall, impatient }, packed)
      return { answers: this.#settled(outcomes, row) }
    }
    const claim = this.#claim(next)
    const values = [...packed, ...claim.values]
    const row = await select(this.#space, { ...SETTLE_AND_RESERVE, impatient }, values)
    return {
      answers: this.#settled(outcomes, row),
      next: await claim.read(row.slice(SETTLED)),
    }
  }

  async extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    const [answers] = await call(this.#space, extendCall, packLeases(leases, leaseMs))
    return readNumbers(answers).map((answer) => EXTENDED[answer ?? 1] ?? 'lost')
  }

  async maintain(): Promise<MaintainReport> {
    const sentAt = Math.floor(this.#serverTime.at(this.#clock.monotonic()))
    const outageMs = Math.ceil(this.#space.client.takeOutageMs())
    // Whoever restored the server from an older copy has taken places back.
    if (outageMs > 0) this.#lows.forget()
    const row = await call(this.#space, maintainCall, [String(outageMs), String(sentAt)])
    const [promoted = 0, reclaimed = 0, expired = 0, pruned = 0, spread = 0] = row
      .slice(0, 5)
      .map((count) => readNumber(count) ?? 0)
    const nextDueInMs = readNumber(row[6])
    const report = { promoted, reclaimed, expired, pruned, spread, more: readBool(row[5]) }
    return nextDueInMs === undefined ? report : { ...report, nextDueInMs }
  }

  #claim(request: ReserveRequest): { values: Value[]; read: (row: Row) => Promise<Reserved> } {
    const { queues } = request
    const mark = this.#signals.mark()
    const settled = this.#lows.settled
    const leftAt = this.#clock.monotonic()
    const look = this.#lows.isDue(leftAt)
    return {
      values: packRequest(request, this.#lows.of(queues), look),
      read: async (row) => {
        const cameAt = this.#clock.monotonic()
        await this.#kinds.learn(this.#space, kindsOf(row))
        const { unreadable, heads, tip, writers, ...reserved } = readClaims(
          row,
          (id) => this.#kinds.get(id),
          (job, seq) => this.#claims.set(job.token, { id: job.id, seq, createdAt: job.createdAt }),
        )
        this.#serverTime.learn(reserved.now, leftAt, cameAt)
        this.#lows.seen(queues, heads, settled)
        this.#forget()
        if (look && tip !== undefined) this.#lows.looked(tip, writers, leftAt, cameAt)
        if (reserved.jobs.length + unreadable.length < request.max) this.#signals.drained(queues, mark)
        if (unreadable.length > 0) await this.#bury(unreadable)
        return reserved
      },
    }
  }

  #settled(outcomes: readonly Outcome[], row: Row): SettleAnswer[] {
    const answers = readAnswers(outcomes.length, row)
    for (const [i, { token }] of outcomes.entries()) if (answers[i] !== 'away') this.#claims.delete(token)
    return answers
  }

  /** Claims of which nothing was ever heard again. */
  #forget(): void {
    for (const token of this.#claims.keys()) {
      if (this.#claims.size <= MAX_CLAIMS) return
      this.#claims.delete(token)
    }
  }

  /** What cannot be read ends as a dead letter; if that is lost on the way, its lease runs out and it comes here again. */
  async #bury(unreadable: ReadClaims['unreadable']): Promise<void> {
    const outcomes = unreadable.map((lease) => ({
      ...lease,
      kind: 'failed' as const,
      reason: 'unreadable' as const,
      error: unreadableError,
    }))
    await call(this.#space, settleCall, packOutcomes(outcomes, [], this.#claims)).catch(() => undefined)
  }
}

/** The claim waits for the outcomes, since it is told their time. */
const SETTLE_AND_RESERVE = {
  name: 'settle_and_reserve',
  text: (schema: string): string => {
    const first = settleCall.types.map((type, i) => `$${i + 1}::${type}`).join(', ')
    const then = reserveTypes.map((type, i) => `$${i + 1 + settleCall.types.length}::${type}`).join(', ')
    return `SELECT s.now, s.lost, s.away, r.* FROM ${schema}.settle_jobs(${first}) s, LATERAL ${schema}.reserve_jobs(s.now, ${then}) r`
  },
}
