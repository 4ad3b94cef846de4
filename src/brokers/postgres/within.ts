// Calls inside the user's own transaction, on the user's connection: one text goes, one text comes back.
import type { GroupAnswer } from '../../broker/contract.ts'
import type { Success } from '../../broker/transacting.ts'
import { sqlTransaction } from '../../broker/transactions/sql.ts'
import type { JobSpec } from '../../job/record.ts'
import { type Clock, sleep } from '../../runtime/clock.ts'
import { quoteIdentifier } from './client/client.ts'
import { type Call, call, type Space } from './space.ts'
import { packTexts } from './wire/arrays.ts'
import { groupsAsText, groupsFromText } from './wire/enqueue.ts'

const registerCall: Call = { name: 'register_kinds', types: ['text[]', 'text[]'] }

/** How long a transaction waits for names to be made known beside it: where no connection is free, and where one is. */
const NO_CONNECTION_MS = 250
const REGISTER_MS = 2_000

export class Within {
  readonly #space: Space
  readonly #clock: Clock
  /** Pairs of queue and task that the store knows, outside any transaction of the user's. */
  readonly #known = new Set<string>()

  constructor(space: Space, clock: Clock) {
    this.#space = space
    this.#clock = clock
  }

  async enqueue(tx: unknown, groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const ask = sqlTransaction(tx)
    await this.#register(groups.flat())
    const text = await ask(this.#function('enqueue_within'), groupsAsText(groups))
    return groupsFromText(groups, text)
  }

  async settle(tx: unknown, outcome: Success): Promise<'ok' | 'lost'> {
    const { id, token, ranMs, result } = outcome
    const packed = JSON.stringify({
      id,
      token,
      ran: ranMs === undefined ? null : Math.round(ranMs),
      codec: result.codec,
      result: Buffer.from(result.bytes).toString('base64'),
    })
    const answer = await sqlTransaction(tx)(this.#function('settle_within'), packed)
    return answer === 'ok' ? 'ok' : 'lost'
  }

  /**
   * Makes names known beside the transaction, so that others who use them for the first time do not wait for it. A courtesy
   * and no more: where no connection is free, since the transactions of a given pool have them all, or the role may not, the
   * transaction makes them itself.
   */
  async #register(specs: readonly JobSpec[]): Promise<void> {
    const missing = new Map<string, JobSpec>()
    for (const spec of specs) {
      const key = `${spec.queue}\n${spec.task}`
      if (!this.#known.has(key)) missing.set(key, spec)
    }
    if (missing.size === 0) return
    const pairs = [...missing.values()]
    const stop = new AbortController()
    const registered = call(this.#space, registerCall, [
      packTexts(pairs.map(({ queue }) => queue)),
      packTexts(pairs.map(({ task }) => task)),
    ])
      .then(
        () => {
          for (const key of missing.keys()) this.#known.add(key)
        },
        // The next transaction tries again.
        () => undefined,
      )
      .finally(() => stop.abort())
    const { signal } = stop
    for (let ms = 0; ms < REGISTER_MS && !signal.aborted; ms += NO_CONNECTION_MS) {
      await Promise.race([registered, sleep(this.#clock, NO_CONNECTION_MS, { signal, ref: true })])
      if (this.#space.client.waiting > 0) break
    }
  }

  #function(name: string): string {
    return `${quoteIdentifier(this.#space.schema)}.${name}`
  }
}
