// Storing groups over several shards. A group inside one shard is stored whole or not at all, as ever. One that spans
// shards is looked at first and then stored in one part a shard: each part whole or not at all, and repeatable by ids.

import type { JobSpec } from '../../job/record.ts'
import type { EnqueuedJob, GroupAnswer } from '../contract.ts'
import { allThere, shareOut } from './claims.ts'
import type { Placement } from './place.ts'
import type { Shard } from './shard.ts'

type Group = readonly JobSpec[]
type Refusal = Extract<GroupAnswer, { ok: false }>

/** The jobs of a group that go to one shard, with their places in the group. */
interface Part {
  readonly shard: number
  readonly specs: JobSpec[]
  readonly places: number[]
}

interface Plan {
  readonly group: Group
  readonly parts: readonly Part[]
  refusal: Refusal | undefined
}

export async function enqueue(
  placement: Placement,
  shards: readonly Shard[],
  groups: readonly Group[],
): Promise<readonly GroupAnswer[]> {
  const plans = groups.map((group): Plan => {
    const refusal = misplaced(placement, group)
    return { group, refusal, parts: refusal === undefined ? split(placement, group) : [] }
  })
  await lookFirst(placement, shards, plans)
  const answers = await send(shards, plans)
  return plans.map((plan, i) => plan.refusal ?? merge(plan, answers[i] ?? []))
}

/** The refusal of a group in which something would be torn from what it belongs to. Nothing of it is sent. */
function misplaced(placement: Placement, group: Group): Refusal | undefined {
  for (const spec of group) {
    const { id } = spec
    const message = placement.refusal(spec) ?? tornDependency(placement, spec)
    if (message !== undefined) return { ok: false, code: 'SHARD_MISMATCH', id, message }
  }
  return undefined
}

function tornDependency({ shardOf }: Placement, { id, after }: JobSpec): string | undefined {
  if (after === undefined) return undefined
  const shard = shardOf(id)
  const torn = after.find((dependency) => shardOf(dependency.id) !== shard)
  if (torn === undefined) return undefined
  return `job '${id}' is to run after '${torn.id}', which lives in another shard; jobs that run after one another share a workflow, or the same text in braces in their ids`
}

function split({ shardOf }: Placement, group: Group): Part[] {
  const parts = new Map<number, Part>()
  for (const [place, spec] of group.entries()) {
    const shard = shardOf(spec.id)
    let part = parts.get(shard)
    if (part === undefined) {
      part = { shard, specs: [], places: [] }
      parts.set(shard, part)
    }
    part.specs.push(spec)
    part.places.push(place)
  }
  return [...parts.values()]
}

/**
 * What could refuse one part of a group is looked for before another part is stored: ids of other tasks, and
 * dependencies that are not there. Ids that only a generator makes are not looked for.
 */
async function lookFirst(
  placement: Placement,
  shards: readonly Shard[],
  plans: readonly Plan[],
): Promise<void> {
  const coming = new Map<string, string>()
  const doubtful: { readonly plan: Plan; readonly id: string; readonly job: JobSpec }[] = []
  for (const plan of plans) {
    const spans = plan.parts.length > 1
    for (const spec of plan.parts.length === 0 ? [] : plan.group) {
      const task = coming.get(spec.id)
      if (task !== undefined && task !== spec.task && spans) plan.refusal ??= idTaken(spec, task)
      if (spans) {
        const missing = (spec.after ?? []).filter(({ id }) => !coming.has(id))
        doubtful.push(...missing.map(({ id }) => ({ plan, id, job: spec })))
        if (task === undefined && !placement.generated(spec.id))
          doubtful.push({ plan, id: spec.id, job: spec })
      }
      if (task === undefined) coming.set(spec.id, spec.task)
    }
  }
  if (doubtful.length === 0) return
  const ids = doubtful.map(({ id }) => id)
  const { there, away } = await tasksOf(placement, shards, ids)
  for (const { plan, id, job } of doubtful) {
    const task = there.get(id)
    // Nothing of the group is stored where it cannot be looked at.
    if (away.has(placement.shardOf(id))) plan.refusal ??= unanswered(job)
    else if (id !== job.id) {
      if (task === undefined) plan.refusal ??= dependencyMissing(job, id)
    } else if (task !== undefined && task !== job.task) plan.refusal ??= idTaken(job, task)
  }
}

async function tasksOf(
  { shardOf }: Placement,
  shards: readonly Shard[],
  ids: readonly string[],
): Promise<{ readonly there: ReadonlyMap<string, string>; readonly away: ReadonlySet<number> }> {
  const there = new Map<string, string>()
  const away = new Set<number>()
  const shares = shareOut(shards, shardOf, [...new Set(ids)], (id) => id)
  const looks = shares.map(async ({ shard, items }) => {
    away.add(shard.index)
    for (const record of await shard.callAwake(shards, (broker) => broker.get(items))) {
      if (record !== undefined) there.set(record.id, record.task)
    }
    away.delete(shard.index)
  })
  await allThere(shards, looks, true)
  return { there, away }
}

/** One trip a shard, at the same time. Answers, for each plan, what became of each of its parts. */
async function send(
  shards: readonly Shard[],
  plans: readonly Plan[],
): Promise<readonly (readonly GroupAnswer[])[]> {
  const trips = new Map<number, { readonly part: Part; readonly plan: number; readonly at: number }[]>()
  for (const [plan, { parts, refusal }] of plans.entries()) {
    for (const [at, part] of refusal === undefined ? parts.entries() : []) {
      const trip = trips.get(part.shard)
      if (trip === undefined) trips.set(part.shard, [{ part, plan, at }])
      else trip.push({ part, plan, at })
    }
  }
  // What is not answered is away.
  const answers = plans.map(({ parts }) => parts.map(({ specs }): GroupAnswer => unanswered(specs[0])))
  const sent = [...trips].map(async ([index, trip]) => {
    const groups = trip.map(({ part }) => part.specs)
    const shard = shards[index] as Shard
    const answered = await shard
      .callAwake(shards, (broker) => broker.enqueue(groups))
      .catch((error: unknown) => {
        for (const { part, plan, at } of trip)
          (answers[plan] as GroupAnswer[])[at] = unanswered(part.specs[0], error)
        throw error
      })
    for (const [i, { plan, at }] of trip.entries()) {
      ;(answers[plan] as GroupAnswer[])[at] = answered[i] as GroupAnswer
    }
  })
  await allThere(shards, sent, true)
  return answers
}

function unanswered(spec: JobSpec | undefined, why?: unknown): Refusal {
  const said = why instanceof Error ? `: ${why.message}` : ''
  const message = `the shard of the job did not answer${said}`
  return { ok: false, code: 'BROKER_UNAVAILABLE', id: spec?.id ?? '', message }
}

function merge({ group, parts }: Plan, answers: readonly GroupAnswer[]): GroupAnswer {
  const missing = answers.find((answer) => !answer.ok && answer.code === 'BROKER_UNAVAILABLE')
  if (missing !== undefined) return missing
  const refused = answers.find((answer) => !answer.ok)
  if (refused !== undefined && !refused.ok) {
    if (!answers.some(({ ok }) => ok)) return refused
    return { ...refused, message: `${refused.message}; jobs of the group in other shards were stored` }
  }
  const jobs: EnqueuedJob[] = Array.from({ length: group.length })
  for (const [i, { places }] of parts.entries()) {
    const answer = answers[i]
    if (answer?.ok === true)
      for (const [n, place] of places.entries()) jobs[place] = answer.jobs[n] as EnqueuedJob
  }
  return { ok: true, jobs }
}

function idTaken({ id, task }: JobSpec, other: string): Refusal {
  const message = `the id '${id}' belongs to a job of task '${other}', so a job of '${task}' cannot have it`
  return { ok: false, code: 'ID_TAKEN', id, message }
}

function dependencyMissing({ id }: JobSpec, missing: string): Refusal {
  const message = `job '${id}' is to run after '${missing}', and no such job is kept`
  return { ok: false, code: 'DEPENDENCY_MISSING', id, message }
}
