// What all actors of a worker share.
import type { Clock } from '../runtime/clock.ts'
import type { LogFields, Logger } from '../runtime/logger.ts'
import type { Concurrency } from './concurrency.ts'
import type { WorkerSettings } from './options.ts'
import type { PatientBroker } from './patient.ts'

export interface WorkerEnv {
  /** `host:pid:random`: unique a process and start. */
  readonly worker: string
  readonly broker: PatientBroker
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: WorkerSettings
  readonly concurrency: Pick<Concurrency, 'now'>
}

/** Full jitter over an exponential back-off. */
export function backoffMs(errorsInARow: number, maxMs: number): number {
  return Math.ceil(Math.random() * Math.min(maxMs, 50 * 2 ** Math.min(errorsInARow, 16)))
}

/** The user's logger, kept from breaking the failure path it is called in: what it throws becomes a process warning. */
export function steadyLogger(logger: Logger): Logger {
  return {
    debug: steady(logger, 'debug'),
    info: steady(logger, 'info'),
    warn: steady(logger, 'warn'),
    error: steady(logger, 'error'),
  }
}

function steady(logger: Logger, level: keyof Logger): Logger['info'] {
  return (first: string | LogFields, second?: string) => {
    try {
      if (typeof first === 'string') logger[level](first)
      else logger[level](first, second)
    } catch {
      // What was thrown may be hostile itself, so it is not looked at.
      process.emitWarning(`the logger threw at level ${level}`, 'OffstageWarning')
    }
  }
}
