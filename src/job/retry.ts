// When a failed attempt is tried again: exponential back-off with full jitter, which spreads the retries of many jobs
// that failed together evenly (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
import type { RetryPolicy } from './record.ts'

/**
 * The delay before the next attempt in milliseconds: uniform in [0, min(max, base * 2^(failures - 1))].
 *
 * @param failures failed attempts so far, the last one included; at least 1
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failures: number,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(failures - 1, 40))
  return Math.round(ceiling * random())
}

/** True while the policy has an attempt left. A counted crash is an attempt like any other. */
export function mayRetry(policy: RetryPolicy, failures: number, crashes: number): boolean {
  return failures + crashes < policy.attempts
}
