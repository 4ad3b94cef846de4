// The jobs of a namespace and the indexes over them: by id, by state, queue, task, workflow and search field in the
// order of enqueueing, by lease, by expiry, by the end of their retention; what holds a unique key; the tombstones.

import { TOMBSTONE_MS } from '../../job/record.ts'
import type { JobState } from '../../job/states.ts'
import { Heap } from './heap.ts'
import type { SettledOutcome, StoredJob } from './job.ts'
import { Sequence } from './sequence.ts'

/** What is left of a job when its record is gone, so that an outcome that is sent again gets its answer. */
type Tombstone = SettledOutcome & { readonly until: number }

export class Store {
  readonly #jobs = new Map<string, StoredJob>()
  readonly #indexes = new Map<string, Sequence<StoredJob>>()
  readonly #keys = new Map<string, StoredJob>()
  readonly #tombstones = new Map<string, Tombstone>()
  /** Active jobs by the end of their lease. */
  readonly leases: Heap<StoredJob> = new Heap((a, b) => (a.lease?.until ?? 0) < (b.lease?.until ?? 0))
  /** Waiting jobs that have not begun, by expiry. */
  readonly expiries: Heap<StoredJob> = new Heap((a, b) => (a.expiresAt ?? 0) < (b.expiresAt ?? 0))
  /** Ended jobs that nobody needs, by the end of their retention. */
  readonly prunes: Heap<StoredJob> = new Heap((a, b) => a.pruneAt < b.pruneAt)

  get size(): number {
    return this.#jobs.size
  }

  get tombstones(): number {
    return this.#tombstones.size
  }

  get(id: string): StoredJob | undefined {
    return this.#jobs.get(id)
  }

  /** False for a job whose record is gone, also where another has its id. */
  has(job: StoredJob): boolean {
    return this.#jobs.get(job.spec.id) === job
  }

  add(job: StoredJob): void {
    this.#jobs.set(job.spec.id, job)
    for (const key of [...lastingKeys(job), ...stateKeys(job)]) this.#index(key).add(job)
  }

  setState(job: StoredJob, state: JobState): void {
    for (const key of stateKeys(job)) this.#unindex(key, job)
    job.state = state
    for (const key of stateKeys(job)) this.#index(key).add(job)
  }

  /** Takes an ended job out; a tombstone stays where an outcome was recorded for it. */
  delete(job: StoredJob, now: number): void {
    const { id } = job.spec
    this.#jobs.delete(id)
    for (const key of [...lastingKeys(job), ...stateKeys(job)]) this.#unindex(key, job)
    this.prunes.delete(job)
    if (job.settled === undefined) return
    this.#tombstones.delete(id)
    this.#tombstones.set(id, { ...job.settled, until: now + TOMBSTONE_MS })
  }

  tombstone(id: string, now: number): Tombstone | undefined {
    const tombstone = this.#tombstones.get(id)
    return tombstone !== undefined && tombstone.until > now ? tombstone : undefined
  }

  /** Forgets up to `max` tombstones whose time is over. They stand in the order of their time. */
  dropTombstones(now: number, max: number): void {
    let left = max
    for (const [id, { until }] of this.#tombstones) {
      if (until > now || left === 0) return
      this.#tombstones.delete(id)
      left -= 1
    }
  }

  holder(key: string): StoredJob | undefined {
    return this.#keys.get(key)
  }

  /** Gives the job its unique key; false where another holds it. */
  takeKey(job: StoredJob): boolean {
    const key = job.spec.unique?.key
    if (key === undefined) return true
    if (this.#keys.has(key)) return this.#keys.get(key) === job
    this.#keys.set(key, job)
    job.holdsKey = true
    return true
  }

  freeKey(job: StoredJob): void {
    if (job.holdsKey && job.spec.unique !== undefined) this.#keys.delete(job.spec.unique.key)
    job.holdsKey = false
  }

  /** An index by its key; undefined where it is empty. */
  index(key: string): Sequence<StoredJob> | undefined {
    return this.#indexes.get(key)
  }

  #index(key: string): Sequence<StoredJob> {
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = new Sequence()
      this.#indexes.set(key, index)
    }
    return index
  }

  #unindex(key: string, job: StoredJob): void {
    const index = this.#indexes.get(key)
    index?.delete(job)
    if (index?.size === 0) this.#indexes.delete(key)
  }
}

export const indexKey = {
  state: (state: JobState): string => `state\n${state}`,
  queue: (state: JobState, queue: string): string => `queue\n${state}\n${queue}`,
  task: (state: JobState, task: string): string => `task\n${state}\n${task}`,
  workflow: (workflow: string): string => `workflow\n${workflow}`,
  search: (field: string, value: string): string => `search\n${field}\n${value}`,
}

function stateKeys({ state, spec }: StoredJob): string[] {
  return [indexKey.state(state), indexKey.queue(state, spec.queue), indexKey.task(state, spec.task)]
}

function lastingKeys({ spec }: StoredJob): string[] {
  const keys = Object.entries(spec.search ?? {}).map(([field, value]) => indexKey.search(field, value))
  if (spec.workflow !== undefined) keys.push(indexKey.workflow(spec.workflow))
  return keys
}
