// The memory broker: the plain reference of the contract. Every call runs to its end at once, so each is atomic; given
// the clock, the same calls give the same answers. Jobs live as long as the object. The rules stand in the files
// beside this one; here each call of the contract is tied to them.
import type {
  Broker,
  BrokerHealth,
  Capabilities,
  CounterRow,
  ExtendAnswer,
  GroupAnswer,
  HeldLease,
  JobEvent,
  JobPage,
  JobSelection,
  LimitRule,
  ListRequest,
  LogLine,
  MaintainReport,
  Note,
  QueueInfo,
  Reserved,
  ReserveRequest,
  Schedule,
  SelectionAnswer,
  Settled,
  SettleRequest,
  Step,
  WorkerInfo,
} from '../../broker/contract.ts'
import { OffstageError } from '../../errors/error.ts'
import type { JobRecord, JobSpec } from '../../job/record.ts'
import { waitingStates } from '../../job/states.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { extend, markStarted, reserve, settle, write } from './claims.ts'
import { spread } from './dependents.ts'
import { enqueueGroup } from './enqueue.ts'
import { copyPayload, type StoredJob, toRecord } from './job.ts'
import { earliest } from './lanes.ts'
import { Registry } from './registry.ts'
import { list, type Steering, steer } from './select.ts'
import { Space } from './space.ts'
import { maintain } from './upkeep.ts'

export interface MemoryOptions {
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** Broker time. Default the system's clock. */
  readonly clock?: Clock | undefined
}

/** A broker that keeps its jobs in this process, and loses them with it: for tests, trials and simulation. */
export function memory(options: MemoryOptions = {}): MemoryBroker {
  return new MemoryBroker(options)
}

export class MemoryBroker implements Broker {
  readonly name = 'memory'
  readonly namespace: string
  readonly capabilities: Capabilities = {
    durability: 'none',
    shared: false,
    wakesOthers: false,
    outages: false,
    records: true,
    transactions: false,
  }
  readonly #space: Space
  readonly #registry = new Registry()
  #state: 'new' | 'open' | 'closed' = 'new'
  #lastSeq = 0
  #lastToken = 0

  constructor({ namespace = 'default', clock = systemClock }: MemoryOptions = {}) {
    this.namespace = namespace
    this.#space = new Space(clock)
  }

  async open(): Promise<void> {
    if (this.#state === 'closed') throw closedError('was closed')
    this.#state = 'open'
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#space.signals.close()
  }

  async health(): Promise<BrokerHealth> {
    const { store, lanes } = this.#opened()
    return {
      now: this.#space.now(),
      location: 'the memory of this process',
      engine: `memory of a Node ${process.version} process`,
      durability: 'none: jobs are lost when the process ends',
      warnings: [],
      facts: { jobs: store.size, queues: lanes.queues.size, tombstones: store.tombstones },
    }
  }

  // ── the message half ───────────────────────────────────────────────────────────────────────────────────────────

  async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const space = this.#opened()
    return groups.map((group) => enqueueGroup(space, group, this.#nextSeq))
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    return reserve(this.#opened(), request, this.#nextToken)
  }

  async settle({ outcomes, started, next }: SettleRequest): Promise<Settled> {
    const space = this.#opened()
    for (const lease of started ?? []) markStarted(space, lease)
    const answers = outcomes.map((outcome) => settle(space, outcome))
    return next === undefined ? { answers } : { answers, next: reserve(space, next, this.#nextToken) }
  }

  async extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    const space = this.#opened()
    return leases.map((lease) => extend(space, lease, leaseMs))
  }

  async wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#state !== 'open') return
    const { lanes, signals } = this.#space
    const known = queues.flatMap((name) => lanes.queues.get(name) ?? [])
    return signals.wait(queues, earliest(known.map((queue) => lanes.nextDueAt(queue))), signal)
  }

  async maintain(): Promise<MaintainReport> {
    return maintain(this.#opened())
  }

  // ── the record half: jobs ──────────────────────────────────────────────────────────────────────────────────────

  async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    const { store } = this.#opened()
    return ids.map((id) => {
      const job = store.get(id)
      return job && toRecord(job, this.namespace)
    })
  }

  async list(request: ListRequest): Promise<JobPage> {
    return list(this.#opened(), this.namespace, request)
  }

  async cancel(selection: JobSelection): Promise<SelectionAnswer> {
    const space = this.#opened()
    const act = (job: StoredJob): true => {
      if (job.state === 'active') {
        job.cancelling = true
        space.signals.notify(job.spec.queue)
      } else space.end(job, 'cancelled', 'by-request')
      return true
    }
    return this.#steer(selection, {
      states: [...waitingStates, 'active'],
      act,
      already: (job) => job.cancelling,
    })
  }

  async retry(selection: JobSelection): Promise<SelectionAnswer> {
    const space = this.#opened()
    const act = (job: StoredJob): boolean => {
      if (!space.store.takeKey(job)) return false
      space.revive(job)
      return true
    }
    return this.#steer(selection, { states: ['failed', 'cancelled'], act })
  }

  async remove(selection: JobSelection): Promise<SelectionAnswer> {
    const space = this.#opened()
    const act = (job: StoredJob): true => {
      space.erase(job)
      return true
    }
    return this.#steer(selection, { states: [...waitingStates, 'succeeded', 'failed', 'cancelled'], act })
  }

  async promote(selection: JobSelection): Promise<SelectionAnswer> {
    const space = this.#opened()
    const act = (job: StoredJob): true => {
      space.toScheduled(job, space.now())
      return true
    }
    return this.#steer(selection, { states: ['scheduled'], act })
  }

  async publish(workflow: string): Promise<boolean> {
    const space = this.#opened()
    const staged = space.staged.get(workflow)
    if (staged === undefined) return false
    space.staged.delete(workflow)
    // Nobody adds to these jobs any more: what is staged under this name from now on is another set.
    space.send('succeeded', staged.jobs.values(), staged.jobs.size)
    spread(space)
    return true
  }

  // ── the record half: queues, limits, workers, schedules ────────────────────────────────────────────────────────

  async queues(): Promise<readonly QueueInfo[]> {
    const { queues, scopes } = this.#opened().lanes
    return [...queues.values()].map(({ name, paused, counts }) => {
      const limit = scopes.rule(`queue\n${name}`)
      const partitionLimit = scopes.rule(`partition\n${name}`)
      return {
        queue: name,
        paused,
        counts: { ...counts },
        ...(limit === undefined ? {} : { limit }),
        ...(partitionLimit === undefined ? {} : { partitionLimit }),
      }
    })
  }

  async pause(queue: string, paused: boolean): Promise<void> {
    const { lanes, signals } = this.#opened()
    lanes.queue(queue).paused = paused
    if (!paused) signals.notify(queue)
  }

  async limit(rules: readonly LimitRule[]): Promise<void> {
    const { lanes } = this.#opened()
    for (const rule of rules) lanes.setRule(rule)
  }

  async limits(): Promise<readonly LimitRule[]> {
    return this.#opened().lanes.scopes.rules()
  }

  async beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
    this.#registry.beat(worker, ttlMs, this.#opened().now())
  }

  async leave(worker: string): Promise<void> {
    this.#opened()
    this.#registry.leave(worker)
  }

  async workers(): Promise<readonly WorkerInfo[]> {
    return this.#registry.workers(this.#opened().now())
  }

  async putSchedule(schedule: Schedule): Promise<void> {
    this.#opened()
    this.#registry.put(schedule)
  }

  async schedules(): Promise<readonly Schedule[]> {
    this.#opened()
    return this.#registry.schedules()
  }

  async removeSchedule(id: string): Promise<boolean> {
    this.#opened()
    return this.#registry.remove(id)
  }

  async fire({ schedule, tick, nextAt, job }: Parameters<Broker['fire']>[0]): Promise<boolean> {
    const space = this.#opened()
    if (!this.#registry.tick(schedule, tick, nextAt)) return false
    if (job !== undefined) enqueueGroup(space, [job], this.#nextSeq)
    return true
  }

  // ── the record half: what attempts write, what listeners hear ──────────────────────────────────────────────────

  async write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> {
    const space = this.#opened()
    return notes.map((note) => write(space, note))
  }

  async logs(id: string, afterSeq = 0): Promise<readonly LogLine[]> {
    const logs = this.#opened().store.get(id)?.logs ?? []
    return logs.filter(({ seq }) => seq > afterSeq).slice(0, 1_000)
  }

  async steps(id: string): Promise<readonly Step[]> {
    const steps = [...(this.#opened().store.get(id)?.steps.values() ?? [])]
    return steps.map((step) => ({ ...step, value: copyPayload(step.value) }))
  }

  async events(listener: (events: readonly JobEvent[]) => void, signal: AbortSignal): Promise<void> {
    if (this.#state === 'open') await this.#space.signals.listen(listener, signal)
  }

  async counters(fromAt: number, toAt: number): Promise<readonly CounterRow[]> {
    const space = this.#opened()
    return space.counters.between(fromAt, toAt, space.now())
  }

  #steer(selection: JobSelection, steering: Steering): SelectionAnswer {
    return steer(this.#space, selection, steering)
  }

  #opened(): Space {
    if (this.#state === 'open') return this.#space
    throw closedError(this.#state === 'new' ? 'is not open yet' : 'was closed')
  }

  readonly #nextSeq = (): number => {
    this.#lastSeq += 1
    return this.#lastSeq
  }

  readonly #nextToken = (): number => {
    this.#lastToken += 1
    return this.#lastToken
  }
}

function closedError(what: string): OffstageError {
  return new OffstageError('BROKER_CLOSED', `the memory broker ${what}`)
}
