// graphile-worker as its page on performance has it: a local queue of 500, and completions that travel in batches.
// It deletes jobs that have ended, which is its only way.
import {
  type Logger as GraphileLogger,
  Logger,
  makeWorkerUtils,
  run,
  type WorkerUtils,
} from 'graphile-worker'
import type { System, SystemOptions } from './system.ts'
import { databaseOf } from './system.ts'

const silent: GraphileLogger = new Logger(() => () => undefined)

export function open({ broker }: SystemOptions): System {
  const { connectionString, schema } = databaseOf(broker)
  const shared = { connectionString, schema, logger: silent }
  let opened: Promise<WorkerUtils> | undefined
  const utils = (): Promise<WorkerUtils> => {
    opened ??= prepare()
    return opened
  }
  const prepare = async (): Promise<WorkerUtils> => {
    const made = await makeWorkerUtils(shared)
    await made.migrate()
    return made
  }
  return {
    enqueue: async (input) => (await utils()).addJob('mail', input),
    enqueueMany: async (inputs) =>
      (await utils()).addJobs(inputs.map((payload) => ({ identifier: 'mail', payload }))),
    work: async (started, concurrency) => {
      const runner = await run({
        ...shared,
        noHandleSignals: true,
        taskList: { mail: async () => void (await started()) },
        preset: {
          worker: {
            concurrentJobs: concurrency,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      })
      return () => runner.stop()
    },
    close: async () => (await opened)?.release(),
  }
}
