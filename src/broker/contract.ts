// The seam between Offstage and where jobs are kept. A broker is a message half, a record half, what it can do as
// data, and a way to open and close it. The laws in `laws/` say what each call means; every broker passes them.
import type { MessageHalf } from './message.ts'
import type { RecordHalf } from './records.ts'

/** What a broker can do, as data: the laws' suite and the table in the docs read it, and nothing branches on a name. */
export interface Capabilities {
  /** Which crash an accepted job survives: none, that of the process, that of the machine (power). */
  readonly durability: 'none' | 'process' | 'machine'
  /** Other processes can work on the same jobs. */
  readonly shared: boolean
  /** `wake` crosses processes; else the others find work by polling. */
  readonly wakesOthers: boolean
  /** Where it does not: how often the others are to look, in ms. Default 200. */
  readonly pollMs?: number | undefined
  /** The broker can be down while its clients live, so outages are told from crashes (law 3). */
  readonly outages: boolean
  /** It has a record half of its own. */
  readonly records: boolean
  /** Enqueue and settle inside the user's own transaction. */
  readonly transactions: boolean
  /**
   * Every other call waits while such a transaction is open, since the store has one lock for writing; absent where
   * others go on. Nothing inside such a transaction may wait for another call.
   */
  readonly exclusiveTransactions?: boolean | undefined
  /** How many shards the namespace is spread over; absent for one. Atomic and in order is what shares a shard. */
  readonly shards?: number | undefined
}

export interface BrokerHealth {
  /** Broker time. */
  readonly now: number
  /** Where the jobs are: a path, or a host and port. Never a secret. */
  readonly location: string
  /** What is behind it: engine and version. */
  readonly engine: string
  /** The durability setting in force, in the broker's own words. */
  readonly durability: string
  /** What a person should know, one sentence each; empty when all is well. */
  readonly warnings: readonly string[]
  /** Facts to show: sizes, schema version, settings. Never a secret. */
  readonly facts: { readonly [name: string]: string | number }
}

export interface Broker extends MessageHalf, RecordHalf {
  /** `sqlite`, `memory`, … For messages only. */
  readonly name: string
  readonly namespace: string
  readonly capabilities: Capabilities

  /**
   * Connects and brings the store up to date. Called by: the app, once, before the first other call; a broker object
   * does nothing before it. Safe to repeat after a rejection.
   */
  open(): Promise<void>

  /** Ends all waits, finishes what is under way and frees everything. Later calls reject with BROKER_CLOSED. Repeatable. */
  close(): Promise<void>

  /** Called by: `offstage status` and `offstage doctor`. */
  health(): Promise<BrokerHealth>
}

export type * from './message.ts'
export type { PlacingBroker } from './placing.ts'
export type * from './records.ts'
export type { Success, TransactingBroker } from './transacting.ts'
