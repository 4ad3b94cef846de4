// BullMQ on its PostgreSQL backend, otherwise as on Redis: jobs are removed as they end, and `addBulk` is for many.
import { createPostgresBackend, type Queue, withBackend } from 'bullmq'
import type { Mail } from '../figures/support.ts'
import { databaseOf, type System, type SystemOptions } from './system.ts'

const classes = withBackend(createPostgresBackend)
type PostgresQueue = Queue<
  Mail,
  unknown,
  string,
  Mail,
  unknown,
  string,
  ReturnType<typeof createPostgresBackend>
>

export function open({ broker }: SystemOptions): System {
  const connection = { ...databaseOf(broker), migrate: true }
  let queue: PostgresQueue | undefined
  const producer = (): PostgresQueue => {
    queue ??= new classes.Queue<Mail>('mail', { connection }) as PostgresQueue
    return queue
  }
  return {
    enqueue: (input) => producer().add('mail', input),
    enqueueMany: (inputs) => producer().addBulk(inputs.map((data) => ({ name: 'mail', data }))),
    work: async (run, concurrency) => {
      const worker = new classes.Worker<Mail>('mail', async () => run(), {
        connection,
        concurrency,
        removeOnComplete: { count: 0 },
      })
      await worker.waitUntilReady()
      return () => worker.close()
    },
    close: async () => queue?.close(),
  }
}
