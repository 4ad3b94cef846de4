// Limits over several shards. Those of queues and tasks are divided among the shards, so that together they never
// exceed the whole. A partition lives in one shard, so its limit goes to each of them as it is.

import { OffstageError } from '../../errors/error.ts'
import type { Rate } from '../../job/rates.ts'
import type { Limit, LimitRule } from '../contract.ts'

/**
 * A rule as each shard gets it.
 *
 * @throws SHARD_LIMIT for fewer jobs at once than there are shards: one a shard would be more than was asked for, and
 * a shard without any would never run its jobs
 */
export function divideRule(rule: LimitRule, shards: number): LimitRule[] {
  const { limit, scope } = rule
  return Array.from({ length: shards }, (_, shard) =>
    limit === null || scope.kind === 'partition'
      ? rule
      : { ...rule, limit: divide(limit, shard, shards, nameOf(rule)) },
  )
}

function nameOf({ scope }: LimitRule): string {
  return scope.kind === 'task' ? `task '${scope.task}'` : `queue '${scope.queue}'`
}

function divide({ concurrency, rate }: Limit, shard: number, shards: number, of: string): Limit {
  if (concurrency !== undefined && concurrency < shards) {
    throw new OffstageError(
      'SHARD_LIMIT',
      `the concurrency of ${of} is limited to ${concurrency}, which cannot be divided among ${shards} shards; limit its partitions, allow at least ${shards}, or use fewer shards`,
      { details: { concurrency, shards } },
    )
  }
  return {
    ...(concurrency !== undefined && { concurrency: share(concurrency, shard, shards) }),
    ...(rate !== undefined && { rate: divideRate(rate, shard, shards) }),
  }
}

function share(whole: number, shard: number, shards: number): number {
  return Math.floor(whole / shards) + (shard < whole % shards ? 1 : 0)
}

/** A rate of fewer starts than shards is kept over a longer time: 1 in a second is, in each of 8 shards, 1 in 8 seconds. */
function divideRate({ count, perMs }: Rate, shard: number, shards: number): Rate {
  if (count >= shards) return { count: share(count, shard, shards), perMs }
  return { count: 1, perMs: Math.ceil((perMs * shards) / count) }
}

/** The rules as they hold together, from what each shard keeps. */
export function mergeRules(rules: readonly (readonly LimitRule[])[]): LimitRule[] {
  const merged = new Map<string, LimitRule>()
  for (const rule of rules.flat()) {
    const key = JSON.stringify([rule.source, rule.scope.kind, Object.values(rule.scope)])
    const before = merged.get(key)
    if (before === undefined) merged.set(key, rule)
    else if (rule.scope.kind !== 'partition')
      merged.set(key, { ...before, limit: addLimits(before.limit, rule.limit) })
  }
  return [...merged.values()]
}

export function addLimits(a: Limit | null, b: Limit | null): Limit | null {
  if (a === null || b === null) return a ?? b
  const concurrency = add(a.concurrency, b.concurrency)
  const rate = a.rate && b.rate ? { ...a.rate, count: a.rate.count + b.rate.count } : (a.rate ?? b.rate)
  return { ...(concurrency !== undefined && { concurrency }), ...(rate !== undefined && { rate }) }
}

function add(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : a + (b ?? 0)
}
