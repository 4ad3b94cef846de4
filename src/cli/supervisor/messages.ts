// What a supervisor and its children say to each other, over the channel of the child process: signals from the terminal
// reach both, and Windows has none to send. The user's own messages on that channel are left alone.
import type { Health } from '../probe/health.ts'

/** Set for a child, which takes it away again, so that what the child starts is not taken for one. */
export const SUPERVISED = 'OFFSTAGE_SUPERVISED'

export type ToChild =
  /** End as at SIGTERM. */
  | { readonly offstage: 'drain' }
  /** Answer with a `pong`. */
  | { readonly offstage: 'ping' }

export type FromChild =
  /** It claims jobs from now on. */
  | { readonly offstage: 'ready' }
  /** It has reached a limit of its own and goes on until it is drained. */
  | { readonly offstage: 'replace'; readonly reason: string }
  | { readonly offstage: 'pong'; readonly health: Health }

export function asToChild(message: unknown): ToChild | undefined {
  return kindOf(message) === 'drain' || kindOf(message) === 'ping' ? (message as ToChild) : undefined
}

export function asFromChild(message: unknown): FromChild | undefined {
  const kind = kindOf(message)
  return kind === 'ready' || kind === 'replace' || kind === 'pong' ? (message as FromChild) : undefined
}

function kindOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'offstage' in message
    ? message.offstage
    : undefined
}
