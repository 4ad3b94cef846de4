// Upkeep and health of all shards: those that are away are left out and said, and are tried until they are back.
import type { BrokerHealth, MaintainReport } from '../contract.ts'
import { mergeHealth, mergeReports } from './merge.ts'
import type { Shard } from './shard.ts'

export class Upkeep {
  /** Shards that rest and are being tried in the background. */
  readonly #tried = new Set<Shard>()

  /** A step in every shard. What one of them throws is told where none has answered, and by `health`. */
  async step(shards: readonly Shard[], awake: readonly Shard[]): Promise<MaintainReport> {
    for (const shard of shards) if (!awake.includes(shard)) this.#try(shard)
    const answers = await Promise.allSettled(
      awake.map((shard) => shard.callSoon((broker) => broker.maintain())),
    )
    const reports = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (reports.length === 0 && failed !== undefined) throw failed.reason
    return mergeReports(reports)
  }

  /** A step that nobody waits for: when it is answered, the shard takes part again. */
  #try(shard: Shard): void {
    if (this.#tried.has(shard)) return
    this.#tried.add(shard)
    const done = (): void => {
      this.#tried.delete(shard)
    }
    // Why it fails is told by `health`, and by each call that needs this shard.
    shard.callSoon((broker) => broker.maintain()).then(done, done)
  }
}

/** Rejects where no shard answers; what is wrong with one of them is a warning. */
export async function healthOf(shards: readonly Shard[]): Promise<BrokerHealth> {
  const answers = await Promise.all(
    shards.map((shard) => shard.callSoon((broker) => broker.health()).catch((error: unknown) => ({ error }))),
  )
  const [first] = answers
  const none = answers.every((answer) => 'error' in answer)
  if (none && first !== undefined && 'error' in first) throw first.error
  return mergeHealth(answers)
}
