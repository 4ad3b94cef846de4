// The PostgreSQL broker. A namespace is a schema; each call of the contract is one function in it, so that it is one
// transaction and one trip. The functions stand in `sql/`, what they take and answer in `wire/`, the connections in
// `client/`. `docs/brokers/postgres.md` has the tables.
import type {
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
import type { MigratingBroker, StoreState } from '../../broker/migrating.ts'
import type { ReachableBroker, Way } from '../../broker/reaching.ts'
import type { Success, TransactingBroker } from '../../broker/transacting.ts'
import { OffstageError } from '../../errors/error.ts'
import type { JobRecord, JobSpec } from '../../job/record.ts'
import { createPostgresClient, type PostgresClient } from './client/client.ts'
import { healthOf } from './health.ts'
import { Messages } from './messages.ts'
import {
  checkState,
  migrate,
  migrationSql,
  pendingSteps,
  readState,
  SCHEMA_VERSION,
  type SchemaState,
} from './migrate.ts'
import { type PostgresOptions, readOptions, type Settings } from './options.ts'
import * as records from './records.ts'
import * as registry from './registry.ts'
import { wayTo } from './reopen.ts'
import { Signals } from './signals.ts'
import type { Space } from './space.ts'
import { Within } from './within.ts'

export type { PostgresOptions, ServerOptions, TlsOptions } from './options.ts'

/**
 * A broker on PostgreSQL 13 or newer.
 *
 * @param options a URL (`postgres://`) or options
 * @throws OPTION_INVALID
 */
export function postgres(options: string | PostgresOptions = {}): TransactingBroker & MigratingBroker {
  return postgresBroker(readOptions(options))
}

export function postgresBroker(settings: Settings): TransactingBroker & MigratingBroker & ReachableBroker {
  return new PostgresBroker(settings, createPostgresClient(settings))
}

class PostgresBroker implements TransactingBroker, MigratingBroker, ReachableBroker {
  readonly name = 'postgres'
  readonly namespace: string
  readonly capabilities: Capabilities
  readonly #client: PostgresClient
  readonly #settings: Settings
  readonly #space: Space
  readonly #signals: Signals
  readonly #messages: Messages
  readonly #within: Within
  #opening: Promise<void> | undefined
  #state: 'new' | 'open' | 'closed' = 'new'

  constructor(settings: Settings, client: PostgresClient) {
    const { schema, namespace, clock, pollMs, listening } = settings
    this.namespace = namespace
    this.capabilities = {
      durability: 'machine',
      shared: true,
      wakesOthers: listening.mode !== 'off',
      pollMs,
      outages: true,
      records: true,
      transactions: true,
    }
    this.#settings = settings
    this.#client = client
    this.#space = { client, schema, namespace }
    this.#signals = new Signals({ space: this.#space, clock, pollMs })
    this.#messages = new Messages(this.#space, this.#signals, clock)
    this.#within = new Within(this.#space, clock)
  }

  async open(): Promise<void> {
    if (this.#state === 'closed') throw closedError('was closed')
    this.#opening ??= this.#open()
    try {
      await this.#opening
    } finally {
      if (this.#state !== 'open') this.#opening = undefined
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await this.#signals.close()
    await this.#client.close()
  }

  async health(): Promise<BrokerHealth> {
    return healthOf(this.#opened())
  }

  reach(): Way | string {
    return wayTo(this.#settings)
  }

  // ── the store ──────────────────────────────────────────────────────────────────────────────────────────────────

  async storeState(): Promise<StoreState> {
    await this.#client.open()
    const state = await this.#client.session((session) => readState(session, this.#settings))
    checkState(state, this.#settings)
    return this.#told(state)
  }

  async migrateStore(): Promise<StoreState> {
    await this.#client.open()
    return this.#told(await this.#client.session((session) => migrate(session, this.#settings)))
  }

  migrationSql(from: number): string {
    return migrationSql(this.#settings, from)
  }

  async #told({ version, readableBy }: SchemaState): Promise<StoreState> {
    const { address } = await this.#client.facts()
    const location = `${address}, schema ${this.#settings.schema}`
    return { location, version, latest: SCHEMA_VERSION, readableBy, pending: pendingSteps(version) }
  }

  // ── the message half ───────────────────────────────────────────────────────────────────────────────────────────

  async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    this.#opened()
    return this.#messages.enqueue(groups)
  }

  async enqueueWithin(tx: unknown, groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    this.#opened()
    return this.#within.enqueue(tx, groups)
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    this.#opened()
    return this.#messages.reserve(request)
  }

  async settle(request: SettleRequest): Promise<Settled> {
    this.#opened()
    return this.#messages.settle(request)
  }

  async settleWithin(tx: unknown, outcome: Success): Promise<'ok' | 'lost'> {
    this.#opened()
    return this.#within.settle(tx, outcome)
  }

  async extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    this.#opened()
    return this.#messages.extend(leases, leaseMs)
  }

  async wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.#state === 'open') await this.#signals.wait(queues, signal)
  }

  async maintain(): Promise<MaintainReport> {
    this.#opened()
    return this.#messages.maintain()
  }

  // ── the record half ────────────────────────────────────────────────────────────────────────────────────────────

  async get(ids: readonly string[]): Promise<readonly (JobRecord | undefined)[]> {
    return records.get(this.#opened(), ids)
  }

  async list(request: ListRequest): Promise<JobPage> {
    return records.list(this.#opened(), request)
  }

  async cancel(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'cancel', selection)
  }

  async retry(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'retry', selection)
  }

  async remove(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'remove', selection)
  }

  async promote(selection: JobSelection): Promise<SelectionAnswer> {
    return records.steer(this.#opened(), 'promote', selection)
  }

  async publish(workflow: string): Promise<boolean> {
    return registry.publish(this.#opened(), workflow)
  }

  async queues(): Promise<readonly QueueInfo[]> {
    return registry.queues(this.#opened())
  }

  async pause(queue: string, paused: boolean): Promise<void> {
    return registry.pause(this.#opened(), queue, paused)
  }

  async limit(rules: readonly LimitRule[]): Promise<void> {
    return registry.limit(this.#opened(), rules)
  }

  async limits(): Promise<readonly LimitRule[]> {
    return registry.limits(this.#opened())
  }

  async beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
    return registry.beat(this.#opened(), worker, ttlMs)
  }

  async leave(worker: string): Promise<void> {
    return registry.leave(this.#opened(), worker)
  }

  async workers(): Promise<readonly WorkerInfo[]> {
    return registry.workers(this.#opened())
  }

  async putSchedule(schedule: Schedule): Promise<void> {
    return registry.putSchedule(this.#opened(), schedule)
  }

  async schedules(): Promise<readonly Schedule[]> {
    return registry.schedules(this.#opened())
  }

  async removeSchedule(id: string): Promise<boolean> {
    return registry.removeSchedule(this.#opened(), id)
  }

  async fire(tick: {
    schedule: string
    tick: number
    nextAt: number
    job?: JobSpec | undefined
  }): Promise<boolean> {
    return registry.fire(this.#opened(), tick)
  }

  async write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> {
    return registry.write(this.#opened(), notes)
  }

  async logs(id: string, afterSeq?: number): Promise<readonly LogLine[]> {
    return registry.logs(this.#opened(), id, afterSeq)
  }

  async steps(id: string): Promise<readonly Step[]> {
    return registry.steps(this.#opened(), id)
  }

  async events(listener: (events: readonly JobEvent[]) => void, signal: AbortSignal): Promise<void> {
    if (this.#state === 'open') await this.#signals.listen(listener, signal)
  }

  async counters(fromAt: number, toAt: number): Promise<readonly CounterRow[]> {
    return registry.counters(this.#opened(), fromAt, toAt)
  }

  async #open(): Promise<void> {
    await this.#client.open()
    await this.#client.session(async (session) => {
      const state = await readState(session, this.#settings)
      checkState(state, this.#settings)
      if (state.version < SCHEMA_VERSION) {
        if (!this.#settings.migrate) throw oldSchema(this.#settings.schema, state.version)
        await migrate(session, this.#settings)
      }
    })
    if (this.#state === 'new') this.#state = 'open'
  }

  #opened(): Space {
    if (this.#state === 'open') return this.#space
    throw closedError(this.#state === 'new' ? 'is not open yet' : 'was closed')
  }
}

function closedError(what: string): OffstageError {
  return new OffstageError('BROKER_CLOSED', `the PostgreSQL broker ${what}`)
}

function oldSchema(schema: string, version: number): OffstageError {
  return new OffstageError(
    'STORE_TOO_OLD',
    `the schema '${schema}' is at version ${version}, and this version of the library needs ${SCHEMA_VERSION}: run 'offstage migrate'`,
  )
}
