// offstage status: how many jobs wait, who works, and how much was done in the last minutes.
import type { Broker } from '../../broker/contract.ts'
import type { CounterRow, WorkerInfo } from '../../broker/records.ts'
import { type JobState, jobStates } from '../../job/states.ts'
import { withBroker } from '../connect.ts'
import { exitCodes } from '../exit.ts'
import { iso, stateStyles } from '../job-view.ts'
import type { Output } from '../output.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { formatAge, formatCount, plain } from '../text.ts'

const MINUTE_MS = 60_000
/** The current minute and those before it. */
const MINUTES = 5

export const spec: CommandSpec = {
  args: '',
  details: [`The throughput is that of the last ${MINUTES} minutes, the one under way included.`],
  options: {},
  examples: ['offstage status', "offstage status --json | jq '.counts.failed'"],
  positionals: { min: 0, max: 0 },
}

interface Minute {
  readonly minuteAt: number
  readonly enqueued: number
  readonly succeeded: number
  readonly retried: number
  readonly failed: number
  readonly cancelled: number
  readonly crashed: number
  readonly ranMs: number
}

type Counts = { readonly [S in JobState]: number }

export function run(context: CommandContext): Promise<number> {
  const { out } = context
  return withBroker(context, async (broker) => {
    const health = await broker.health()
    const { now } = health
    const counts = await countsOf(broker)
    const workers = await broker.workers()
    const minutes = await lastMinutes(broker, now)
    if (out.json) {
      out.document({
        broker: {
          name: broker.name,
          namespace: broker.namespace,
          location: health.location,
          engine: health.engine,
          durability: health.durability,
          warnings: health.warnings,
        },
        now: iso(now),
        counts,
        workers: workers.map(workerJson),
        minutes: minutes.map(({ minuteAt, ...rest }) => ({ minuteAt: iso(minuteAt), ...rest })),
      })
      return exitCodes.ok
    }
    out.line(
      `${broker.name} at ${plain(health.location)} (${plain(health.engine)}), namespace ${plain(broker.namespace)}, durability ${plain(health.durability)}`,
    )
    for (const warning of health.warnings) out.warn(plain(warning))
    out.line('')
    for (const state of jobStates) {
      const count = formatCount(counts[state])
      out.line(
        `${out.style(counts[state] === 0 ? 'dim' : stateStyles[state], state.padEnd(10))} ${count.padStart(12)}`,
      )
    }
    printWorkers(out, workers, now)
    printMinutes(out, minutes, now)
    return exitCodes.ok
  })
}

async function countsOf(broker: Broker): Promise<Counts> {
  const queues = await broker.queues()
  const sum = (state: JobState): number => queues.reduce((total, { counts }) => total + counts[state], 0)
  const [blocked, scheduled, ready, active] = [sum('blocked'), sum('scheduled'), sum('ready'), sum('active')]
  return {
    blocked,
    scheduled,
    ready,
    active,
    succeeded: sum('succeeded'),
    failed: sum('failed'),
    cancelled: sum('cancelled'),
  }
}

async function lastMinutes(broker: Broker, now: number): Promise<readonly Minute[]> {
  const current = Math.floor(now / MINUTE_MS) * MINUTE_MS
  const first = current - (MINUTES - 1) * MINUTE_MS
  const rows = await broker.counters(first, current + MINUTE_MS)
  return Array.from({ length: MINUTES }, (_, i) => sumOf(rows, first + i * MINUTE_MS))
}

function sumOf(rows: readonly CounterRow[], minuteAt: number): Minute {
  const own = rows.filter((row) => row.minuteAt === minuteAt)
  const sum = (field: Exclude<keyof Minute, 'minuteAt'>): number =>
    own.reduce((total, row) => total + row[field], 0)
  return {
    minuteAt,
    enqueued: sum('enqueued'),
    succeeded: sum('succeeded'),
    retried: sum('retried'),
    failed: sum('failed'),
    cancelled: sum('cancelled'),
    crashed: sum('crashed'),
    ranMs: sum('ranMs'),
  }
}

function printWorkers(out: Output, workers: readonly WorkerInfo[], now: number): void {
  out.line('')
  if (workers.length === 0) {
    out.line('no worker is running')
    return
  }
  out.table(
    [
      { title: 'WORKER' },
      { title: 'STATE' },
      { title: 'ACTIVE', align: 'right' },
      { title: 'STARTED' },
      { title: 'SEEN' },
      { title: 'QUEUES', shrinks: true },
    ],
    workers.map(({ id, state, active, concurrency, startedAt, seenAt, queues }) => [
      { text: plain(id) },
      { text: state, style: state === 'running' ? 'green' : 'yellow' },
      { text: `${active}/${concurrency}` },
      { text: formatAge(startedAt, now) },
      { text: formatAge(seenAt, now) },
      { text: plain(queues.join(', ')) },
    ]),
  )
}

const COLUMNS = ['enqueued', 'succeeded', 'retried', 'failed', 'cancelled', 'crashed'] as const

function printMinutes(out: Output, minutes: readonly Minute[], now: number): void {
  out.line('')
  out.table(
    [{ title: 'MINUTE' }, ...COLUMNS.map((name) => ({ title: name.toUpperCase(), align: 'right' as const }))],
    minutes.map((minute) => [
      { text: now - minute.minuteAt < MINUTE_MS ? 'this one' : formatAge(minute.minuteAt, now) },
      ...COLUMNS.map((name) => ({ text: formatCount(minute[name]) })),
    ]),
  )
}

function workerJson({ startedAt, seenAt, ...rest }: WorkerInfo): { readonly [name: string]: unknown } {
  return { ...rest, startedAt: iso(startedAt), seenAt: iso(seenAt) }
}
