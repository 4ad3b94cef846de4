// Storing a group of jobs: first all that could refuse it is checked, then every job is put in, so that a group is
// stored whole or not at all.
import type { EnqueuedJob, GroupAnswer } from '../../broker/contract.ts'
import type { Dependency, JobSpec, UniqueKey } from '../../job/record.ts'
import { isEnded, type JobState } from '../../job/states.ts'
import { spread } from './dependents.ts'
import { newJob, type StoredJob } from './job.ts'
import type { Space } from './space.ts'

type Refusal = Extract<GroupAnswer, { ok: false }>

/** @param nextSeq gives the next sequence number */
export function enqueueGroup(space: Space, group: readonly JobSpec[], nextSeq: () => number): GroupAnswer {
  const refusal = check(space, group)
  if (refusal !== undefined) return refusal
  return { ok: true, jobs: group.map((spec) => enqueueOne(space, spec, nextSeq)) }
}

function check(space: Space, group: readonly JobSpec[]): Refusal | undefined {
  const planned = new Map<string, JobSpec>()
  const plannedKeys = new Map<string, string>()
  for (const spec of group) {
    const there = planned.get(spec.id) ?? space.store.get(spec.id)?.spec
    if (there !== undefined) {
      if (there.task !== spec.task) return idTaken(spec, there.task)
      continue
    }
    if (spec.unique !== undefined) {
      const { key, onConflict } = spec.unique
      const before = plannedKeys.get(key)
      if (before !== undefined ? onConflict === 'keep' : keeper(space, spec.unique) !== undefined) continue
      plannedKeys.set(key, spec.id)
    }
    for (const { id } of spec.after ?? []) {
      if (!planned.has(id) && space.store.get(id) === undefined) return dependencyMissing(spec, id)
    }
    planned.set(spec.id, spec)
  }
  return undefined
}

function enqueueOne(space: Space, spec: JobSpec, nextSeq: () => number): EnqueuedJob {
  const { id, unique } = spec
  if (space.store.get(id) !== undefined) return { status: 'duplicate', id, by: 'id' }
  if (unique !== undefined) {
    const kept = keeper(space, unique)
    if (kept !== undefined) return { status: 'duplicate', id: kept.spec.id, by: 'unique' }
    const replaced = space.store.holder(unique.key)
    if (replaced !== undefined) space.end(replaced, 'cancelled', 'replaced')
  }
  put(space, spec, nextSeq())
  spread(space)
  return { status: 'enqueued', id }
}

function put(space: Space, spec: JobSpec, seq: number): void {
  const now = space.now()
  const after = (spec.after ?? []).map((dependency) => ({
    when: dependency.when,
    job: space.store.get(dependency.id),
  }))
  const open = after.filter(({ job }) => job !== undefined && !isEnded(job.state))
  const hopeless = after.some(({ job, when }) => endedBadly(job, when))
  const dependenciesLeft = open.length + (spec.staged === true ? 1 : 0)
  const due = spec.runAt ?? now + (spec.delayMs ?? 0)
  const state: JobState = hopeless
    ? 'cancelled'
    : dependenciesLeft > 0
      ? 'blocked'
      : due > now
        ? 'scheduled'
        : 'ready'
  const job = newJob(spec, { seq, now, state })
  if (hopeless) job.reason = 'dependency'
  else {
    job.dependenciesLeft = dependenciesLeft
    for (const { job: other, when } of open) other?.dependents.push({ job, when })
    if (spec.staged === true && spec.workflow !== undefined) stage(space, spec.workflow, job, now)
  }
  space.insert(job)
}

function stage(space: Space, name: string, job: StoredJob, now: number): void {
  const workflow = space.staged.get(name) ?? { jobs: new Map(), lastAt: now }
  workflow.jobs.set(job, { job, when: 'ended' })
  workflow.lastAt = now
  // In the order of the last job that came, which is the order in which they are given up.
  space.staged.delete(name)
  space.staged.set(name, workflow)
}

/** A dependency that was there when the group was checked and has gone with what the group replaced, was cancelled. */
function endedBadly(job: StoredJob | undefined, when: Dependency['when']): boolean {
  if (when === 'ended') return false
  return job === undefined || job.state === 'failed' || job.state === 'cancelled'
}

/** The holder of a unique key that the new job is a duplicate of. */
function keeper(space: Space, { key, onConflict }: UniqueKey): StoredJob | undefined {
  const holder = space.store.holder(key)
  return onConflict === 'replace' && holder?.state !== 'active' ? undefined : holder
}

function idTaken({ id, task }: JobSpec, other: string): Refusal {
  const message = `the id '${id}' belongs to a job of task '${other}', so a job of '${task}' cannot have it`
  return { ok: false, code: 'ID_TAKEN', id, message }
}

function dependencyMissing({ id }: JobSpec, missing: string): Refusal {
  const message = `job '${id}' is to run after '${missing}', and no such job is kept`
  return { ok: false, code: 'DEPENDENCY_MISSING', id, message }
}
