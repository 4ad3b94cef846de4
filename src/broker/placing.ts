// Brokers that tell from a job's id where the job lives, such as one that spreads a namespace over shards.
import type { JobSpec } from '../job/record.ts'
import type { Broker } from './contract.ts'

export interface PlacingBroker extends Broker {
  /**
   * The id that a job with a generated id has to have, so that it lives where it belongs. The same for the same spec,
   * so that a repeated trip stores nothing twice.
   *
   * Called by: the client before each trip, for ids that it has generated and never for a user's own; schedules and
   * workflows for the ids that they make. A job under another id is refused with SHARD_MISMATCH.
   */
  place(spec: JobSpec): string

  /** Where the job of an id lives: a number of its own for each part of the store that may be away by itself. */
  shardOf(id: string): number
}

export function isPlacing(broker: Broker): broker is PlacingBroker {
  return 'place' in broker && typeof broker.place === 'function'
}
