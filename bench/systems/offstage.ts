// Offstage with its defaults: states are kept, lost leases are found, events are there for who listens.
import { offstage, silentLogger, stderrLogger, type } from 'offstage'
import type { Outcome } from 'offstage/broker'
import { z } from 'zod'
import type { Mail } from '../figures/support.ts'
import type { ClaimLoop, System, SystemOptions } from './system.ts'

const checked = z.object({ to: z.string(), subject: z.string(), n: z.number() })

const nothing = { codec: 0, bytes: new Uint8Array() }

export function open({ broker, check }: SystemOptions): System {
  // The warning that the bench's server keeps nothing on disk is true, and known.
  const app = offstage({ broker, logger: { ...silentLogger, error: stderrLogger.error } })
  let started: (input?: Mail) => unknown = () => undefined
  const task = app.task({
    name: 'mail',
    input: check === 'zod' ? checked : type<Mail>(),
    run: (input) => started(input),
  })
  return {
    enqueue: (input) => task.enqueue(input),
    enqueueMany: (inputs) => task.enqueueMany(inputs),
    work: async (run, concurrency, { leaseMs, keeper } = {}) => {
      started = run
      const worker = app.worker({ concurrency, lease: leaseMs, keeper })
      await worker.start()
      return () => worker.stop()
    },
    claims: (batch) => claimLoop(broker, batch),
    failed: async () => (await app.jobs.counts()).failed,
    close: () => app.close(),
  }
}

/** On the broker itself, by its contract: a trip settles what it holds and claims as much again. */
async function claimLoop(url: string, batch: number): Promise<ClaimLoop> {
  const { postgres } = await import('offstage/postgres')
  const broker = postgres(url)
  await broker.open()
  const next = {
    queues: ['default'],
    max: batch,
    leaseMs: 15_000,
    worker: 'bench',
    starting: batch,
    suspects: 0,
  } as const
  let outcomes: readonly Outcome[] = []
  return {
    trip: async () => {
      const settled = await broker.settle({ outcomes, next })
      const jobs = settled.next?.jobs ?? []
      outcomes = jobs.map(({ id, token }) => ({ kind: 'succeeded', id, token, result: nothing, ranMs: 0 }))
      return jobs.length
    },
    stop: () => broker.close(),
  }
}
