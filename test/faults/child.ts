// A producer or a worker in a process of its own, which writes down what it does. Started by `fleet.ts`.
import { subscribe } from 'node:diagnostics_channel'
import type { App, AppWorker, Logger, TaskContext } from '../../src/index.ts'
import { HistoryWriter } from './history.ts'
import type { Input, Orders } from './plan.ts'
import { hashOf, LIMITS, produce, tasksOf } from './tasks.ts'
import { lasting } from './time.ts'

type Library = typeof import('../../src/index.ts')

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
process.on('unhandledRejection', trouble)
process.on('uncaughtException', trouble)

async function run(input: Input, ctx: TaskContext): Promise<number> {
  const { id, token, attempt, task } = ctx.job
  const place = LIMITS[task] === undefined ? {} : { place: task === 'parted' ? `${task} ${input.key}` : task }
  history.write({ e: 'run', id, task, token, attempt, hash: hashOf(input), ...place })
  ctx.signal.addEventListener('abort', () => {
    const { code } = ctx.signal.reason as { readonly code: string }
    history.write({ e: 'aborted', id, token, code })
  })
  const { deaf, extraMs } = orders.role === 'worker' ? orders : { deaf: false, extraMs: 0 }
  const heeded = deaf ? undefined : ctx.signal
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, input.workMs + extraMs)
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

async function produceAll(app: App, { plan }: Extract<Orders, { role: 'producer' }>): Promise<void> {
  let told = false
  process.on('SIGTERM', () => {
    told = true
  })
  await produce(tasksOf(app, run), plan, history, { stopped: () => told, ledger })
  history.write({ e: 'done' })
  await app.close()
  await ledger?.close()
}

async function work(app: App, { options, knows }: Extract<Orders, { role: 'worker' }>): Promise<void> {
  subscribe('offstage:settle', (message) => {
    const { id, token, outcome, answer } = message as {
      id: string
      token: number
      outcome: string
      answer: 'ok' | 'lost'
    }
    history.write({ e: 'settled', id, token, outcome, answer })
  })
  subscribe('offstage:lease-lost', (message) => {
    const { id, token } = message as { id: string; token: number }
    history.write({ e: 'lease-lost', id, token })
  })
  const more = knows === undefined ? {} : { more: app.task<Input>({ name: knows, run }) }
  const worker = app.worker({ tasks: { ...tasksOf(app, run), ...more }, ...options })
  let signals = 0
  process.on('SIGTERM', () => {
    signals += 1
    history.write({ e: 'told' })
    const stopped = signals === 1 ? worker.stop() : worker.stop({ grace: 0 })
    if (signals === 1) void stopped.then(() => app.close()).then(() => process.exit(0), trouble)
  })
  await start(worker, () => signals > 0)
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
/** A broker that is away is said, and waited for. What that did to the jobs is for the checker to find. */
const isAway = (first: unknown): boolean => {
  const { error, outcomes } = Object(first) as {
    readonly error?: { readonly code?: string }
    readonly outcomes?: number
  }
  // Of several shards one may be away, and others have answered.
  const shard = error === undefined && outcomes !== undefined
  if (error?.code !== 'BROKER_UNAVAILABLE' && !shard) return false
  history.write({ e: 'noticed', code: error?.code ?? 'shard' })
  return true
}
const quiet = (first: unknown): void => void isAway(first)
const logger: Logger = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: (first: unknown, text = '') => void (isAway(first) || trouble(`${text} ${JSON.stringify(first)}`)),
}
const app = offstage({ broker: orders.broker, logger })
history.write({ e: 'up', role: orders.role })
if (orders.role === 'producer') await produceAll(app, orders)
else await work(app, orders)
