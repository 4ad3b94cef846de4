/// <reference lib="esnext.disposable" preserve="true" />
// `offstage/testing`: runs an app's tasks in a test, on the memory broker and a clock that the test moves. The code
// that enqueues and the worker that runs are the real ones.
import { type App, linkOf } from '../app/app.ts'
import type { JobSnapshot } from '../client/snapshot.ts'
import type { Task } from '../client/task.ts'
import { OffstageError } from '../errors/error.ts'
import { checkKnown } from '../task/check.ts'
import type { Jsonify } from '../task/jsonify.ts'
import { TestBroker } from './broker.ts'
import { TestClock } from './clock.ts'
import { type DrainOptions, type DrainSummary, drain } from './drain.ts'

export { TestBroker } from './broker.ts'
export { TestClock } from './clock.ts'
export type { DrainOptions, DrainSummary } from './drain.ts'

export interface TestAppOptions {
  /** What the clock shows at first: epoch milliseconds. Default the time of the system. */
  startAt?: number | undefined
}

/** A job of a known task. */
export interface TestJob<In, Out> extends JobSnapshot<Out> {
  readonly input: Jsonify<In>
}

export interface TestApp {
  readonly clock: TestClock
  readonly broker: TestBroker
  /**
   * Runs a worker for all tasks of the app until nothing is ready or active, and answers what it did. Jobs that wait
   * for a time, retries among them, are left; `clock.advance` and another drain run them.
   */
  drain(options?: DrainOptions): Promise<DrainSummary>
  /** The jobs of a task that are kept, oldest first. */
  enqueued<In, Out>(task: Task<In, Out>): Promise<readonly TestJob<In, Out>[]>
  /** Gives the app its own broker and clock back. Repeatable. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Puts the memory broker and a test's clock under the app until `close()`.
 *
 * @throws APP_CLOSED, OPTION_INVALID where another test has the app already
 */
export async function testApp(app: App, options: TestAppOptions = {}): Promise<TestApp> {
  checkKnown('testApp', options, ['startAt'])
  const link = linkOf(app)
  if (link.closed) throw new OffstageError('APP_CLOSED', 'the app was closed; a test needs an open one')
  if (link.substitute !== undefined) {
    throw new OffstageError('OPTION_INVALID', 'the app is under test already; close that test first')
  }
  const clock = new TestClock(options.startAt)
  const broker = new TestBroker({ clock })
  await broker.open()
  link.exchange({ broker, clock, inline: true })
  const close = async (): Promise<void> => {
    if (link.substitute?.broker === broker) link.exchange(undefined)
    await broker.close()
  }
  return {
    clock,
    broker,
    drain: (drainOptions = {}) => drain({ app, broker, clock }, drainOptions),
    async enqueued<In, Out>(task: Task<In, Out>) {
      const jobs: TestJob<In, Out>[] = []
      for await (const job of app.jobs.all({ task: task.name, order: 'oldest' })) {
        jobs.push(job as TestJob<In, Out>)
      }
      return jobs
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
