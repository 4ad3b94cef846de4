// Brokers that can take part in a transaction of the user's own, on the user's own connection: jobs that are stored, and
// a success that is recorded, together with the user's rows or not at all.
import type { JobSpec } from '../job/record.ts'
import type { Broker } from './contract.ts'
import type { GroupAnswer, Outcome } from './message.ts'

export type Success = Extract<Outcome, { readonly kind: 'succeeded' }>

export interface TransactingBroker extends Broker {
  /**
   * As `enqueue`, on the user's connection and inside the user's transaction: nothing is seen by anybody else before
   * its commit, nothing is left after its rollback, and waiters are woken by the commit. A refused group leaves nothing
   * behind and the transaction whole. Jobs that run after others may need a step of upkeep after the commit. Each broker says what it takes as `tx`.
   *
   * Called by: the client, for `{ tx }`. Not repeated by it: an error inside a transaction is the user's to handle.
   * Safe to be called again in the same transaction, as `enqueue` is.
   *
   * @throws TX_INVALID for what is no transaction of this broker's database; TX_ABORTED where the transaction has
   * failed, before or by this; TX_UNSUPPORTED; both keep what the driver said as the cause
   */
  enqueueWithin(tx: unknown, groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]>

  /**
   * Records a success inside the user's transaction, with all that follows from it. `ok` says that this very call has
   * recorded it. `lost` where the token is not the job's live one, and, unlike `settle`, also where the same outcome has
   * been recorded before: otherwise a transaction that is run again would take effect twice.
   *
   * While the transaction is open, `extend`, `settle` and `maintain` of others must not wait for it, unless the broker says
   * that its transactions are exclusive: they answer `away`
   * for this one lease, or pass it over (law 12). After the commit `extend` answers `lost`, and `settle` of the same
   * success answers `ok`; after the rollback all is as it was.
   *
   * Called by: the worker, for `ctx.complete`.
   *
   * @throws as `enqueueWithin`
   */
  settleWithin(tx: unknown, outcome: Success): Promise<'ok' | 'lost'>
}

export function isTransacting(broker: Broker): broker is TransactingBroker {
  return broker.capabilities.transactions && 'enqueueWithin' in broker && 'settleWithin' in broker
}
