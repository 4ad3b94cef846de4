// Brokers whose store is brought up to date in numbered steps, which a person may want to see and to run.
import type { Broker } from './contract.ts'

export interface MigrationStep {
  readonly version: number
  readonly name: string
}

/** What a store is at. */
export interface StoreState {
  /** Where it is, for people: host, database, schema. No credentials. */
  readonly location: string
  /** 0 where nothing is there. */
  readonly version: number
  /** What this library brings it to. */
  readonly latest: number
  /** The oldest version whose library may use it. */
  readonly readableBy: number
  readonly pending: readonly MigrationStep[]
}

export interface MigratingBroker extends Broker {
  /**
   * Looks, and changes nothing. The broker need not be open.
   *
   * @throws STORE_TOO_NEW, OPTION_INVALID for another namespace, BROKER_*
   */
  storeState(): Promise<StoreState>

  /**
   * Brings the store up to date; answers what was there before. One process at a time does it, and others wait. The broker
   * need not be open.
   *
   * @throws as `storeState`, and BROKER_FORBIDDEN where the user may not
   */
  migrateStore(): Promise<StoreState>

  /**
   * What brings a store from that version to the latest, as a script; empty where nothing is to be done. Nothing is asked.
   *
   * @throws OPTION_INVALID
   */
  migrationSql(from: number): string
}

export function isMigrating(broker: Broker): broker is MigratingBroker {
  return 'storeState' in broker && 'migrateStore' in broker && 'migrationSql' in broker
}
