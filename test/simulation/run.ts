// Runs one world after another, each for a seed of its own, and keeps what is worth telling.
import { inspect } from 'node:util'
import { type Verdict, World, type WorldOptions } from './world.ts'

export interface Failure {
  readonly seed: number
  readonly violation: string
  /** What happened last, in lines. */
  readonly lines: readonly string[]
}

export interface Summary {
  readonly seeds: number
  /** Of real time. */
  readonly ms: number
  readonly virtualMs: number
  /** How often each thing was done to a world. */
  readonly dealt: { readonly [what: string]: number }
  readonly failures: readonly Failure[]
}

export interface RunOptions extends WorldOptions {
  readonly from: number
  readonly count: number
  /** Ends after so many seeds that failed. Default 1. */
  readonly failures?: number | undefined
  /** How much of a failed history is kept. Default 60 lines. */
  readonly lines?: number | undefined
}

export async function simulate(options: RunOptions): Promise<Summary> {
  const { from, count, failures: most = 1, lines = 60 } = options
  const dealt = new Map<string, number>()
  const failures: Failure[] = []
  const startedAt = performance.now()
  let seeds = 0
  let virtualMs = 0
  for (let seed = from; seed < from + count && failures.length < most; seed += 1) {
    const { violation, history, ...verdict } = await runSeed(seed, options)
    seeds += 1
    virtualMs += verdict.virtualMs
    for (const [what, times] of history.dealt) dealt.set(what, (dealt.get(what) ?? 0) + times)
    if (violation !== undefined) failures.push({ seed, violation, lines: history.lines(lines) })
  }
  const sorted = [...dealt].sort(([a], [b]) => (a < b ? -1 : 1))
  return { seeds, ms: performance.now() - startedAt, virtualMs, dealt: Object.fromEntries(sorted), failures }
}

/** One world, with whatever nobody caught in it. */
export async function runSeed(seed: number, options: WorldOptions = {}): Promise<Verdict> {
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('unhandledRejection', note)
  try {
    const verdict = await new World(seed, options).run()
    // Node reports what nobody has caught when its loop turns.
    await new Promise((resolve) => setImmediate(resolve))
    if (uncaught.length === 0 || verdict.violation !== undefined) return verdict
    return { ...verdict, violation: `nobody caught ${inspect(uncaught[0])}` }
  } finally {
    process.off('unhandledRejection', note)
  }
}

/** What a person is told about a seed that failed. */
export function tell({ seed, violation, lines }: Failure): string {
  return [
    `seed ${seed}: ${violation}`,
    `replay it with: npm run simulate -- --seed ${seed}`,
    'the last events (seconds, who, what):',
    ...lines,
  ].join('\n')
}
