// Who works here and what fires when: workers by their signs of life, and schedules.
import { isDeepStrictEqual } from 'node:util'
import type { Schedule, WorkerInfo } from '../../broker/contract.ts'
import { copySpec } from './job.ts'

export class Registry {
  readonly #workers = new Map<string, { readonly info: WorkerInfo; readonly until: number }>()
  readonly #schedules = new Map<string, Schedule>()

  beat(worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number, now: number): void {
    this.#workers.set(worker.id, { info: { ...structuredClone(worker), seenAt: now }, until: now + ttlMs })
  }

  leave(worker: string): void {
    this.#workers.delete(worker)
  }

  workers(now: number): WorkerInfo[] {
    for (const [id, { until }] of this.#workers) if (until <= now) this.#workers.delete(id)
    return [...this.#workers.values()].map(({ info }) => info)
  }

  put(schedule: Schedule): void {
    const before = this.#schedules.get(schedule.id)
    const kept = before !== undefined && isDeepStrictEqual(before.rule, schedule.rule)
    const lastAt = schedule.lastAt ?? before?.lastAt
    this.#schedules.set(schedule.id, {
      id: schedule.id,
      rule: structuredClone(schedule.rule),
      job: copySpec(schedule.job),
      nextAt: kept ? before.nextAt : schedule.nextAt,
      paused: schedule.paused,
      ...(lastAt === undefined ? {} : { lastAt }),
    })
  }

  schedules(): Schedule[] {
    return [...this.#schedules.values()].map((schedule) => ({ ...schedule }))
  }

  remove(id: string): boolean {
    return this.#schedules.delete(id)
  }

  /** Moves a schedule on from a tick; false where it is not at that tick or is paused. */
  tick(id: string, tick: number, nextAt: number): boolean {
    const schedule = this.#schedules.get(id)
    if (schedule === undefined || schedule.paused || schedule.nextAt !== tick) return false
    this.#schedules.set(id, { ...schedule, nextAt, lastAt: tick })
    return true
  }
}
