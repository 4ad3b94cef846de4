// pg-boss with what its documents offer for speed: a queue that notifies, the shortest polling that it allows, and
// batches that are fetched one after the other while they come back full. It keeps jobs that have ended.
import { PgBoss } from 'pg-boss'
import { databaseOf, type System, type SystemOptions } from './system.ts'

/** One handler call has that many jobs; the others run as many at once. */
const BATCH = 1_000

export function open({ broker }: SystemOptions): System {
  const { connectionString, schema } = databaseOf(broker)
  let opened: Promise<PgBoss> | undefined
  const boss = (): Promise<PgBoss> => {
    opened ??= prepare()
    return opened
  }
  const prepare = async (): Promise<PgBoss> => {
    const made = new PgBoss({ connectionString, schema, useListenNotify: true })
    made.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`))
    await made.start()
    await made.createQueue('mail', { notify: true })
    return made
  }
  return {
    enqueue: async (input) => (await boss()).send('mail', input),
    enqueueMany: async (inputs) =>
      (await boss()).insert(
        'mail',
        inputs.map((data) => ({ data })),
      ),
    work: async (run) => {
      const worker = await boss()
      const settings = {
        batchSize: BATCH,
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 0.5,
        notifyPollingIntervalSeconds: 0.5,
      }
      await worker.work('mail', settings, async (jobs) => {
        for (const _ of jobs) run()
      })
      return () => worker.offWork('mail')
    },
    close: async () => (await opened)?.stop(),
  }
}
