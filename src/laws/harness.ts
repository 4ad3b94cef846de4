// What the author of a broker provides to have it judged: a way to open it, and, where the broker can do it, ways to
// reach the same data from elsewhere, to move its clock, to damage it and to look at its cost. What is left out is
// skipped with its reason, never silently.
import type { Broker, Capabilities } from '../broker/contract.ts'

/** How a process of its own reaches a broker's data. */
export interface ProcessLocation {
  /** URL of a module that exports `connect(options): Promise<Broker>`, which answers an opened broker. */
  readonly module: string
  /** Handed to `connect`; plain data. */
  readonly options: unknown
  /** Arguments for Node, such as `['--import', 'tsx']` where the module is TypeScript. */
  readonly execArgv?: readonly string[] | undefined
}

/** A transaction of the user's own, on a connection of its own. */
export interface UserTransaction {
  /** What `enqueueWithin` and `settleWithin` are given. */
  readonly tx: unknown
  commit(): Promise<void>
  rollback(): Promise<void>
}

export interface BrokerHarness {
  /** Shown in reports. */
  readonly name: string
  /** What the broker says of itself; told here so that skips are known before anything is opened. */
  readonly capabilities: Capabilities
  /** An opened broker on a fresh and empty namespace. The suite closes it. */
  open(): Promise<Broker>
  /**
   * A second, opened broker object on the same data, with a connection of its own. Also asked for after the first was
   * closed. The suite closes it.
   */
  readonly another?: ((broker: Broker) => Promise<Broker>) | undefined
  /** Where a process of its own finds the same data. */
  readonly location?: ((broker: Broker) => ProcessLocation) | undefined
  /** Moves broker time forward at once and fires what fell due. Absent: time passes by itself. */
  readonly advance?: ((ms: number) => void | Promise<void>) | undefined
  /** Makes the stored record of a waiting job unreadable for the broker itself. */
  readonly damage?: ((broker: Broker, id: string) => Promise<void>) | undefined
  /** Takes the broker's server away for that long, and brings it back. */
  readonly outage?: ((broker: Broker, ms: number) => Promise<void>) | undefined
  /** How many commands (statements, trips) the broker has sent to its store so far. */
  readonly commands?: ((broker: Broker) => Promise<number>) | undefined
  /**
   * Opens a transaction as the application would, on the database in which the broker keeps its jobs. The case ends it.
   */
  readonly transaction?: ((broker: Broker) => Promise<UserTransaction>) | undefined
  /** The statements of the message half that read a table from end to end by their plan, each as one line. */
  readonly scans?: ((broker: Broker) => Promise<readonly string[]>) | undefined
  /** Frees what the harness made: folders, databases. */
  readonly dispose?: (() => Promise<void>) | undefined
}

/** What a case needs from the harness or the broker. */
export type Need =
  | 'another'
  | 'process'
  | 'advance'
  | 'damage'
  | 'outage'
  | 'commands'
  | 'scans'
  | 'durable'
  | 'wakes-others'
  | 'hears'
  | 'one-shard'
  | 'transactions'
  | 'shared-transactions'

const missing: {
  readonly [N in Need]: { lacks(harness: BrokerHarness): boolean; readonly reason: string }
} = {
  another: {
    lacks: (harness) => harness.another === undefined,
    reason: 'the data cannot be reached through a second broker object',
  },
  process: {
    lacks: (harness) => harness.location === undefined,
    reason: 'the data cannot be reached from another process',
  },
  advance: {
    lacks: (harness) => harness.advance === undefined,
    reason: 'broker time cannot be moved, and waiting would take minutes',
  },
  damage: {
    lacks: (harness) => harness.damage === undefined,
    reason: 'the harness has no way to damage a stored record',
  },
  outage: {
    lacks: (harness) => harness.outage === undefined,
    reason: 'the broker has no server of its own that could be away',
  },
  commands: {
    lacks: (harness) => harness.commands === undefined,
    reason: 'the broker sends no commands that could be counted',
  },
  scans: {
    lacks: (harness) => harness.scans === undefined,
    reason: 'the broker has no query plans',
  },
  durable: {
    lacks: (harness) => harness.capabilities.durability === 'none',
    reason: 'the broker says that its jobs end with its process',
  },
  'wakes-others': {
    lacks: (harness) => !harness.capabilities.wakesOthers,
    reason: 'the broker says that it wakes nobody else; others poll',
  },
  hears: {
    lacks: ({ capabilities: { shared, wakesOthers } }) => shared && !wakesOthers,
    reason: 'the broker says that nothing is heard of its store; whoever waits polls',
  },
  transactions: {
    lacks: ({ capabilities, transaction }) => !capabilities.transactions || transaction === undefined,
    reason: "the broker takes no part in the application's transactions",
  },
  'shared-transactions': {
    lacks: ({ capabilities }) => capabilities.exclusiveTransactions === true,
    reason: 'the broker says that nobody else can write while a transaction is open',
  },
  'one-shard': {
    lacks: (harness) => (harness.capabilities.shards ?? 1) > 1,
    reason:
      'the namespace is spread over shards, and the case needs its jobs in one: their order, their whole, a limit',
  },
}

/** Why a case with these needs does not run on the harness; undefined where it does. */
export function lacking(needs: readonly Need[], harness: BrokerHarness): string | undefined {
  return needs.map((need) => missing[need]).find((entry) => entry.lacks(harness))?.reason
}
