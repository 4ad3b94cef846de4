// Rates: at most `count` starts in any window of `perMs`, held by a sliding window of small buckets. The sum runs over
// one bucket more than the window has, so the bound is never exceeded; what that costs is at most one bucket's share
// (1/20) of the rate. The state has at most 22 entries, whatever the rate.
import { OffstageError } from '../errors/error.ts'
import { durationMs } from '../runtime/durations.ts'

export interface Rate {
  readonly count: number
  readonly perMs: number
}

/** Start times by bucket, oldest first: `[bucket number, starts][]`. Plain data, stored as JSON. */
export type RateState = readonly (readonly [bucket: number, starts: number])[]

const BUCKETS = 20

/**
 * Takes up to `want` starts at broker time `now`.
 *
 * Answers how many were granted, the new state, and, where fewer than wanted were, when to ask again.
 */
export function takeRate(
  rate: Rate,
  state: RateState,
  now: number,
  want: number,
): { granted: number; state: RateState; retryAt?: number } {
  const width = bucketMs(rate)
  const current = Math.floor(now / width)
  const kept = state.filter(([bucket]) => bucket >= current - buckets(rate))
  const used = kept.reduce((sum, [, starts]) => sum + starts, 0)
  const granted = Math.max(0, Math.min(want, rate.count - used))
  const next = granted === 0 ? kept : add(kept, current, granted)
  if (granted === want) return { granted, state: next }
  const oldest = next[0]?.[0] ?? current
  return { granted, state: next, retryAt: (oldest + buckets(rate) + 1) * width }
}

/** How many starts the rate has room for at `now`, without taking them. */
export function rateRoom(rate: Rate, state: RateState, now: number): number {
  const current = Math.floor(now / bucketMs(rate))
  let used = 0
  for (const [bucket, starts] of state) if (bucket >= current - buckets(rate)) used += starts
  return Math.max(0, rate.count - used)
}

function bucketMs(rate: Rate): number {
  return Math.max(1, Math.ceil(rate.perMs / BUCKETS))
}

function buckets(rate: Rate): number {
  return Math.ceil(rate.perMs / bucketMs(rate))
}

function add(state: RateState, bucket: number, starts: number): RateState {
  const last = state.at(-1)
  if (last === undefined || last[0] < bucket) return [...state, [bucket, starts]]
  return [...state.slice(0, -1), [last[0], last[1] + starts]]
}

const PATTERN = /^(\d+)\s*\/\s*(\d*\s*(?:ms|s|m|h|d))$/

/**
 * `'100/m'`, `'5/10s'`, `'1/500ms'` as a rate.
 *
 * @throws OPTION_INVALID; DURATION_INVALID for a time of more than 100 years
 */
export function parseRate(text: string, path: string): Rate {
  const match = typeof text === 'string' ? PATTERN.exec(text.trim()) : null
  const per = match?.[2] ?? ''
  const count = Number(match?.[1])
  const perMs = match === null ? 0 : durationMs(/^\d/.test(per) ? per : `1${per}`, path)
  if (count >= 1 && Number.isSafeInteger(count) && perMs >= 1) return { count, perMs }
  throw new OffstageError(
    'OPTION_INVALID',
    `${path} is '${String(text).slice(0, 40)}'; a rate is a count a time, such as '100/m', '5/10s' or '1/500ms'`,
    { details: { path } },
  )
}

export function formatRate({ count, perMs }: Rate): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ]
  const [unit, size] = units.find(([, ms]) => perMs % ms === 0) ?? ['ms', 1]
  return `${count}/${perMs === size ? '' : perMs / size}${unit}`
}
