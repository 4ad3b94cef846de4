// Watching and steering from outside: thin, typed calls over the record half of the broker.
import type { Broker } from '../broker/contract.ts'
import type {
  JobQuery,
  JobSelection,
  LimitRule,
  LimitScope,
  ListRequest,
  QueueInfo,
  Schedule,
  SelectionAnswer,
  StateCounts,
  WorkerInfo,
} from '../broker/records.ts'
import { checkName } from '../job/ids.ts'
import { jobStates } from '../job/states.ts'
import type { LimitOptions } from '../task/options.ts'
import { resolveLimit } from '../task/resolve.ts'
import type { Connection } from './connection.ts'
import { checkIds, checkListRequest, checkSelection } from './query.ts'
import { type JobSnapshot, toSnapshot } from './snapshot.ts'

type Brokered = Pick<Connection, 'broker'>

export interface SnapshotPage {
  readonly jobs: readonly JobSnapshot[]
  /** Present while there may be more; a page may be empty and have one. */
  readonly cursor?: string | undefined
}

/** `app.jobs` */
export class JobInspector {
  readonly #connection: Brokered

  constructor(connection: Brokered) {
    this.#connection = connection
  }

  /**
   * A page of jobs that match all conditions, newest first unless asked otherwise.
   *
   * @throws OPTION_INVALID
   */
  async list(request: ListRequest = {}): Promise<SnapshotPage> {
    checkListRequest('jobs.list', request)
    const broker = await this.#connection.broker()
    const { jobs, cursor } = await broker.list(request)
    return { jobs: jobs.map((record) => toSnapshot(record)), ...(cursor !== undefined && { cursor }) }
  }

  /** Every job that matches, page by page. */
  async *all(
    query: JobQuery & Pick<ListRequest, 'order'> = {},
  ): AsyncGenerator<JobSnapshot, void, undefined> {
    let cursor: string | undefined
    do {
      const page = await this.list({ ...query, limit: 500, cursor })
      yield* page.jobs
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** Jobs by id, in order; undefined where none is kept. */
  async get(ids: readonly string[]): Promise<readonly (JobSnapshot | undefined)[]> {
    checkIds('ids', ids)
    const broker = await this.#connection.broker()
    return (await broker.get(ids)).map((record) => (record === undefined ? undefined : toSnapshot(record)))
  }

  /** How many jobs are in each state, over all queues or in one. Kept by the broker, not counted. */
  async counts(queue?: string): Promise<StateCounts> {
    const broker = await this.#connection.broker()
    const queues = (await broker.queues()).filter((info) => queue === undefined || info.queue === queue)
    const sum = (state: keyof StateCounts): number =>
      queues.reduce((total, { counts }) => total + counts[state], 0)
    return Object.fromEntries(jobStates.map((state) => [state, sum(state)])) as StateCounts
  }

  /** By ids, or by a query for at most 500 (or `limit`) a call; `more` says whether others match. */
  async cancel(selection: JobSelection): Promise<SelectionAnswer> {
    return (await this.#selecting('cancel', selection)).cancel(selection)
  }

  /** Runs failed and cancelled jobs again. */
  async retry(selection: JobSelection): Promise<SelectionAnswer> {
    return (await this.#selecting('retry', selection)).retry(selection)
  }

  /** Deletes records, whatever their retention. */
  async remove(selection: JobSelection): Promise<SelectionAnswer> {
    return (await this.#selecting('remove', selection)).remove(selection)
  }

  /** Makes scheduled jobs due now. */
  async promote(selection: JobSelection): Promise<SelectionAnswer> {
    return (await this.#selecting('promote', selection)).promote(selection)
  }

  /** @throws OPTION_INVALID for a selection that names nothing, or a condition that nobody knows: it would match all */
  async #selecting(call: string, selection: JobSelection): Promise<Broker> {
    checkSelection(`jobs.${call}`, selection)
    return this.#connection.broker()
  }
}

/** `app.queues` */
export class QueueInspector {
  readonly #connection: Brokered

  constructor(connection: Brokered) {
    this.#connection = connection
  }

  /** Every queue that has or had jobs, or is paused or limited. */
  async list(): Promise<readonly QueueInfo[]> {
    return (await this.#connection.broker()).queues()
  }

  /** Nothing is claimed from it any more; what is active goes on. */
  async pause(queue: string): Promise<void> {
    checkName('queue', queue)
    await (await this.#connection.broker()).pause(queue, true)
  }

  async resume(queue: string): Promise<void> {
    checkName('queue', queue)
    await (await this.#connection.broker()).pause(queue, false)
  }

  /**
   * Sets a limit by hand: for a queue (`'mail'`), a task, or each partition of a queue. It wins over what the code
   * declares until it is cleared with null.
   *
   * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
   */
  async limit(scope: string | LimitScope, limit: LimitOptions | null): Promise<void> {
    const named: LimitScope = typeof scope === 'string' ? { kind: 'queue', queue: scope } : scope
    if (named.kind === 'task') checkName('task', named.task)
    else checkName('queue', named.queue)
    const resolved = limit === null ? null : (resolveLimit('limit', limit) ?? null)
    await (await this.#connection.broker()).limit([{ scope: named, source: 'set', limit: resolved }])
  }

  /** The limits in store, those that code declared and those set by hand. */
  async limits(): Promise<readonly LimitRule[]> {
    return (await this.#connection.broker()).limits()
  }
}

/** `app.workers` */
export class WorkerInspector {
  readonly #connection: Brokered

  constructor(connection: Brokered) {
    this.#connection = connection
  }

  /** The workers that gave a sign of life lately, in all processes. */
  async list(): Promise<readonly WorkerInfo[]> {
    return (await this.#connection.broker()).workers()
  }
}

/** `app.schedules` */
export class ScheduleInspector {
  readonly #connection: Brokered

  constructor(connection: Brokered) {
    this.#connection = connection
  }

  async list(): Promise<readonly Schedule[]> {
    return (await this.#connection.broker()).schedules()
  }
}
