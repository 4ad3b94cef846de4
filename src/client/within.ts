// Jobs inside the user's own transaction: at once, on the user's connection, past the batcher. Nothing is repeated, since
// after an error inside a transaction only its owner can go on.
import type { EnqueuedJob } from '../broker/message.ts'
import { isTransacting } from '../broker/transacting.ts'
import { OffstageError } from '../errors/error.ts'
import type { Connection } from './connection.ts'
import { CHUNK, type Ready } from './sender.ts'

/**
 * The transaction that all of them are stored in; undefined for none.
 *
 * @throws TX_INVALID where they differ
 */
export function transactionOf(ready: readonly Ready[]): unknown {
  const tx = ready[0]?.tx
  if (ready.every((one) => one.tx === tx)) return tx
  throw new OffstageError(
    'TX_INVALID',
    'jobs that are enqueued together have one tx for all of them, or none',
  )
}

/** @throws TX_*, ID_TAKEN, DEPENDENCY_MISSING; a refusal leaves the transaction whole */
export async function sendWithin(
  connection: Connection,
  tx: unknown,
  ready: readonly Ready[],
): Promise<readonly EnqueuedJob[]> {
  const broker = await connection.broker()
  if (!isTransacting(broker)) {
    const message = `the ${broker.name} broker cannot store jobs inside a transaction; enqueue after the commit, without tx`
    throw new OffstageError('TX_UNSUPPORTED', message)
  }
  const jobs: EnqueuedJob[] = []
  for (let from = 0; from < ready.length; from += CHUNK) {
    const group = ready.slice(from, from + CHUNK).map(({ spec }) => spec)
    const [answer] = await broker.enqueueWithin(tx, [group])
    if (answer === undefined)
      throw new OffstageError('STORE_FAILED', `the ${broker.name} broker did not answer`)
    if (!answer.ok) throw new OffstageError(answer.code, answer.message, { details: { id: answer.id } })
    jobs.push(...answer.jobs)
  }
  return jobs
}
