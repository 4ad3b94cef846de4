// The suite: all laws, the reason why a case is skipped, and a runner for those who use no test framework.
import { LawContext } from './context.ts'
import { contract } from './contract.ts'
import { type BrokerHarness, lacking } from './harness.ts'
import type { Law, LawCase } from './law.ts'
import { kept } from './law-01-kept.ts'
import { oneHolder } from './law-02-one-holder.ts'
import { atLeastOnce } from './law-03-at-least-once.ts'
import { boundedCrashes } from './law-04-bounded-crashes.ts'
import { final } from './law-05-final.ts'
import { inOrder } from './law-06-in-order.ts'
import { inTime } from './law-07-in-time.ts'
import { oneStep } from './law-08-one-step.ts'
import { repeatable } from './law-09-repeatable.ts'
import { limitsHold } from './law-10-limits-hold.ts'
import { uniqueKeys } from './law-11-unique.ts'
import { contained } from './law-12-contained.ts'
import { bounded } from './law-13-bounded.ts'
import { within } from './time.ts'
import { transactions } from './transactions.ts'

/** The thirteen laws in order, and after them, as number 0, what the contract promises beyond them. */
export const laws: readonly Law[] = [
  kept,
  oneHolder,
  atLeastOnce,
  boundedCrashes,
  final,
  inOrder,
  inTime,
  oneStep,
  repeatable,
  limitsHold,
  uniqueKeys,
  contained,
  bounded,
  contract,
  transactions,
]

/** Why the case does not run on this harness; undefined where it does. Show it: a skip is never silent. */
export function skipReason(lawCase: LawCase, harness: BrokerHarness): string | undefined {
  return lacking(lawCase.needs ?? [], harness)
}

/** For a case that a broken broker never lets come to its end. */
const CASE_LIMIT_MS = 25_000

/** Runs one case on a fresh namespace. Rejects where the broker breaks the law, and after 25 seconds. */
export async function runCase(
  lawCase: LawCase,
  harness: BrokerHarness,
  report: (line: string) => void = () => undefined,
): Promise<void> {
  const context = await LawContext.open(harness, report)
  try {
    await within(CASE_LIMIT_MS, lawCase.run(context))
  } catch (error) {
    // What the case found matters more than a trouble in cleaning up after it.
    await context.close().catch(() => undefined)
    throw error
  }
  await context.close()
}

export interface CaseResult {
  readonly law: number
  readonly name: string
  readonly status: 'passed' | 'failed' | 'skipped'
  /** What broke, for `failed`. */
  readonly error?: unknown
  /** Why, for `skipped`. */
  readonly reason?: string | undefined
}

export interface RunOptions {
  /** Called with each result, and with each fact that a case reports. */
  readonly report?: ((line: string) => void) | undefined
  /** Default all of them. */
  readonly laws?: readonly Law[] | undefined
}

/** Runs the laws one case after the other. Never rejects for a broken law: look at the results. */
export async function runLaws(harness: BrokerHarness, options: RunOptions = {}): Promise<CaseResult[]> {
  const report = options.report ?? ((): void => undefined)
  const results: CaseResult[] = []
  for (const law of options.laws ?? laws) {
    for (const lawCase of law.cases) {
      const result = await judge(law, lawCase, harness, report)
      results.push(result)
      report(line(result))
    }
  }
  await harness.dispose?.()
  return results
}

async function judge(
  law: Law,
  lawCase: LawCase,
  harness: BrokerHarness,
  report: (line: string) => void,
): Promise<CaseResult> {
  const named = { law: law.number, name: `law ${law.number}, ${law.name}: ${lawCase.name}` }
  const reason = skipReason(lawCase, harness)
  if (reason !== undefined) return { ...named, status: 'skipped', reason }
  try {
    await runCase(lawCase, harness, report)
    return { ...named, status: 'passed' }
  } catch (error) {
    return { ...named, status: 'failed', error }
  }
}

function line({ name, status, reason, error }: CaseResult): string {
  const why = status === 'skipped' ? `: ${reason}` : status === 'failed' ? `: ${String(error)}` : ''
  return `${status}: ${name}${why}`
}
