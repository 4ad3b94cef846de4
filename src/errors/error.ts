// The one error class of the library. Users and the library itself tell errors apart by `code`, never by class,
// since two copies of a package may be loaded and errors cross threads and processes.
import { type ErrorCode, errorCodes } from './codes.ts'

export interface OffstageErrorOptions {
  readonly cause?: unknown
  /** Facts for programs: the path of a bad value, an id, a limit. Never a payload and never a secret. */
  readonly details?: { readonly [key: string]: unknown } | undefined
}

/**
 * Any error that the library raises.
 *
 * `code` is one of the table in `errors/codes.ts`, `retryable` says whether the same call may succeed later.
 */
export class OffstageError extends Error {
  override readonly name: string = 'OffstageError'
  readonly code: ErrorCode
  readonly details: { readonly [key: string]: unknown }

  constructor(code: ErrorCode, message: string, options: OffstageErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.details = options.details ?? {}
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable
  }
}

/** True for anything with this code, whichever copy of the library or which thread made it. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return codeOf(error) === code
}

/** The code of an error where it has one, the library's or another's (`ECONNREFUSED`). Never throws. */
export function codeOf(error: unknown): string | undefined {
  try {
    if (typeof error !== 'object' || error === null) return undefined
    const code = (error as { code?: unknown }).code
    return typeof code === 'string' ? code : undefined
  } catch {
    // A hostile getter is no reason to fail in the failure path: it just has no code.
    return undefined
  }
}
