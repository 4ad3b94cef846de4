// Runs what is ready, with the worker that production uses, until there is nothing left to run now.
import type { App } from '../app/app.ts'
import { machineOf } from '../app/worker.ts'
import { sleep, systemClock } from '../runtime/clock.ts'
import { checkKnown } from '../task/check.ts'
import type { TestBroker } from './broker.ts'
import type { TestClock } from './clock.ts'

export interface DrainOptions {
  /** How many attempts run at once. Default 10. */
  concurrency?: number | undefined
  /** Moves the clock to whatever is due next, again and again, until no job waits for a time either. Default false. */
  untilEmpty?: boolean | undefined
}

/** What a drain did, and what it left. */
export interface DrainSummary {
  readonly succeeded: number
  /** Became dead letters. */
  readonly failed: number
  readonly cancelled: number
  /** Attempts that failed and are tried again. */
  readonly retried: number
  readonly snoozed: number
  /** Put back, since the app has no such task. */
  readonly unknown: number
  /** Left waiting for a time, retries among them. */
  readonly scheduled: number
  /** Left ready: in a paused queue, or held by a limit. */
  readonly ready: number
  /** Left waiting for other jobs. */
  readonly blocked: number
}

interface Bench {
  readonly app: App
  readonly broker: TestBroker
  readonly clock: TestClock
}

/** A net below the hints, and what keeps the process alive while a handler works. */
const LOOK_MS = 100

export async function drain(bench: Bench, options: DrainOptions): Promise<DrainSummary> {
  checkKnown('drain', options, ['concurrency', 'untilEmpty'])
  const { app, broker, clock } = bench
  broker.takeCounts()
  await drainOnce(bench, options)
  while (options.untilEmpty === true) {
    const dueAt = await nextDueAt(app)
    if (dueAt === undefined) break
    await clock.advance(Math.max(0, dueAt - clock.now()))
    await drainOnce(bench, options)
  }
  const { succeeded, failed, cancelled, retry, snoozed, unknown } = broker.takeCounts()
  const { scheduled, ready, blocked } = await app.jobs.counts()
  return { succeeded, failed, cancelled, retried: retry, snoozed, unknown, scheduled, ready, blocked }
}

async function drainOnce({ app, broker }: Bench, { concurrency }: DrainOptions): Promise<void> {
  // What is due by now becomes ready, so that it is seen below.
  await broker.maintain()
  const served = new Set<string>()
  for (;;) {
    const queues = await queuesToServe(app)
    const fresh = queues.filter((queue) => !served.has(queue))
    if (fresh.length === 0) return
    for (const queue of queues) served.add(queue)
    const worker = app.worker({ queues: [...served], concurrency })
    await worker.start()
    try {
      await untilIdle(broker, [...served], () => machineOf(worker)?.hurryBatches())
    } finally {
      await worker.stop()
    }
  }
}

/** Every queue with work, also those that only a job's own options name: a test has no other worker. */
async function queuesToServe(app: App): Promise<readonly string[]> {
  const infos = await app.queues.list()
  return infos.filter(({ paused, counts }) => !paused && counts.ready > 0).map(({ queue }) => queue)
}

/** @param exhausted nothing more can be claimed, and something runs */
async function untilIdle(
  broker: TestBroker,
  queues: readonly string[],
  exhausted: () => void,
): Promise<void> {
  let nudge = new AbortController()
  const off = broker.onCall(() => nudge.abort())
  try {
    for (;;) {
      nudge = new AbortController()
      const { claimable, active } = await workOf(broker, queues)
      if (!claimable && !active) return
      if (!claimable) exhausted()
      await sleep(systemClock, LOOK_MS, { signal: nudge.signal, ref: true })
    }
  } finally {
    off()
  }
}

/** Whether something is ready that may be claimed, and whether something runs. */
async function workOf(
  broker: TestBroker,
  queues: readonly string[],
): Promise<{ readonly claimable: boolean; readonly active: boolean }> {
  const infos = (await broker.queues()).filter(({ queue }) => queues.includes(queue))
  const claimable = !broker.held && infos.some(({ paused, counts }) => !paused && counts.ready > 0)
  return { claimable, active: infos.some(({ counts }) => counts.active > 0) }
}

async function nextDueAt(app: App): Promise<number | undefined> {
  let dueAt: number | undefined
  for await (const { runAt } of app.jobs.all({ states: ['scheduled'] })) {
    if (runAt !== undefined && (dueAt === undefined || runAt < dueAt)) dueAt = runAt
  }
  return dueAt
}
