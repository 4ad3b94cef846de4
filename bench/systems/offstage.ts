// Offstage with its defaults: states are kept, lost leases are found, events are there for who listens.
import { offstage, silentLogger, stderrLogger, type } from 'offstage'
import { z } from 'zod'
import type { Mail } from '../figures/support.ts'
import type { System, SystemOptions } from './system.ts'

const checked = z.object({ to: z.string(), subject: z.string(), n: z.number() })

export function open({ broker, check }: SystemOptions): System {
  // The warning that the bench's server keeps nothing on disk is true, and known.
  const app = offstage({ broker, logger: { ...silentLogger, error: stderrLogger.error } })
  let started: () => void = () => undefined
  const task = app.task({
    name: 'mail',
    input: check === 'zod' ? checked : type<Mail>(),
    run: () => started(),
  })
  return {
    enqueue: (input) => task.enqueue(input),
    enqueueMany: (inputs) => task.enqueueMany(inputs),
    work: async (run, concurrency) => {
      started = run
      const worker = app.worker({ concurrency })
      await worker.start()
      return () => worker.stop()
    },
    close: () => app.close(),
  }
}
