// `ctx.complete`: the success of an attempt is recorded inside a transaction of the handler's own. Whether that
// transaction was committed shows in the lease afterwards: it has ended with the job, or it lives on.
import type { ExtendAnswer, HeldLease } from '../broker/message.ts'
import type { Success } from '../broker/transacting.ts'
import { OffstageError } from '../errors/error.ts'
import type { Payload } from '../job/record.ts'
import { storedError } from '../job/stored-error.ts'
import { sleep } from '../runtime/clock.ts'
import type { Attempt } from './attempt.ts'
import { backoffMs, type WorkerEnv } from './env.ts'
import type { Notes } from './notes.ts'

const MAX_BACKOFF_MS = 1_000

/** Asks for a lease, together with others. */
type Ask = (lease: HeldLease) => Promise<ExtendAnswer>

export class Completer {
  readonly #env: WorkerEnv
  readonly #notes: Notes
  readonly #ask: Ask

  constructor(env: WorkerEnv, notes: Notes, ask: Ask) {
    this.#env = env
    this.#notes = notes
    this.#ask = ask
  }

  /** @throws LEASE_LOST, TX_*, OUTPUT_INVALID, NOT_JSON, PAYLOAD_TOO_LARGE */
  complete(attempt: Attempt, tx: unknown, value: unknown): Promise<void> {
    const completing = this.#complete(attempt, tx, value)
    // A handler that does not wait for it must not return before it.
    attempt.claim.completing = Promise.allSettled([attempt.claim.completing, completing])
    return completing
  }

  async #complete(attempt: Attempt, tx: unknown, value: unknown): Promise<void> {
    const { broker, clock } = this.#env
    const { claim, startedAt } = attempt
    const { id, token } = claim
    const { transacting } = broker
    if (transacting === undefined) {
      throw new OffstageError('TX_UNSUPPORTED', 'this broker cannot record a success inside a transaction')
    }
    const result = await this.#encode(attempt, value)
    // After the commit the broker refuses the attempt's notes.
    if (broker.capabilities.exclusiveTransactions !== true) await this.#notes.written(claim)
    if (attempt.ended) throw attempt.aborted ?? over(id)
    const ranMs = Math.round(clock.monotonic() - startedAt)
    const success: Success = { kind: 'succeeded', id, token, result, ranMs }
    if ((await transacting.settleWithin(tx, success)) === 'ok') claim.completed = { success, value }
    else throw claim.completed === undefined ? lost(id) : again(id)
  }

  async #encode(attempt: Attempt, value: unknown): Promise<Payload> {
    if (attempt.task === undefined || attempt.ended) throw attempt.aborted ?? over(attempt.job.id)
    try {
      return await attempt.task.writeOutput(value)
    } catch (error) {
      attempt.refused = error
      throw error
    }
  }

  /**
   * Whether the transaction of a handler that has returned was committed. One that is still open is given the time that
   * a handler has to heed its signal.
   */
  async committed(attempt: Attempt): Promise<boolean> {
    const { clock, settings, logger } = this.#env
    const { id, token } = attempt.claim
    let openSince: number | undefined
    for (let tries = 1; !attempt.ended; tries += 1) {
      const answer = await this.#ask({ id, token, started: true }).catch((error: unknown) => {
        const facts = { job: id, error: storedError(error) }
        const text = 'whether the transaction of a handler was committed is not known yet'
        logger[tries === 1 ? 'warn' : 'debug'](facts, text)
        return undefined
      })
      if (answer === 'lost') return true
      if (answer === 'ok' || answer === 'cancelling') return false
      if (answer === 'away') {
        openSince ??= clock.monotonic()
        if (clock.monotonic() - openSince >= settings.abandonAfterMs) return false
      }
      await sleep(clock, backoffMs(tries, MAX_BACKOFF_MS))
    }
    return false
  }
}

function lost(id: string): OffstageError {
  const message = `the lease of job '${id}' was lost: nothing of this transaction must be committed`
  return new OffstageError('LEASE_LOST', message)
}

function again(id: string): OffstageError {
  return new OffstageError('TX_INVALID', `job '${id}' has been completed before, by ctx.complete()`)
}

function over(id: string): OffstageError {
  return new OffstageError('LEASE_LOST', `the attempt of job '${id}' is over; ctx.complete() came too late`)
}
