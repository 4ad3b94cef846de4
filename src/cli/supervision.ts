// Between `offstage dev` and the worker that it restarts: messages over the channel of the child process, since signals
// from the terminal reach both, and Windows has none to send.
import type { EndSignal } from './signals.ts'

/** Set for the child only. */
export const SUPERVISED = 'OFFSTAGE_SUPERVISED'

export type SupervisorMessage =
  | { readonly offstage: 'drain' }
  | { readonly offstage: 'end'; readonly signal: EndSignal }

export interface SupervisedHandlers {
  readonly drain: () => void
  readonly end: (signal: EndSignal) => void
}

/**
 * In the child: listens to its supervisor, and drains when it is gone or when SIGTERM comes. Undefined in a process that
 * has none; else the answer ends the listening.
 */
export function onSupervisor(handlers: SupervisedHandlers): (() => void) | undefined {
  if (process.env[SUPERVISED] !== '1' || process.channel === undefined || process.channel === null)
    return undefined
  const onMessage = (message: unknown): void => {
    const known = asMessage(message)
    if (known?.offstage === 'drain') handlers.drain()
    else if (known !== undefined) handlers.end(known.signal)
  }
  const ignore = (): void => undefined
  process.on('message', onMessage)
  process.on('disconnect', handlers.drain)
  process.on('SIGTERM', handlers.drain)
  process.on('SIGINT', ignore)
  // The channel alone must not keep a worker alive that has ended.
  process.channel.unref()
  return () => {
    process.off('message', onMessage)
    process.off('disconnect', handlers.drain)
    process.off('SIGTERM', handlers.drain)
    process.off('SIGINT', ignore)
  }
}

function asMessage(message: unknown): SupervisorMessage | undefined {
  if (typeof message !== 'object' || message === null || !('offstage' in message)) return undefined
  return message.offstage === 'drain' || message.offstage === 'end'
    ? (message as SupervisorMessage)
    : undefined
}
