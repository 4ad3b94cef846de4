// The table at the end of a run.
import type { Outcome } from './jobs.ts'
import type { ProbeReport } from './probe.ts'
import { formatCount } from './progress.ts'

export interface Run {
  /** How many jobs there were. */
  total: number
  /** From the first request to enqueue until the last job had ended. */
  tookMs: number
  outcome: Outcome
  probe: ProbeReport
}

/** The table as text, without a line break at its end. */
export function formatSummary({ total, tookMs, outcome, probe }: Run): string {
  const { succeeded, failed, retried, extraAttempts } = outcome
  const reasons = [...outcome.reasons].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
  const failures = probe.failed === 0 ? '' : `, ${formatCount(probe.failed)} failed`
  return [
    'Summary',
    row('books parsed', `${formatCount(succeeded)} of ${formatCount(total)}`),
    row('retried', `${formatCount(retried)} (attempts beyond the first: ${formatCount(extraAttempts)})`),
    row('dead-lettered', formatCount(failed)),
    ...reasons.map(([reason, count]) => row('', `${formatCount(count).padStart(4)} × ${reason}`)),
    row(
      'time',
      `${(tookMs / 1000).toFixed(1)} s, ${formatCount(Math.round((total * 1000) / tookMs))} jobs a second`,
    ),
    row(
      'web service',
      `p99 ${probe.p99Ms.toFixed(1)} ms, p50 ${probe.p50Ms.toFixed(1)} ms over ${formatCount(probe.requests)} requests meanwhile${failures}`,
    ),
  ].join('\n')
}

function row(name: string, value: string): string {
  return `  ${name.padEnd(15)}${value}`
}
