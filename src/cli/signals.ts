// Signals, which only the command line handles: the first one asks to drain, the second one ends the process.
import { exitCodes } from './exit.ts'

export type EndSignal = 'SIGINT' | 'SIGTERM'

export const endCodes: { readonly [S in EndSignal]: number } = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
}

export interface SignalHandlers {
  /** The first signal. */
  readonly drain: (signal: EndSignal) => void
  /** The second one, of either kind. */
  readonly end: (signal: EndSignal) => void
}

export interface SignalSource {
  on(signal: EndSignal, listener: () => void): unknown
  off(signal: EndSignal, listener: () => void): unknown
}

/** Listens until the answer is called. */
export function onSignals(handlers: SignalHandlers, source: SignalSource = process): () => void {
  let seen = false
  const listener = (signal: EndSignal) => (): void => {
    if (seen) handlers.end(signal)
    else handlers.drain(signal)
    seen = true
  }
  const listeners = [
    ['SIGINT', listener('SIGINT')],
    ['SIGTERM', listener('SIGTERM')],
  ] as const
  for (const [signal, listen] of listeners) source.on(signal, listen)
  return () => {
    for (const [signal, listen] of listeners) source.off(signal, listen)
  }
}
