// A broker under the properties: carries out operations and answers in a form in which two brokers can be compared.
// Tokens become the number of the claim they came from; sequence numbers and hints, which brokers choose, are left out.
import assert from 'node:assert/strict'
import type {
  Broker,
  JobSelection,
  LeaseRef,
  LimitRule,
  ListRequest,
  LogLine,
  Note,
  Reserved,
  ReservedJob,
  SelectionAnswer,
} from '../../src/broker/contract.ts'
import { encodeJson } from '../../src/job/codec.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { isEnded } from '../../src/job/states.ts'
import { allIds, isKeptForGood, nameOf, outcomeOf, queryOf, requestOf, ruleOf, specOf } from './drafts.ts'
import {
  type Action,
  type JobDraft,
  type Operation,
  QUEUES,
  type ReserveDraft,
  WORKFLOWS,
} from './operations.ts'

const HOUR_MS = 3_600_000

/** What is known of a job that was accepted and not removed since. */
interface Accepted {
  /** Its record does not go by itself. */
  readonly forGood: boolean
  /** It has been claimed. */
  begun: boolean
}

export class Subject {
  readonly broker: Broker
  readonly #advance: (ms: number) => void | Promise<void>
  readonly #claims: LeaseRef[] = []
  readonly #accepted = new Map<string, Accepted>()
  #beginning = 0
  /** Since a limit of a task came or went while there were jobs, those of one task may stand in two lanes. */
  #mixed = false

  constructor(broker: Broker, advance: (ms: number) => void | Promise<void>) {
    this.broker = broker
    this.#advance = advance
  }

  /** To be called first. */
  async begin(): Promise<void> {
    this.#beginning = (await this.broker.health()).now
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
      case 'promote':
        return this.#steer(operation.op, { ids: operation.ids.map(nameOf) })
      case 'steer':
        return this.#steer(operation.action, {
          query: queryOf(operation.query, this.#beginning),
          limit: operation.limit,
        })
      case 'list':
        return this.#list({
          ...queryOf(operation.query, this.#beginning),
          order: operation.order,
          limit: operation.limit,
        })
      case 'publish':
        return broker.publish(WORKFLOWS[operation.workflow] ?? '')
      case 'pause':
        return broker.pause(QUEUES[operation.queue] ?? '', operation.paused)
      case 'limit':
        return this.#limit(operation.rules.map(ruleOf))
      case 'write':
        return this.#write(operation)
      case 'schedule':
      case 'unschedule':
      case 'fire':
        return this.#schedule(operation)
      case 'beat':
      case 'leave':
        return this.#sign(operation)
      case 'advance':
        await this.#advance(operation.ms)
        return this.upkeep()
      case 'maintain':
        return this.upkeep()
    }
  }

  /** All that can be seen, in the comparable form. Checks what has to be true of any broker at any time. */
  async state(): Promise<unknown> {
    const { broker } = this
    const [records, infos, limits, counters, schedules, workers] = await Promise.all([
      broker.get(allIds),
      broker.queues(),
      broker.limits(),
      broker.counters(this.#beginning - HOUR_MS, this.#beginning + HOUR_MS),
      broker.schedules(),
      broker.workers(),
    ])
    for (const { queue, counts } of infos) {
      for (const [state, count] of Object.entries(counts)) {
        const found = records.filter((record) => record?.queue === queue && record.state === state).length
        assert.equal(count, found, `queue ${queue} counts ${count} ${state}, and has ${found}`)
      }
    }
    const there = new Set(records.flatMap((record) => record?.id ?? []))
    for (const [id, { forGood }] of this.#accepted) assert(there.has(id) || !forGood, `${id} is lost`)
    for (const id of there) assert(this.#accepted.has(id), `${id} came from nowhere`)
    const holders = new Map<string, string>()
    for (const record of records)
      if (record !== undefined) checkRecord(record, holders, this.#accepted.get(record.id)?.begun === true)
    return {
      jobs: records.map((record) => record && this.#comparable(record)),
      queues: sorted(infos.map((info) => plain({ ...info, counts: { ...info.counts } }))),
      limits: sorted(limits),
      counters: sorted(counters),
      schedules: sorted(schedules),
      workers: sorted(workers),
    }
  }

  /** What attempts have written. */
  async notes(): Promise<unknown> {
    const notes = []
    for (const id of allIds)
      notes.push([
        (await this.broker.logs(id)).map((line) => this.#line(id, line)),
        await this.broker.steps(id),
      ])
    return notes
  }

  /** Lets all time pass and works until nothing is left: every accepted job has to come to its end. */
  async finish(): Promise<void> {
    for (const queue of QUEUES) await this.broker.pause(queue, false)
    await this.#limit((await this.broker.limits()).map((rule) => ({ ...rule, limit: null })))
    const everything: ReserveDraft = { queues: [0, 1], max: 50, leaseMs: 60_000, starting: 0, suspects: 1 }
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(WORKFLOWS.map((workflow) => this.broker.publish(workflow)))
      await this.run({ op: 'advance', ms: 1_000 })
      const reserved = await this.broker.reserve(requestOf(everything))
      this.#claimed(reserved)
      const outcomes = reserved.jobs.map(({ id, token }) => outcomeOf({ id, token }, 'succeeded', 0))
      await this.broker.settle({ outcomes })
    }
    for (const record of await this.broker.get([...this.#accepted.keys()])) {
      if (record === undefined) continue
      assert(isEnded(record.state), `job ${record.id} is ${record.state} in the end`)
    }
  }

  async upkeep(): Promise<void> {
    for (let rounds = 0; (await this.broker.maintain()).more; rounds += 1) assert(rounds < 100)
  }

  async #enqueue(groups: readonly (readonly JobDraft[])[]): Promise<unknown> {
    const answers = await this.broker.enqueue(
      groups.map((group) => group.map((draft) => specOf(draft, this.#beginning))),
    )
    for (const [at, answer] of answers.entries()) {
      if (!answer.ok) continue
      for (const [index, job] of answer.jobs.entries()) {
        const draft = groups[at]?.[index]
        if (job.status === 'enqueued' && draft !== undefined) this.#accept(draft)
      }
    }
    return answers.map((answer) => (answer.ok ? answer : { code: answer.code, id: answer.id }))
  }

  async #settle({ claims, started, next }: Extract<Operation, { op: 'settle' }>): Promise<unknown> {
    const outcomes = claims.flatMap(({ claim, kind, delayMs }) => {
      const lease = this.#claim(claim)
      return lease === undefined ? [] : [outcomeOf(lease, kind, delayMs)]
    })
    const settled = await this.broker.settle({
      outcomes,
      started: started.flatMap((claim) => this.#claim(claim) ?? []),
      next: next && requestOf(next),
    })
    return { answers: settled.answers, next: settled.next && this.#claimed(settled.next) }
  }

  async #limit(rules: readonly LimitRule[]): Promise<void> {
    this.#mixed ||= rules.some(({ scope }) => scope.kind === 'task') && this.#accepted.size > 0
    await this.broker.limit(rules)
  }

  async #steer(action: Action, selection: JobSelection): Promise<SelectionAnswer> {
    const answer = await this.broker[action](selection)
    if (action === 'remove') for (const id of answer.done) this.#accepted.delete(id)
    return answer
  }

  /** All pages; where a page ends is the broker's choice. */
  async #list(request: ListRequest): Promise<readonly string[]> {
    const ids: string[] = []
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const page = await this.broker.list({ ...request, ...(cursor === undefined ? {} : { cursor }) })
      assert(page.jobs.length <= (request.limit ?? 0))
      ids.push(...page.jobs.map(({ id }) => id))
      cursor = page.cursor
    }
    return ids
  }

  async #write({ claim, kind, value }: Extract<Operation, { op: 'write' }>): Promise<unknown> {
    const lease = this.#claim(claim)
    if (lease === undefined) return undefined
    const note: Note =
      kind === 'log'
        ? { ...lease, kind, level: 'warn', text: `line ${value}` }
        : { ...lease, kind, name: `step ${value % 2}`, value: encodeJson(value) }
    const answer = await this.broker.write([note])
    const lines = await this.broker.logs(lease.id, value)
    return [answer, await this.broker.steps(lease.id), lines.map((line) => this.#line(lease.id, line))]
  }

  async #schedule(
    operation: Extract<Operation, { op: 'schedule' | 'unschedule' | 'fire' }>,
  ): Promise<unknown> {
    const id = `schedule-${operation.id}`
    if (operation.op === 'unschedule') return this.broker.removeSchedule(id)
    if (operation.op === 'schedule') {
      const { rule, paused } = operation
      const { id: _, ...job } = specOf(nothing, this.#beginning)
      const nextAt = (await this.broker.health()).now + rule
      return this.broker.putSchedule({ id, rule: { rule, zone: null }, job, nextAt, paused })
    }
    const there = (await this.broker.schedules()).find((schedule) => schedule.id === id)
    const tick = (there?.nextAt ?? 0) - (operation.late ? 1 : 0)
    const job = operation.job && specOf(operation.job, this.#beginning)
    const [before] = job === undefined ? [] : await this.broker.get([job.id])
    const fired = await this.broker.fire({ schedule: id, tick, nextAt: tick + 100, job })
    if (fired && operation.job !== undefined && before === undefined) this.#accept(operation.job)
    return fired
  }

  async #sign(operation: Extract<Operation, { op: 'beat' | 'leave' }>): Promise<void> {
    const id = `worker-${operation.worker}`
    if (operation.op === 'leave') return this.broker.leave(id)
    const lists = { queues: ['a'], tasks: ['work'] }
    const numbers = { pid: 1, concurrency: 2, active: 0, startedAt: this.#beginning }
    await this.broker.beat({ id, host: 'host', state: 'running', ...lists, ...numbers }, operation.ttlMs)
  }

  #accept(draft: JobDraft): void {
    this.#accepted.set(nameOf(draft.id), { forGood: isKeptForGood(draft), begun: false })
  }

  #claim(back: number): LeaseRef | undefined {
    return this.#claims.at(-1 - back)
  }

  #claimed({ jobs: answered, now }: Reserved): unknown {
    // The order inside a lane is checked here; that of the lanes of a queue among themselves is the broker's choice.
    const order = (job: ReservedJob): string => (this.#mixed ? `${shareOf(job)}\n${job.id}` : shareOf(job))
    const jobs = [...answered].sort((one, other) => compare(order(one), order(other)))
    const first = this.#claims.length
    this.#claims.push(...jobs.map(({ id, token }) => ({ id, token })))
    for (const { id } of jobs) {
      const job = this.#accepted.get(id)
      if (job !== undefined) job.begun = true
    }
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

  #line(id: string, line: LogLine): LogLine {
    return { ...line, token: this.#ordinal(id, line.token) }
  }

  #ordinal(id: string, token: number): number {
    const ordinal = this.#claims.findIndex((claim) => claim.id === id && claim.token === token)
    assert(ordinal >= 0, `the token of ${id} was never given to anybody`)
    return ordinal
  }
}

/** The job of schedules is never enqueued from there. */
const nothing: JobDraft = {
  id: 0,
  task: 0,
  queue: 0,
  partition: undefined,
  priority: 5,
  delayMs: undefined,
  runAt: undefined,
  expiresInMs: undefined,
  unique: undefined,
  after: [],
  maxCrashes: 3,
  keptMs: undefined,
  workflow: undefined,
  staged: false,
  search: undefined,
  tag: undefined,
}

/** Jobs of one share stand in one lane, as long as no limit of their task comes or goes. */
function shareOf({ partition, task }: ReservedJob): string {
  return `${partition ?? ''}\n${task}`
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function sorted<T>(values: readonly T[]): T[] {
  return [...values].sort((one, other) => compare(JSON.stringify(one), JSON.stringify(other)))
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

/** Without fields that are there and undefined, which is the same as absent. */
function plain(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))
}
