// Calls inside the user's own transaction, on the user's connection: one text goes, one text comes back.
import type { GroupAnswer } from '../../broker/contract.ts'
import type { Success } from '../../broker/transacting.ts'
import { sqlTransaction } from '../../broker/transactions/sql.ts'
import type { JobSpec } from '../../job/record.ts'
import { quoteIdentifier } from './client/client.ts'
import { type Call, call, type Space } from './space.ts'
import { packTexts } from './wire/arrays.ts'
import { groupsAsText, groupsFromText } from './wire/enqueue.ts'

const registerCall: Call = { name: 'register_kinds', types: ['text[]', 'text[]'] }

export class Within {
  readonly #space: Space
  /** Pairs of queue and task that the store knows, outside any transaction of the user's. */
  readonly #known = new Set<string>()

  constructor(space: Space) {
    this.#space = space
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

  async #register(specs: readonly JobSpec[]): Promise<void> {
    const missing = new Map<string, JobSpec>()
    for (const spec of specs) {
      const key = `${spec.queue}\n${spec.task}`
      if (!this.#known.has(key)) missing.set(key, spec)
    }
    if (missing.size === 0) return
    const pairs = [...missing.values()]
    await call(this.#space, registerCall, [
      packTexts(pairs.map(({ queue }) => queue)),
      packTexts(pairs.map(({ task }) => task)),
    ])
    for (const key of missing.keys()) this.#known.add(key)
  }

  #function(name: string): string {
    return `${quoteIdentifier(this.#space.schema)}.${name}`
  }
}
