// A producer or a worker in a process of its own, which writes down what it does. Started by `fleet.ts`.
import { subscribe } from 'node:diagnostics_channel'
import { existsSync, readdirSync } from 'node:fs'
import { inspect } from 'node:util'
import type { App, AppWorker, Logger, TaskContext } from '../../src/index.ts'
import { doDeed } from './deeds.ts'
import { HistoryWriter } from './history.ts'
import type { Input, Orders } from './plan.ts'
import { Tally } from './tally.ts'
import { hashOf, LIMITS, produce, type QuietInput, quietTask, tasksOf } from './tasks.ts'
import { lasting } from './time.ts'

type Library = typeof import('../../src/index.ts')

/** Tasks that a worker has only where it is told so: their limits cannot be divided among shards. */
const RARE = /^(places-|rated)/
/** Between two tries to start a worker: from the first to the longest. */
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 500

const orders = JSON.parse(process.argv[2] ?? '{}') as Orders
const history = new HistoryWriter(orders.history)
// Loads a driver, which few cases need.
const ledger =
  orders.ledger === undefined ? undefined : new (await import('./ledger.ts')).Ledger(orders.ledger)
const trouble = (error: unknown): void =>
  history.write({
    e: 'trouble',
    what: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  })
// Whoever started it has died.
process.stdin.on('end', () => process.exit(1)).resume()
process.stdin.unref()
if (orders.role !== 'worker' || !orders.fragile) {
  process.on('unhandledRejection', trouble)
  process.on('uncaughtException', trouble)
}

async function run(input: Input, ctx: TaskContext): Promise<number> {
  const { id, token, attempt, task } = ctx.job
  const place = LIMITS[task] === undefined ? {} : { place: task === 'parted' ? `${task} ${input.key}` : task }
  history.write({ e: 'run', id, task, token, attempt, hash: hashOf(input), ...place })
  ctx.signal.addEventListener('abort', () => {
    const { code } = ctx.signal.reason as { readonly code: string }
    history.write({ e: 'aborted', id, token, code })
  })
  const { deaf, extraMs } = orders.role === 'worker' ? orders : { deaf: false, extraMs: 0 }
  const heeded = deaf || input.deed === 'never' ? undefined : ctx.signal
  const goesOnMs = input.deed === undefined ? input.workMs : doDeed(input.deed, input.workMs)
  await new Promise<void>((resolve) => {
    if (goesOnMs === Number.POSITIVE_INFINITY) return
    const timer = setTimeout(resolve, goesOnMs + extraMs)
    heeded?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  history.write({ e: 'ran', id, token })
  heeded?.throwIfAborted()
  if (attempt <= input.fails) throw new Error(`attempt ${attempt} of ${id} fails`)
  return ledger === undefined ? input.n : ledger.deed(id, (tx) => ctx.complete(tx, input.n))
}

const tally = new Tally()

function runQuiet({ dueAt, needs }: QuietInput, { job }: TaskContext): void {
  tally.ran(job.attempt, Date.now(), dueAt)
  if (needs !== undefined && !existsSync(needs)) throw new Error('what it needs is down')
}

async function produceAll(app: App, { plan }: Extract<Orders, { role: 'producer' }>): Promise<void> {
  let told = false
  process.on('SIGTERM', () => {
    told = true
  })
  up()
  await produce(tasksOf(app, run), plan, history, { stopped: () => told, ledger })
  history.write({ e: 'done' })
  await app.close()
  await ledger?.close()
}

async function work(app: App, { options, knows, only }: Extract<Orders, { role: 'worker' }>): Promise<void> {
  subscribe('offstage:settle', (message) => {
    const { id, task, token, outcome, answer } = message as {
      id: string
      task: string
      token: number
      outcome: string
      answer: 'ok' | 'lost'
    }
    if (task !== 'quiet') history.write({ e: 'settled', id, token, outcome, answer })
  })
  subscribe('offstage:lease-lost', (message) => {
    const { id, token } = message as { id: string; token: number }
    history.write({ e: 'lease-lost', id, token })
  })
  const more = knows === undefined ? {} : { more: app.task<Input>({ name: knows, run }) }
  const tasks = { ...tasksOf(app, run), quiet: quietTask(app, runQuiet), ...more }
  const some = Object.entries(tasks).filter(([name]) => only?.includes(name) ?? !RARE.test(name))
  const worker = app.worker({ tasks: Object.fromEntries(some), ...options })
  process.on('SIGUSR2', gauge)
  let signals = 0
  process.on('SIGTERM', () => {
    signals += 1
    history.write({ e: 'told' })
    const stopped = signals === 1 ? worker.stop() : worker.stop({ grace: 0 })
    if (signals === 1) void stopped.then(() => end(app)).then(() => process.exit(0), trouble)
  })
  up()
  await start(worker, () => signals > 0)
}

/** From now on it ends well where it is told to. */
function up(): void {
  history.write({ e: 'up', role: orders.role })
}

async function end(app: App): Promise<void> {
  await app.close()
  const figures = tally.figures()
  if (figures !== undefined) history.write({ e: 'tally', ...figures })
}

/** Asked for by a signal, in a process that was started with `--expose-gc`. */
function gauge(): void {
  globalThis.gc?.()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  // Sockets and watchers that keep no process alive are not among these, but each has a descriptor.
  for (const [kind, folder] of Object.entries({ files: '/proc/self/fd', threads: '/proc/self/task' }))
    if (existsSync(folder)) resources[kind] = readdirSync(folder).length
  history.write({ e: 'gauge', heapBytes: process.memoryUsage().heapUsed, resources })
}

/** Where the broker is not there yet, it may come. */
async function start(worker: AppWorker, told: () => boolean): Promise<void> {
  for (let backoffMs = FIRST_BACKOFF_MS; !told(); backoffMs = Math.min(MAX_BACKOFF_MS, backoffMs * 2)) {
    try {
      await worker.start()
      return
    } catch (error) {
      const { code = 'none', retryable } = error as { readonly code?: string; readonly retryable?: boolean }
      if (retryable !== true) throw error
      history.write({ e: 'not-started', code })
      await lasting(backoffMs)
    }
  }
}

const { offstage } = (await import(orders.library)) as Library
/** What is said of a broker that cannot do its part now. */
const AWAY = new Set(['BROKER_UNAVAILABLE', 'BROKER_AUTH', 'STORE_FULL'])
/** A broker that is away is said, and waited for. What that did to the jobs is for the checker to find. */
const isAway = (first: unknown): boolean => {
  const { error, outcomes } = Object(first) as {
    readonly error?: { readonly code?: string }
    readonly outcomes?: number
  }
  // Of several shards one may be away, and others have answered.
  const shard = error === undefined && outcomes !== undefined
  if (!AWAY.has(error?.code ?? '') && !shard) return false
  history.write({ e: 'noticed', code: error?.code ?? 'shard' })
  return true
}
const say = (...line: readonly unknown[]): void => {
  if (orders.loud === true) console.log(inspect(line, { depth: 20, showHidden: true }))
}
const quiet = (first: unknown, text = ''): void => {
  say(first, text)
  isAway(first)
}
const logger: Logger = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: (first: unknown, text = '') => {
    say(first, text)
    if (!isAway(first)) trouble(`${text} ${JSON.stringify(first)}`)
  },
}
const app = offstage({ broker: orders.broker, logger })
if (orders.role === 'producer') await produceAll(app, orders)
else await work(app, orders)
