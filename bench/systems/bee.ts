// Bee-Queue as its README has it for speed: a queue that only produces hears no events and says it is no worker, a
// worker sends no events and removes what succeeded, nobody keeps job objects, and `saveAll` is for many.
import Queue from 'bee-queue'
import type { Mail } from '../figures/support.ts'
import { connectionOf, type System, type SystemOptions } from './system.ts'

export function open({ broker }: SystemOptions): System {
  const { host, port, prefix } = connectionOf(broker)
  const shared = {
    redis: { host, port },
    prefix,
    getEvents: false,
    sendEvents: false,
    storeJobs: false,
    removeOnSuccess: true,
  }
  let producer: Queue<Mail> | undefined
  const queue = (): Queue<Mail> => {
    producer ??= new Queue<Mail>('mail', { ...shared, isWorker: false })
    return producer
  }
  return {
    enqueue: (input) => queue().createJob(input).save(),
    enqueueMany: async (inputs) => {
      const failed = await queue().saveAll(inputs.map((input) => queue().createJob(input)))
      if (failed.size > 0) throw new Error(`Bee-Queue has refused ${failed.size} jobs`)
    },
    work: async (run, concurrency) => {
      const worker = new Queue<Mail>('mail', { ...shared, isWorker: true })
      await worker.ready()
      worker.process(concurrency, async () => run())
      return () => worker.close(30_000)
    },
    close: async () => producer?.close(30_000),
  }
}
