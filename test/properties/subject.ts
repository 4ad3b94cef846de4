// A broker under the properties: carries out operations and answers in a form in which two brokers can be compared.
// Tokens become the number of the claim they came from; sequence numbers and hints, which brokers choose, are left out.
import assert from 'node:assert/strict'
import type { Broker, LeaseRef, Outcome, Reserved, ReserveRequest } from '../../src/broker/contract.ts'
import { encodeJson } from '../../src/job/codec.ts'
import type { JobRecord, JobSpec } from '../../src/job/record.ts'
import { isEnded } from '../../src/job/states.ts'
import {
  IDS,
  type JobDraft,
  type Operation,
  QUEUES,
  type ReserveDraft,
  type SettleKind,
} from './operations.ts'

const KEPT = { succeededMs: 1e9, failedMs: 1e9, cancelledMs: 1e9 }
const allIds: readonly string[] = Array.from({ length: IDS }, (_, index) => nameOf(index))
const error = { name: 'Error', message: 'it broke', fingerprint: 'f' }

export class Subject {
  readonly broker: Broker
  readonly #advance: (ms: number) => void | Promise<void>
  readonly #claims: LeaseRef[] = []
  /** Ids that were accepted and not removed since. */
  readonly #accepted = new Set<string>()
  /** Those of them that have been claimed. */
  readonly #begun = new Set<string>()

  constructor(broker: Broker, advance: (ms: number) => void | Promise<void>) {
    this.broker = broker
    this.#advance = advance
  }

  /** Carries out one operation; what it answers has to be the same for every broker. */
  async run(operation: Operation): Promise<unknown> {
    const { broker } = this
    switch (operation.op) {
      case 'enqueue':
        return this.#enqueue(operation.groups)
      case 'reserve':
        return this.#claimed(await broker.reserve(requestOf(operation.request)))
      case 'settle':
        return this.#settle(operation)
      case 'extend': {
        const lease = this.#claim(operation.claim)
        return lease && broker.extend([{ ...lease, started: operation.started }], operation.leaseMs)
      }
      case 'cancel':
      case 'retry':
      case 'remove':
      case 'promote': {
        const answer = await broker[operation.op]({ ids: [...new Set(operation.ids.map(nameOf))] })
        if (operation.op === 'remove') for (const id of answer.done) this.#forget(id)
        return { done: [...answer.done].sort(), skipped: answer.skipped.map(({ id }) => id).sort() }
      }
      case 'pause':
        return broker.pause(QUEUES[operation.queue] ?? '', operation.paused)
      case 'limit':
        return this.#limit(operation)
      case 'write':
        return this.#write(operation)
      case 'advance':
        await this.#advance(operation.ms)
        return this.upkeep()
      case 'maintain':
        return this.upkeep()
    }
  }

  /** All that can be seen, in the comparable form. Checks what has to be true of any broker at any time. */
  async state(): Promise<unknown> {
    const records = await this.broker.get(allIds)
    const infos = await this.broker.queues()
    for (const { queue, counts } of infos) {
      for (const [state, count] of Object.entries(counts)) {
        const found = records.filter((record) => record?.queue === queue && record.state === state).length
        assert.equal(count, found, `queue ${queue} counts ${count} ${state}, and has ${found}`)
      }
    }
    const there = records.flatMap((record) => record?.id ?? [])
    assert.deepEqual(
      there.sort(),
      [...this.#accepted].sort(),
      'jobs that were accepted and those that are there',
    )
    const holders = new Map<string, string>()
    for (const record of records)
      if (record !== undefined) checkRecord(record, holders, this.#begun.has(record.id))
    return {
      jobs: records.map((record) => record && this.#comparable(record)),
      queues: infos
        .map((info) => plain({ ...info, counts: { ...info.counts } }))
        .sort((one, other) => compare(JSON.stringify(one), JSON.stringify(other))),
    }
  }

  /** Lets all time pass and works until nothing is left: every accepted job has to come to its end. */
  async finish(): Promise<void> {
    for (const queue of QUEUES) {
      await this.run({ op: 'pause', queue: QUEUES.indexOf(queue), paused: false })
      for (const kind of ['queue', 'partition'] as const)
        await this.run({ op: 'limit', kind, queue: QUEUES.indexOf(queue) })
    }
    const everything: ReserveDraft = { queues: [0, 1], max: 50, leaseMs: 60_000, starting: 0, suspects: 1 }
    for (let round = 0; round < 60; round += 1) {
      await this.run({ op: 'advance', ms: 1_000 })
      const { jobs } = await this.broker.reserve(requestOf(everything))
      const outcomes = jobs.map(({ id, token }) => outcomeOf({ id, token }, 'succeeded', 0))
      await this.broker.settle({ outcomes })
    }
    for (const record of await this.broker.get([...this.#accepted])) {
      assert(
        record !== undefined && isEnded(record.state),
        `job ${record?.id} is ${record?.state} in the end`,
      )
    }
  }

  async upkeep(): Promise<void> {
    for (let rounds = 0; (await this.broker.maintain()).more; rounds += 1) assert(rounds < 100)
  }

  async #enqueue(groups: readonly (readonly JobDraft[])[]): Promise<unknown> {
    const answers = await this.broker.enqueue(groups.map((group) => group.map(specOf)))
    for (const answer of answers) {
      if (!answer.ok) continue
      for (const job of answer.jobs) if (job.status === 'enqueued') this.#accepted.add(job.id)
    }
    return answers.map((answer) => (answer.ok ? answer : { code: answer.code, id: answer.id }))
  }

  async #settle({ claims, next }: Extract<Operation, { op: 'settle' }>): Promise<unknown> {
    const outcomes = claims.flatMap(({ claim, kind, delayMs }) => {
      const lease = this.#claim(claim)
      return lease === undefined ? [] : [outcomeOf(lease, kind, delayMs)]
    })
    const settled = await this.broker.settle({ outcomes, next: next && requestOf(next) })
    return { answers: settled.answers, next: settled.next && this.#claimed(settled.next) }
  }

  async #limit({ kind, queue, concurrency, rate }: Extract<Operation, { op: 'limit' }>): Promise<void> {
    const scope = { kind, queue: QUEUES[queue] ?? '' }
    const none = concurrency === undefined && rate === undefined
    const limit = {
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(rate === undefined ? {} : { rate: { count: rate, perMs: 100 } }),
    }
    await this.broker.limit([{ scope, source: 'set', limit: none ? null : limit }])
  }

  async #write({ claim, kind, value }: Extract<Operation, { op: 'write' }>): Promise<unknown> {
    const lease = this.#claim(claim)
    if (lease === undefined) return undefined
    const note = { ...lease, kind, name: 'step', value: encodeJson(value) }
    const answer = await this.broker.write([note])
    return [answer, await this.broker.steps(lease.id)]
  }

  #forget(id: string): void {
    this.#accepted.delete(id)
    this.#begun.delete(id)
  }

  #claim(back: number): LeaseRef | undefined {
    return this.#claims.at(-1 - back)
  }

  #claimed({ jobs: answered, now }: Reserved): unknown {
    // The order inside a partition is checked here; that of the partitions among themselves is the broker's choice.
    const jobs = [...answered].sort((one, other) => compare(one.partition, other.partition))
    const first = this.#claims.length
    this.#claims.push(...jobs.map(({ id, token }) => ({ id, token })))
    for (const { id } of jobs) this.#begun.add(id)
    return { now, jobs: jobs.map((job, index) => ({ ...plain(job), token: first + index })) }
  }

  #comparable(record: JobRecord): unknown {
    const { seq: _, namespace: __, lease, attempts, ...rest } = record
    return plain({
      ...rest,
      lease: lease && { ...lease, token: this.#ordinal(record.id, lease.token) },
      attempts: attempts.map((attempt) => ({ ...attempt, token: this.#ordinal(record.id, attempt.token) })),
    })
  }

  #ordinal(id: string, token: number): number {
    const ordinal = this.#claims.findIndex((claim) => claim.id === id && claim.token === token)
    assert(ordinal >= 0, `the token of ${id} was never given to anybody`)
    return ordinal
  }
}

function compare(one = '', other = ''): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function checkRecord(record: JobRecord, holders: Map<string, string>, begun: boolean): void {
  const { id, state, lease, unique, cancelling, reason } = record
  assert.equal(state === 'active', lease !== undefined, `${id} is ${state}`)
  if (cancelling) assert.equal(state, 'active', `${id} is being cancelled and ${state}`)
  if (state === 'cancelled' || state === 'failed')
    assert(reason !== undefined, `${id} is ${state} for no reason`)
  assert.equal(isEnded(state), record.endedAt !== undefined, `${id} is ${state}`)
  if (unique === undefined || isEnded(state)) return
  if (unique.during === 'waiting' && begun) return
  assert.equal(holders.get(unique.key), undefined, `${id} and ${holders.get(unique.key)} have one key`)
  holders.set(unique.key, id)
}

function nameOf(index: number): string {
  return `job-${index}`
}

function specOf(draft: JobDraft): JobSpec {
  const { after, partition, ...fields } = draft
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return {
    ...(Object.fromEntries(given) as Omit<typeof fields, 'id' | 'queue'>),
    id: nameOf(draft.id),
    task: 'work',
    queue: QUEUES[draft.queue] ?? '',
    input: encodeJson(draft.id),
    retention: KEPT,
    ...(partition === undefined ? {} : { partition: `p${partition}` }),
    ...(after === undefined ? {} : { after: [{ id: nameOf(after.id), when: after.when }] }),
  } as JobSpec
}

function requestOf({ queues, ...rest }: ReserveDraft): ReserveRequest {
  return { ...rest, worker: 'worker', queues: queues.map((index) => QUEUES[index] ?? '') }
}

function outcomeOf(lease: LeaseRef, kind: SettleKind, delayMs: number): Outcome {
  const base = { id: lease.id, token: lease.token, ranMs: 3 }
  switch (kind) {
    case 'succeeded':
      return { ...base, kind, result: encodeJson('done') }
    case 'retry':
    case 'unknown':
      return { ...base, kind, delayMs, error }
    case 'snoozed':
      return { ...base, kind, delayMs }
    case 'failed':
      return { ...base, kind, reason: 'non-retryable', error }
    case 'released':
    case 'cancelled':
      return { ...base, kind }
  }
}

/** Without fields that are there and undefined, which is the same as absent. */
function plain(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
}
