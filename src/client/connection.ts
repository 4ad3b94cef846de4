// What the client knows of the app: how to get at the broker, the time, and what wraps its calls.
import type { Broker } from '../broker/contract.ts'
import { type ErrorCode, errorCodes } from '../errors/codes.ts'
import { codeOf } from '../errors/error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Middleware } from '../task/middleware.ts'

export interface Connection {
  /** Opens the broker at the first call; later ones answer the same. May be repeated after a rejection. */
  broker(): Promise<Broker>
  readonly clock: Clock
  readonly logger: Logger
  readonly middleware: readonly Middleware[]
  /** Of an input or a result, as JSON. */
  readonly maxPayloadBytes: number
}

/** True where the same call may succeed later, by the table of errors. */
export function isRetryable(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && Object.hasOwn(errorCodes, code) && errorCodes[code as ErrorCode].retryable
}
