// BullMQ as its guide has it for speed: jobs are removed as they end (the guide's "auto-removal", set on the worker, so
// that no job carries it), `addBulk` for many, and the same concurrency as the others. Everything else is its default.
import { Queue, Worker } from 'bullmq'
import type { Mail } from '../figures/support.ts'
import { connectionOf, type System, type SystemOptions } from './system.ts'

export function open({ broker }: SystemOptions): System {
  const { host, port, prefix } = connectionOf(broker)
  let queue: Queue<Mail> | undefined
  // Made at the first job, so that a process that only works holds no connection for producing.
  const producer = (): Queue<Mail> => {
    queue ??= new Queue<Mail>('mail', { connection: { host, port }, prefix })
    return queue
  }
  return {
    enqueue: (input) => producer().add('mail', input),
    enqueueMany: (inputs) => producer().addBulk(inputs.map((data) => ({ name: 'mail', data }))),
    work: async (run, concurrency, { leaseMs } = {}) => {
      const worker = new Worker<Mail>('mail', async ({ data }) => run(data), {
        ...(leaseMs !== undefined && { lockDuration: leaseMs, stalledInterval: leaseMs }),
        connection: { host, port, maxRetriesPerRequest: null },
        prefix,
        concurrency,
        removeOnComplete: { count: 0 },
      })
      await worker.waitUntilReady()
      return () => worker.close()
    },
    failed: () => producer().getFailedCount(),
    close: async () => queue?.close(),
  }
}
