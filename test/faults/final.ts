// What a broker holds when all is over.
import type { Broker } from '../../src/index.ts'
import type { Final } from './checker.ts'

export async function finalOf(broker: Broker): Promise<Final> {
  const jobs: Final['jobs'][number][] = []
  let cursor: string | undefined
  do {
    const page = await broker.list({ limit: 1_000, order: 'oldest', cursor })
    for (const { id, state, reason, failures, crashes } of page.jobs)
      jobs.push({ id, state, reason, failures, crashes })
    cursor = page.cursor
  } while (cursor !== undefined)
  const counts: Record<string, number> = {}
  for (const queue of await broker.queues())
    for (const [state, count] of Object.entries(queue.counts)) counts[state] = (counts[state] ?? 0) + count
  const counters = { enqueued: 0, succeeded: 0, failed: 0 }
  const { now } = await broker.health()
  for (const row of await broker.counters(now - 3_600_000, now + 60_000)) {
    counters.enqueued += row.enqueued
    counters.succeeded += row.succeeded
    counters.failed += row.failed
  }
  return { jobs, counts, counters }
}

/** How many jobs have not ended. */
export async function unfinished(broker: Broker): Promise<number> {
  let sum = 0
  for (const { counts: c } of await broker.queues()) sum += c.ready + c.active + c.scheduled + c.blocked
  return sum
}
