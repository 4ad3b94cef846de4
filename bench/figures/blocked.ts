// What becomes of a job whose handler blocks the event loop for three leases, and of fifty others beside it, with two
// workers. Every start and end is written down by the process itself, past its event loop.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { args, input, nowMs, open, print, startRole, stopRole } from './support.ts'

const LEASE_MS = 3_000
const BLOCK_MS = 3 * LEASE_MS + 1_000
const OTHERS = 50
const LIMIT_MS = 60_000

interface Line {
  readonly n: number
  readonly what: 'start' | 'end'
  readonly at: number
}

const blocker = input(0).n
const file = process.env.BENCH_HISTORY ?? ''
const write = (n: number, what: Line['what']): void => {
  appendFileSync(file, `${JSON.stringify({ n, what, at: nowMs() } satisfies Line)}\n`)
}

if (args.role === 'worker') {
  const system = await open()
  await system.work(
    async ({ n } = input(Number.NaN)) => {
      write(n, 'start')
      if (n === blocker) {
        const end = performance.now() + BLOCK_MS
        while (performance.now() < end) Math.sqrt(end)
      } else await pause(100)
      write(n, 'end')
    },
    10,
    { leaseMs: LEASE_MS },
  )
  process.send?.('ready')
  process.on('disconnect', () => process.exit())
} else {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-bench-blocked-'))
  process.env.BENCH_HISTORY = join(folder, 'history')
  appendFileSync(process.env.BENCH_HISTORY, '')
  await measure(process.env.BENCH_HISTORY)
  rmSync(folder, { recursive: true })
}

async function measure(history: string): Promise<void> {
  const system = await open()
  const workers = [await startRole('worker'), await startRole('worker')]
  await system.enqueueMany(Array.from({ length: OTHERS / 2 }, (_, i) => input(i + 1)))
  await system.enqueue(input(0))
  await system.enqueueMany(Array.from({ length: OTHERS / 2 }, (_, i) => input(i + 1 + OTHERS / 2)))
  const read = (): Line[] =>
    readFileSync(history, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line)
  const started = performance.now()
  const isOver = (lines: readonly Line[]): boolean =>
    new Set(lines.filter(({ what }) => what === 'end').map(({ n }) => n)).size === OTHERS + 1
  while (!isOver(read()) && performance.now() - started < LIMIT_MS) await pause(100)
  // Whoever runs it again does so when its lock is found to have ended, and blocks as long.
  await pause(2 * LEASE_MS + BLOCK_MS)
  const lines = read()
  const runsOf = (number: number): Line[] => lines.filter(({ n, what }) => n === number && what === 'start')
  const others = Array.from({ length: OTHERS }, (_, i) => input(i + 1).n)
  const begun = runsOf(blocker)[0]?.at ?? Number.NaN
  const ends = lines.filter(({ n, what }) => n !== blocker && what === 'end').map(({ at }) => at)
  print({
    runs: runsOf(blocker).length,
    repeated: others.filter((n) => runsOf(n).length > 1).length,
    lastSeconds: Math.max(0, Math.max(...ends) - begun) / 1_000,
    failed: (await system.failed?.()) ?? Number.NaN,
  })
  for (const worker of workers) await stopRole(worker)
  await system.close()
}
