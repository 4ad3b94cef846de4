// What several shards say of themselves, as one answer. Pure.

import { jobStates } from '../../job/states.ts'
import type { BrokerHealth, CounterRow, MaintainReport, QueueInfo, StateCounts } from '../contract.ts'
import { addLimits } from './limits.ts'

export function mergeQueues(answers: readonly (readonly QueueInfo[])[]): QueueInfo[] {
  const merged = new Map<string, QueueInfo>()
  for (const info of answers.flat()) {
    const before = merged.get(info.queue)
    merged.set(info.queue, before === undefined ? info : addQueues(before, info))
  }
  return [...merged.values()]
}

function addQueues(a: QueueInfo, b: QueueInfo): QueueInfo {
  const counts = Object.fromEntries(jobStates.map((state) => [state, a.counts[state] + b.counts[state]]))
  const limit = addLimits(a.limit ?? null, b.limit ?? null)
  const partitionLimit = a.partitionLimit ?? b.partitionLimit
  return {
    queue: a.queue,
    // A pause that reached some of the shards only is shown, so that somebody repeats or ends it.
    paused: a.paused || b.paused,
    counts: counts as StateCounts,
    ...(limit !== null && { limit }),
    ...(partitionLimit !== undefined && { partitionLimit }),
  }
}

const COUNTED = ['enqueued', 'succeeded', 'retried', 'failed', 'cancelled', 'crashed', 'ranMs'] as const

/** Oldest first. */
export function mergeCounters(answers: readonly (readonly CounterRow[])[]): CounterRow[] {
  const merged = new Map<string, { -readonly [K in keyof CounterRow]: CounterRow[K] }>()
  for (const row of answers.flat()) {
    const key = `${row.minuteAt}\n${row.queue}\n${row.task}`
    const before = merged.get(key)
    if (before === undefined) merged.set(key, { ...row })
    else for (const field of COUNTED) before[field] += row[field]
  }
  return [...merged.values()].sort((a, b) => a.minuteAt - b.minuteAt)
}

export function mergeReports(reports: readonly MaintainReport[]): MaintainReport {
  const sum = (part: 'promoted' | 'reclaimed' | 'expired' | 'pruned' | 'spread'): number =>
    reports.reduce((total, report) => total + report[part], 0)
  const due = reports.flatMap(({ nextDueInMs }) => nextDueInMs ?? [])
  return {
    promoted: sum('promoted'),
    reclaimed: sum('reclaimed'),
    expired: sum('expired'),
    pruned: sum('pruned'),
    spread: sum('spread'),
    more: reports.some(({ more }) => more),
    ...(due.length > 0 && { nextDueInMs: Math.min(...due) }),
  }
}

/** @param answers by shard; what it threw for a shard that did not answer. At least one has answered. */
export function mergeHealth(answers: readonly (BrokerHealth | { readonly error: unknown })[]): BrokerHealth {
  const answered = answers.flatMap((answer) => ('error' in answer ? [] : [answer]))
  const distinct = (field: 'location' | 'engine' | 'durability'): string =>
    [...new Set(answered.map((health) => health[field]))].join(', ')
  return {
    now: answered[0]?.now ?? 0,
    location: distinct('location'),
    engine: distinct('engine'),
    durability: distinct('durability'),
    warnings: mergeWarnings(answers),
    facts: { shards: answers.length, ...mergeFacts(answered) },
  }
}

/** What all shards warn of is said once. */
function mergeWarnings(answers: readonly (BrokerHealth | { readonly error: unknown })[]): string[] {
  const shardsOf = new Map<string, number[]>()
  for (const [shard, answer] of answers.entries()) {
    const warnings = 'error' in answer ? [`does not answer: ${messageOf(answer.error)}`] : answer.warnings
    for (const warning of warnings) shardsOf.set(warning, [...(shardsOf.get(warning) ?? []), shard])
  }
  return [...shardsOf].map(([warning, shards]) =>
    shards.length === answers.length
      ? warning
      : `shard${shards.length > 1 ? 's' : ''} ${shards.join(', ')}: ${warning}`,
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Facts that are the same everywhere stay as they are; of the others the least and the most is told. */
function mergeFacts(healths: readonly BrokerHealth[]): Record<string, string | number> {
  const facts: Record<string, string | number> = {}
  for (const name of new Set(healths.flatMap(({ facts: own }) => Object.keys(own)))) {
    const values = healths.flatMap(({ facts: own }) => own[name] ?? [])
    const numbers = values.filter((value) => typeof value === 'number')
    const [first] = values
    if (first === undefined) continue
    if (new Set(values).size === 1) facts[name] = first
    else if (numbers.length === values.length)
      facts[name] = `${Math.min(...numbers)} to ${Math.max(...numbers)} in a shard`
    else facts[name] = [...new Set(values)].join(', ')
  }
  return facts
}
