// The pairs of queue and task by their numbers, which never change once they are there.

import { quoteIdentifier } from './client/client.ts'
import type { Space } from './space.ts'
import { packInts, readNumber, readText } from './wire/arrays.ts'
import type { Kind } from './wire/claims.ts'

export class Kinds {
  readonly #kinds = new Map<number, Kind>()

  get(id: number): Kind {
    return this.#kinds.get(id) ?? { queue: '', task: '' }
  }

  /** Looks up those that are not known yet. */
  async learn(space: Space, ids: readonly number[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#kinds.has(id))
    if (unknown.length === 0) return
    const rows = await space.client.run({
      text: `SELECT * FROM ${quoteIdentifier(space.schema)}.read_kinds($1::integer[])`,
      values: [packInts(unknown)],
    })
    for (const [id, queue, task] of rows)
      this.#kinds.set(readNumber(id) ?? 0, { queue: readText(queue) ?? '', task: readText(task) ?? '' })
  }
}
