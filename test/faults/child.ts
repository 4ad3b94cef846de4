// A producer or a worker in a process of its own, which writes down what it does. Started by `fleet.ts`.
import { createHash } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import type { App, Logger, Task, TaskContext } from '../../src/index.ts'
import { HistoryWriter } from './history.ts'
import { type Input, jobsOf, type Orders, type Plan } from './plan.ts'

type Library = typeof import('../../src/index.ts')
type Tasks = { readonly [name in Plan['task']]: Task<Input, unknown> }

const orders = JSON.parse(process.argv[2] ?? '{}') as Orders
const history = new HistoryWriter(orders.history)
const trouble = (error: unknown): void =>
  history.write({
    e: 'trouble',
    what: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  })
process.on('unhandledRejection', trouble)
process.on('uncaughtException', trouble)

const hashOf = (input: Input): string => createHash('sha256').update(JSON.stringify(input)).digest('hex')

async function run(input: Input, ctx: TaskContext): Promise<number> {
  const { id, token, attempt, task } = ctx.job
  history.write({ e: 'run', id, task, token, attempt, hash: hashOf(input) })
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
  return input.n
}

function tasksOf(app: App): Tasks {
  const retry = { attempts: 8, base: '20ms', max: '200ms' } as const
  return {
    work: app.task<Input>({ name: 'work', retry, run }),
    limited: app.task<Input>({ name: 'limited', retry, limit: { concurrency: 2 }, run }),
  }
}

async function produce(app: App, { plan }: Extract<Orders, { role: 'producer' }>): Promise<void> {
  const tasks = tasksOf(app)
  const jobs = jobsOf(plan)
  let next = 0
  const pump = async (): Promise<void> => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      const { id, task, input, delayMs } = job
      history.write({ e: 'asked', id, task, hash: hashOf(input), delayMs })
      try {
        await tasks[task].enqueue(input, { id, ...(delayMs > 0 ? { delay: delayMs } : {}) })
        history.write({ e: 'accepted', id })
      } catch (error) {
        history.write({ e: 'refused', id, error: String(error) })
      }
    }
  }
  await Promise.all(Array.from({ length: plan.inFlight }, pump))
  history.write({ e: 'done' })
  await app.close()
}

async function work(app: App, { options }: Extract<Orders, { role: 'worker' }>): Promise<void> {
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
  const worker = app.worker({ tasks: tasksOf(app), ...options })
  let signals = 0
  process.on('SIGTERM', () => {
    signals += 1
    history.write({ e: 'told' })
    const stopped = signals === 1 ? worker.stop() : worker.stop({ grace: 0 })
    if (signals === 1) void stopped.then(() => app.close()).then(() => process.exit(0), trouble)
  })
  await worker.start()
}

const { offstage } = (await import(orders.library)) as Library
const quiet = (): void => {}
const logger: Logger = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  // A process that was stopped, or waits for a file that others hold, finds that a call was not answered in time, says
  // so, and repeats it. What that did to the jobs is for the checker to find.
  error: (first: unknown) => {
    const { error } = first as { readonly error?: { readonly code?: string } }
    if (error?.code !== 'BROKER_UNAVAILABLE') trouble(JSON.stringify(first))
  },
}
const app = offstage({ broker: orders.broker, logger })
history.write({ e: 'up', role: orders.role })
if (orders.role === 'producer') await produce(app, orders)
else await work(app, orders)
