// What a case works with: a broker on a fresh namespace, broker time that can be let pass, and short forms of the
// calls that check what every case expects.
import assert from 'node:assert/strict'
import type {
  Broker,
  GroupAnswer,
  LeaseRef,
  MaintainReport,
  Outcome,
  Reserved,
  ReservedJob,
  ReserveRequest,
  SettleAnswer,
} from '../broker/contract.ts'
import { isTransacting } from '../broker/transacting.ts'
import type { JobRecord, JobSpec } from '../job/record.ts'
import type { JobState } from '../job/states.ts'
import { request, succeeded } from './factories.ts'
import type { BrokerHarness } from './harness.ts'
import { type BrokerProcess, startProcess } from './process.ts'
import { breathe } from './time.ts'

/** How far broker time moves between two looks at a condition where it can be moved. */
const STEP_MS = 10

/** The calls of a broker inside one transaction of the user's. */
export interface OpenTransaction {
  enqueue(...groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]>
  succeed(lease: LeaseRef, result?: unknown): Promise<'ok' | 'lost'>
  commit(): Promise<void>
  rollback(): Promise<void>
}

export class LawContext {
  readonly harness: BrokerHarness
  readonly broker: Broker
  /** Prints a fact that a reader of the run wants to know, such as a measured lateness. */
  readonly report: (line: string) => void
  readonly #ends: (() => Promise<void>)[] = []

  private constructor(harness: BrokerHarness, broker: Broker, report: (line: string) => void) {
    this.harness = harness
    this.broker = broker
    this.report = report
    this.atEnd(() => broker.close())
  }

  static async open(harness: BrokerHarness, report: (line: string) => void): Promise<LawContext> {
    return new LawContext(harness, await harness.open(), report)
  }

  /** Runs when the case has ended, last first. */
  atEnd(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  async close(): Promise<void> {
    const errors: unknown[] = []
    for (const end of this.#ends.reverse()) await end().catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw new AggregateError(errors, 'the case could not clean up')
  }

  /** A second broker object on the same data; for cases that need `another`. */
  async another(): Promise<Broker> {
    assert(this.harness.another, 'the case must say that it needs another')
    const broker = await this.harness.another(this.broker)
    this.atEnd(() => broker.close())
    return broker
  }

  /** `count` brokers on the same data: objects of their own where the harness can make them. */
  async peers(count: number): Promise<readonly Broker[]> {
    if (this.harness.another === undefined) return Array.from({ length: count }, () => this.broker)
    const others = Array.from({ length: count - 1 }, () => this.another())
    return [this.broker, ...(await Promise.all(others))]
  }

  /** A process of its own on the same data; for cases that need `process`. */
  async process(): Promise<BrokerProcess> {
    assert(this.harness.location, 'the case must say that it needs process')
    const child = await startProcess(this.harness.location(this.broker))
    this.atEnd(() => child.kill())
    return child
  }

  /** A transaction of the user's, and the broker as one that joins it; for cases that need `transactions`. */
  async begin(): Promise<OpenTransaction> {
    const { broker, harness } = this
    assert(harness.transaction && isTransacting(broker), 'the case must say that it needs transactions')
    const transaction = await harness.transaction(broker)
    let open = true
    const end = (how: 'commit' | 'rollback') => async (): Promise<void> => {
      open = false
      await transaction[how]()
    }
    this.atEnd(async () => {
      if (open) await transaction.rollback()
    })
    return {
      enqueue: (...groups) => broker.enqueueWithin(transaction.tx, groups),
      succeed: (lease, result) => broker.settleWithin(transaction.tx, succeeded(lease, result)),
      commit: end('commit'),
      rollback: end('rollback'),
    }
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async now(): Promise<number> {
    return (await this.broker.health()).now
  }

  /** Lets that much broker time pass. */
  async elapse(ms: number): Promise<void> {
    if (this.harness.advance !== undefined) {
      await this.harness.advance(ms)
      return breathe(0)
    }
    const until = (await this.now()) + ms
    for (let left = ms; left > 0; left = until - (await this.now())) await breathe(left)
  }

  /** Waits until `check` holds, letting broker time pass between looks; rejects after `withinMs` of it. */
  async until(what: string, check: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
    const startedAt = await this.now()
    for (;;) {
      if (await check()) return
      const waited = (await this.now()) - startedAt
      assert(waited <= withinMs, `waited ${waited} ms in vain until ${what}`)
      await this.step()
    }
  }

  /** One small step of broker time. */
  async step(): Promise<void> {
    if (this.harness.advance !== undefined) await this.harness.advance(STEP_MS)
    await breathe(this.harness.advance === undefined ? undefined : 0)
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Enqueues the jobs as one group and expects each to be new. */
  async enqueue(...jobs: readonly JobSpec[]): Promise<void> {
    const [answer] = await this.broker.enqueue([jobs])
    assert.deepEqual(answer, { ok: true, jobs: jobs.map(({ id }) => ({ status: 'enqueued', id })) })
  }

  reserve(fields: Partial<ReserveRequest> = {}): Promise<Reserved> {
    return this.broker.reserve(request(fields))
  }

  /** The ids of the jobs that are claimed, in their order. */
  async claimIds(fields: Partial<ReserveRequest> = {}): Promise<readonly string[]> {
    return (await this.reserve(fields)).jobs.map(({ id }) => id)
  }

  /** Claims one job and expects that there is one, and that it is `id` where given. */
  async claim(fields: Partial<ReserveRequest> = {}, id?: string): Promise<ReservedJob> {
    const { jobs } = await this.reserve({ max: 1, ...fields })
    const [job] = jobs
    assert(job !== undefined && jobs.length === 1, `claimed ${jobs.length} jobs where one was ready`)
    if (id !== undefined) assert.equal(job.id, id, 'another job was claimed than the one in line')
    return job
  }

  async settle(outcome: Outcome): Promise<SettleAnswer> {
    const { answers } = await this.broker.settle({ outcomes: [outcome] })
    assert.equal(answers.length, 1)
    return answers[0] ?? 'lost'
  }

  /** Settles and expects that it was recorded. */
  async settled(outcome: Outcome): Promise<void> {
    assert.equal(await this.settle(outcome), 'ok', `${outcome.kind} with the live token was refused`)
  }

  /** The record of a job that has to be there. */
  async job(id: string): Promise<JobRecord> {
    const [record] = await this.broker.get([id])
    assert(record !== undefined, `there is no job ${id}`)
    return record
  }

  async gone(id: string): Promise<void> {
    assert.equal((await this.broker.get([id]))[0], undefined, `job ${id} is still there`)
  }

  /** Expects the jobs to be in this state, and for this reason where one is given. */
  async expect(state: JobState, ids: string | readonly string[], reason?: string): Promise<void> {
    const list = typeof ids === 'string' ? [ids] : ids
    const records = await this.broker.get(list)
    const found = records.map((record, index) => [list[index], record?.state, record?.reason])
    const wanted = list.map((id, index) => [id, state, reason ?? records[index]?.reason])
    assert.deepEqual(found, wanted)
  }

  /** Upkeep until there is nothing more to do at this moment; answers how many jobs each part moved. */
  async upkeep(broker: Broker = this.broker): Promise<Omit<MaintainReport, 'more' | 'nextDueInMs'>> {
    const sum = { promoted: 0, reclaimed: 0, expired: 0, pruned: 0, spread: 0 }
    for (let round = 0; round < 1_000; round += 1) {
      const report = await broker.maintain()
      for (const part of Object.keys(sum) as (keyof typeof sum)[]) sum[part] += report[part]
      if (!report.more) return sum
    }
    assert.fail('maintain said a thousand times that there is more')
  }

  /** Lets a short lease run out and its job be taken back. */
  async loseLease(leaseMs: number): Promise<void> {
    await this.elapse(leaseMs + 1)
    await this.upkeep()
  }

  /** Claims and completes all that is ready in a queue; answers the ids in the order of their claims. */
  async drain(fields: Partial<ReserveRequest> = {}): Promise<string[]> {
    const ids: string[] = []
    for (;;) {
      const { jobs } = await this.reserve({ max: 100, ...fields })
      if (jobs.length === 0) return ids
      ids.push(...jobs.map(({ id }) => id))
      const { answers } = await this.broker.settle({ outcomes: jobs.map((job) => succeeded(job)) })
      assert(
        answers.every((answer) => answer === 'ok'),
        'a live claim was refused',
      )
    }
  }
}
