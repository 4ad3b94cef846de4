// Which statements of the message half read a table from end to end: the server itself writes down the plan of each
// statement that it runs, those inside functions included, while a broker does some of everything beside a backlog.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Broker } from '../../src/broker/contract.ts'
import { request, retry, spec, specs, succeeded, unique } from '../../src/laws/factories.ts'
import type { PostgresServer } from './postgres-server.ts'

const BACKLOG = 5_000

/** What stays small whatever is waiting: rows that are kinds of things, or what upkeep adds up at once; a sequence. */
const SMALL = new Set([
  ...['meta', 'names', 'kinds', 'rules', 'paused', 'workers', 'schedules', 'listeners', 'totals', 'tally'],
  ...['inbox', 'outbox', 'seqs'],
])

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Recheck Cond'?: string
  readonly Plans?: readonly Plan[]
}

/** Each as a line; opens brokers on the schema. */
export async function scans(
  server: PostgresServer,
  schema: string,
  open: () => Promise<Broker>,
): Promise<readonly string[]> {
  const first = await open()
  await first.enqueue([specs(BACKLOG, 'backlog', { queue: 'backlog' })])
  await first.enqueue([specs(BACKLOG, 'later', { queue: 'backlog', delayMs: 3_600_000 })])
  const { jobs } = await first.reserve(request({ queues: ['backlog'], max: 1_000 }))
  await first.settle({ outcomes: jobs.slice(0, 900).map((job) => succeeded(job)) })
  await first.close()
  // As upkeep of the server does, so that its plans are those of a store in use.
  await server.sql('ANALYZE')
  const log = join(server.dir, 'log')
  const before = readFileSync(log).length
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_format': 'json',
  }
  for (const [name, value] of Object.entries(settings))
    await server.sql(`ALTER DATABASE postgres SET ${name} = '${value}'`)
  try {
    await exercise(await open())
  } finally {
    for (const name of Object.keys(settings)) await server.sql(`ALTER DATABASE postgres RESET ${name}`)
  }
  const plans = plansIn(readFileSync(log).subarray(before).toString())
  if (!plans.some(({ text }) => text.includes('live'))) throw new Error(`no plans of ${schema} in the log`)
  const found = plans.flatMap(({ text, plan }) =>
    scanned(plan).map((table) => `${table}: ${text.replaceAll(/\s+/g, ' ').slice(0, 300)}`),
  )
  return [...new Set(found)]
}

/** Some of everything that happens to jobs. */
async function exercise(broker: Broker): Promise<void> {
  const keys = unique('key')
  await broker.enqueue([
    specs(30, 'plain'),
    [spec({ id: 'keyed', unique: keys }), spec({ id: 'again', unique: keys })],
    [spec({ id: 'parent' }), spec({ id: 'child', after: [{ id: 'parent', when: 'succeeded' }] })],
    specs(3, 'parted', { partition: 'p' }),
    [spec({ id: 'delayed', delayMs: 60_000, expiresInMs: 120_000, search: { to: 'ada' }, tags: ['t'] })],
  ])
  for (;;) {
    const { jobs } = await broker.reserve(request({ max: 10 }))
    if (jobs.length === 0) break
    await broker.extend(
      jobs.map(({ id, token }) => ({ id, token, started: true })),
      30_000,
    )
    const outcomes = jobs.map((job) =>
      job.id === 'plain-3' && job.failures < 1 ? retry(job) : succeeded(job),
    )
    await broker.settle({ outcomes, next: request({ max: 0 }) })
    await broker.maintain()
  }
  await broker.close()
}

interface Planned {
  readonly text: string
  readonly plan: Plan
}

/** What `auto_explain` has written: an object over several lines, which all begin with a tab but the first. */
function plansIn(log: string): readonly Planned[] {
  return [...log.matchAll(/plan:\n((?:\t.*\n)+)/g)].map(([, json = '']) => {
    const { 'Query Text': text, Plan: plan } = JSON.parse(json) as {
      readonly 'Query Text': string
      readonly Plan: Plan
    }
    return { text, plan }
  })
}

/** Tables that a plan reads without a condition on an index, and without stopping at a number of rows. */
function scanned(plan: Plan, limited = false): readonly string[] {
  const { 'Node Type': type, 'Relation Name': table = '', Plans: parts = [] } = plan
  const reads = /^(Seq|Index|Index Only|Bitmap Heap) Scan$/.test(type)
  const narrowed = plan['Index Cond'] !== undefined || plan['Recheck Cond'] !== undefined
  const own =
    reads && !SMALL.has(table) && !table.startsWith('pg_') && !narrowed && (type === 'Seq Scan' || !limited)
      ? [`${type} of ${table}`]
      : []
  const bounded = type === 'Limit' || (limited && type !== 'Sort' && type !== 'Aggregate')
  return [...own, ...parts.flatMap((part) => scanned(part, bounded))]
}
