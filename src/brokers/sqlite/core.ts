// The broker as it works on its file: the parts, tied together, and the calls of the contract as they come over the
// port. Everything here is synchronous and runs inside a transaction of the runner.
import type {
  Broker,
  ExtendAnswer,
  HeldLease,
  JobSelection,
  LeaseRef,
  Outcome,
  ReserveRequest,
} from '../../broker/contract.ts'
import { waitingStates } from '../../job/states.ts'
import { Dependents } from './dependents.ts'
import type { Database } from './engine.ts'
import { Enqueue } from './enqueue.ts'
import { FLAG } from './flags.ts'
import { Lanes } from './lanes.ts'
import { Maintain } from './maintain.ts'
import { Moves } from './moves.ts'
import { Registry } from './registry.ts'
import { Reserve } from './reserve.ts'
import { has, type JobRow, STATE, setFlag, toRecord } from './row.ts'
import { Rules } from './rules.ts'
import { Scopes } from './scopes.ts'
import { Select, type Steering } from './select.ts'
import { Settle } from './settle.ts'
import { Store } from './store.ts'
import type { ClaimColumns } from './wire-claims.ts'
import { type OutcomeColumns, type SettledColumns, unpackOutcomes } from './wire-outcomes.ts'
import { type SpecColumns, unpackSpecs } from './wire-specs.ts'

/** Calls whose batches have a form of their own on the wire. */
export interface WireCalls {
  enqueue: [specs: SpecColumns]
  reserve: [request: ReserveRequest]
  /** Says that somebody in this process listens to events, for so many milliseconds. */
  listen: [ms: number]
  settle: [
    settle: {
      outcomes: OutcomeColumns
      started: readonly LeaseRef[] | undefined
      next: ReserveRequest | undefined
    },
  ]
}

/** The others travel as they are. */
export type PlainCall = Exclude<
  keyof Broker,
  keyof WireCalls | 'name' | 'namespace' | 'capabilities' | 'open' | 'close' | 'health' | 'wake' | 'events'
>

export type CoreCall = keyof WireCalls | PlainCall

const READS: ReadonlySet<CoreCall> = new Set([
  'get',
  'list',
  'queues',
  'limits',
  'workers',
  'schedules',
  'logs',
  'steps',
  'counters',
] as const)

type Handlers = { readonly [C in CoreCall]: (args: never, check: boolean) => unknown }

export class Core {
  readonly store: Store
  readonly maintenance: Maintain
  readonly #enqueue: Enqueue
  readonly #reserve: Reserve
  readonly #settle: Settle
  readonly #select: Select
  readonly #registry: Registry
  readonly #moves: Moves
  readonly #dependents: Dependents
  readonly #handlers: Handlers

  constructor(db: Database, source: string) {
    const store = new Store(db, source)
    const rules = new Rules(store)
    const scopes = new Scopes(store, rules)
    const lanes = new Lanes(store, rules, scopes)
    const moves = new Moves(store, lanes)
    const dependents = new Dependents(store, moves)
    this.store = store
    this.#moves = moves
    this.#dependents = dependents
    this.#enqueue = new Enqueue(store, lanes, moves, dependents)
    this.#reserve = new Reserve({ store, rules, scopes, lanes, moves, dependents })
    this.#settle = new Settle(store, lanes, moves, dependents)
    this.#select = new Select(store)
    this.#registry = new Registry(store, rules, scopes)
    this.maintenance = new Maintain(store, moves, dependents, this.#reserve)
    this.#handlers = this.#makeHandlers()
  }

  static reads(call: CoreCall): boolean {
    return READS.has(call)
  }

  /** @param check looks at groups as a whole before anything is written */
  run(call: CoreCall, args: readonly unknown[], check: boolean): unknown {
    return this.#handlers[call](args as never, check)
  }

  /** One outcome by itself, where the trip that it came with has failed. */
  settleOne(outcomes: OutcomeColumns, index: number): 'ok' | 'lost' {
    const outcome = unpackOutcomes(outcomes)[index]
    return outcome === undefined ? 'lost' : this.#settle.settle(outcome)
  }

  /** An outcome inside a transaction of the user's. */
  settleHeld(outcome: Outcome): 'ok' | 'lost' {
    return this.#settle.settleHeld(outcome)
  }

  reserve(request: ReserveRequest): ClaimColumns {
    return this.#reserve.reserve(request)
  }

  started(leases: readonly LeaseRef[]): void {
    for (const lease of leases) this.#settle.started(lease)
  }

  #makeHandlers(): Handlers {
    type Args<C extends keyof Broker> = Broker[C] extends (...args: infer A) => unknown ? A : never
    const registry = this.#registry
    return {
      enqueue: ([specs]: WireCalls['enqueue'], check: boolean) =>
        unpackSpecs(specs).map((group) => this.#enqueue.group(group, check)),
      reserve: ([request]: WireCalls['reserve']) => this.reserve(request),
      settle: ([settle]: WireCalls['settle']) => this.#settleAll(settle),
      extend: ([leases, leaseMs]: [readonly HeldLease[], number]): ExtendAnswer[] =>
        leases.map((lease) => this.#settle.extend(lease, leaseMs)),
      maintain: () => this.maintenance.maintain(),
      get: ([ids]: Args<'get'>) =>
        ids.map((id) => {
          const row = this.store.jobById(id)
          return row && this.#record(row)
        }),
      list: ([request]: Args<'list'>) => {
        const { rows, cursor } = this.#select.list(request)
        return { jobs: rows.map((row) => this.#record(row)), ...(cursor === undefined ? {} : { cursor }) }
      },
      cancel: ([selection]: Args<'cancel'>) =>
        this.#steer(selection, {
          states: [...waitingStates, 'active'],
          act: (row) => this.#cancel(row),
          already: FLAG.cancelling,
        }),
      retry: ([selection]: Args<'retry'>) =>
        this.#steer(selection, {
          states: ['failed', 'cancelled'],
          act: (row) => {
            if (!this.#moves.takeKey(row)) return false
            this.#moves.revive(row)
            return true
          },
        }),
      remove: ([selection]: Args<'remove'>) =>
        this.#steer(selection, {
          states: [...waitingStates, 'succeeded', 'failed', 'cancelled'],
          act: (row) => {
            this.#moves.erase(row)
            return true
          },
        }),
      promote: ([selection]: Args<'promote'>) =>
        this.#steer(selection, {
          states: ['scheduled'],
          act: (row) => {
            this.#moves.toScheduled(row, this.store.now)
            return true
          },
        }),
      publish: ([workflow]: Args<'publish'>) => this.#dependents.publish(workflow),
      queues: () => registry.queues(),
      pause: ([queue, paused]: Args<'pause'>) => registry.pause(queue, paused),
      limit: ([rules]: Args<'limit'>) => registry.limit(rules),
      limits: () => registry.limits(),
      beat: ([worker, ttlMs]: Args<'beat'>) => registry.beat(worker, ttlMs),
      leave: ([worker]: Args<'leave'>) => registry.leave(worker),
      workers: () => registry.workers(),
      putSchedule: ([schedule]: Args<'putSchedule'>) => registry.putSchedule(schedule),
      schedules: () => registry.schedules(),
      removeSchedule: ([id]: Args<'removeSchedule'>) => registry.removeSchedule(id),
      fire: ([tick, specs]: [Args<'fire'>[0], SpecColumns], check: boolean) => {
        if (!registry.tick(tick.schedule, tick.tick, tick.nextAt)) return false
        for (const group of unpackSpecs(specs)) this.#enqueue.group(group, check)
        return true
      },
      listen: ([ms]: WireCalls['listen']) => this.store.listen(ms),
      write: ([notes]: Args<'write'>) => notes.map((note) => this.#settle.write(note)),
      logs: ([id, afterSeq]: Args<'logs'>) => registry.logs(id, afterSeq ?? 0),
      steps: ([id]: Args<'steps'>) => registry.steps(id),
      counters: ([fromAt, toAt]: Args<'counters'>) => registry.counters(fromAt, toAt),
    } satisfies { [C in CoreCall]: unknown } as Handlers
  }

  #settleAll({ outcomes, started, next }: WireCalls['settle'][0]): SettledColumns {
    this.started(started ?? [])
    const lost: number[] = []
    const all = unpackOutcomes(outcomes)
    all.forEach((outcome, index) => {
      if (this.#settle.settle(outcome) === 'lost') lost.push(index)
    })
    return { count: all.length, lost, next: next && this.reserve(next) }
  }

  #steer(selection: JobSelection, steering: Steering): unknown {
    return this.#select.steer(selection, steering, () => this.#dependents.spread())
  }

  #cancel(row: JobRow): true {
    if (row.state === STATE.active) {
      setFlag(row, FLAG.cancelling, true)
      this.store.save(row)
      this.store.effects.queues.add(row.queue)
    } else this.#moves.end(row, 'cancelled', 'by-request')
    return true
  }

  #record(row: JobRow): unknown {
    const stored = has(row, FLAG.big) ? this.store.sql.readPayload.get<[Uint8Array]>(row.seq)?.[0] : row.input
    return toRecord(row, this.store.names, stored ?? new Uint8Array(0))
  }
}
