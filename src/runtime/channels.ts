// Names and messages of what leaves the logic: events for metrics, traces and logs go through
// node:diagnostics_channel, and cost nothing while nobody subscribes.
import { type Channel, channel } from 'node:diagnostics_channel'

export interface ChannelMessages {
  /** A job was accepted by the broker. */
  'offstage:enqueue': {
    readonly id: string
    readonly task: string
    readonly queue: string
    readonly duplicate: boolean
  }
  /** An attempt starts in this process. */
  'offstage:start': AttemptMessage
  /** An attempt ended in this process; `outcome` is what it asks the broker to record. */
  'offstage:end': AttemptMessage & {
    readonly outcome: string
    readonly ranMs: number
    readonly error?: unknown
  }
  /** The broker's answer to an outcome. */
  'offstage:settle': AttemptMessage & { readonly outcome: string; readonly answer: 'ok' | 'lost' }
  /** This worker lost its claim on a job it was running. */
  'offstage:lease-lost': AttemptMessage
  /** The event loop of a worker was blocked for longer than `warnBlock`; told when it turns again. */
  'offstage:blocked': BlockedMessage
  /** A bounded step of upkeep did something. */
  'offstage:maintain': {
    readonly promoted: number
    readonly reclaimed: number
    readonly expired: number
    readonly pruned: number
    readonly spread: number
  }
}

export interface BlockedMessage {
  readonly worker: string
  readonly blockedMs: number
  /** The job whose handler blocked it, where that could be found out. */
  readonly job?: string | undefined
  readonly task?: string | undefined
  /** `function (file:line:column)`, by the source map where there is one; absent where no stack could be had. */
  readonly place?: string | undefined
  /** The stack of that moment, the innermost call first; empty where none could be had. */
  readonly stack: readonly string[]
  /** How many attempts were running. */
  readonly running: number
}

export interface AttemptMessage {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly attempt: number
  readonly token: number
  readonly worker: string
}

export type ChannelName = keyof ChannelMessages

const channels = new Map<ChannelName, Channel>()

function get(name: ChannelName): Channel {
  const known = channels.get(name)
  if (known !== undefined) return known
  const made = channel(name)
  channels.set(name, made)
  return made
}

/** Publishes where somebody listens. The message is only made then. A subscriber that throws is Node's to report. */
export function publish<N extends ChannelName>(name: N, message: () => ChannelMessages[N]): void {
  const target = get(name)
  if (target.hasSubscribers) target.publish(message())
}

/** Listens to one channel; the answer ends it. */
export function subscribe<N extends ChannelName>(
  name: N,
  listener: (message: ChannelMessages[N]) => void,
): () => void {
  const target = get(name)
  const handler = (message: unknown): void => listener(message as ChannelMessages[N])
  target.subscribe(handler)
  return () => void target.unsubscribe(handler)
}
