// Jobs that a claim has brought while the event loop was blocked: the answer lies unread, so they are on no board, and
// nobody would run them before their leases end. They are found among the active jobs by the worker's own name.
import type { Broker } from '../../broker/contract.ts'
import { hasCode } from '../../errors/error.ts'
import type { Row } from './board.ts'

const PAGE = 200
/** Claims under way bring the newest leases, not the newest jobs; this many active jobs are looked through for them. */
const MAX_PAGES = 10

/**
 * @param known what it knows of; undefined where it has read its answers meanwhile, and nothing is to be found any more
 * @returns what `worker` holds and does not know of
 */
export async function unread(
  broker: Broker,
  worker: string,
  known: () => readonly Row[] | undefined,
): Promise<{ readonly id: string; readonly token: number }[]> {
  const held: { readonly id: string; readonly token: number }[] = []
  let cursor: string | undefined
  try {
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const found = await broker.list({ states: ['active'], limit: PAGE, cursor })
      for (const { id, lease } of found.jobs)
        if (lease?.worker === worker) held.push({ id, token: lease.token })
      cursor = found.cursor
      if (cursor === undefined) break
    }
  } catch (error) {
    // A broker that only moves messages knows nobody's jobs.
    if (!hasCode(error, 'BROKER_UNSUPPORTED')) throw error
  }
  const rows = known()
  if (rows === undefined) return []
  const mine = new Set(rows.map(({ id, token }) => `${token} ${id}`))
  return held.filter(({ id, token }) => !mine.has(`${token} ${id}`))
}
