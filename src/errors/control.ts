// What a handler throws to say what should happen to its job. Anything else that is thrown is a failed attempt.
import { OffstageError } from './error.ts'

export interface ControlOptions {
  readonly cause?: unknown
}

/** Retrying cannot help (a page that is gone, an address that does not exist): dead letter at once. */
export class NonRetryable extends OffstageError {
  override readonly name = 'NonRetryable'
  constructor(message: string, options: ControlOptions = {}) {
    super('NON_RETRYABLE', message, options)
  }
}

/**
 * The attempt failed, and whoever refused said when to come again: the next attempt starts after `delay`
 * (milliseconds or a string like `'10s'`) instead of after the back-off. It burns an attempt.
 */
export class RetryAfter extends OffstageError {
  override readonly name = 'RetryAfter'
  readonly delay: number | string
  constructor(delay: number | string, message = `retry after ${delay}`, options: ControlOptions = {}) {
    super('RETRY_AFTER', message, options)
    this.delay = delay
  }
}

/** Not now (a dependency is in maintenance): the job runs again after `delay` and no attempt is burnt. */
export class Snooze extends OffstageError {
  override readonly name = 'Snooze'
  readonly delay: number | string
  constructor(delay: number | string, message = `snoozed for ${delay}`, options: ControlOptions = {}) {
    super('SNOOZE', message, options)
    this.delay = delay
  }
}
