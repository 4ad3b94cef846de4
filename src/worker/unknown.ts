// Jobs that this worker cannot run: their task or the version of their record is unknown here, as in a rolling deploy.
// They are put back with a delay for a worker that knows them, and are dead letters when none has come for long.
import { OffstageError } from '../errors/error.ts'
import { RECORD_VERSION } from '../job/record.ts'
import { storedError } from '../job/stored-error.ts'
import { formatMs } from '../runtime/durations.ts'
import type { Attempt } from './attempt.ts'
import type { WorkerEnv } from './env.ts'
import type { Ending } from './outcomes.ts'

const SAY_AGAIN_MS = 60_000
const MIN_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000
/** A store may hold any number of unknown names; beyond this the memory of what was said starts anew. */
const MAX_NAMES = 1_000

export class Unknown {
  readonly #env: WorkerEnv
  readonly #said = new Map<string, number>()

  constructor(env: WorkerEnv) {
    this.#env = env
  }

  /** How an attempt ends that cannot be run here; undefined for one that can. */
  ending({ job, claim, task }: Attempt): Ending | undefined {
    if (job.version > RECORD_VERSION) {
      return this.#putBack(
        claim.claimedAt - (job.unknownSince ?? claim.claimedAt),
        `version ${job.version} of '${job.task}'`,
        new OffstageError(
          'RECORD_VERSION_UNKNOWN',
          `the job's record has version ${job.version}; this worker reads up to ${RECORD_VERSION}`,
        ),
      )
    }
    if (task !== undefined) return undefined
    return this.#putBack(
      claim.claimedAt - (job.unknownSince ?? claim.claimedAt),
      `'${job.task}'`,
      new OffstageError('TASK_UNKNOWN', `this worker has no task '${job.task}'`),
    )
  }

  #putBack(unknownMs: number, what: string, cause: OffstageError): Ending {
    const { unknownAfterMs } = this.#env.settings
    const error = storedError(cause)
    const over = unknownMs >= unknownAfterMs
    this.#say(
      what,
      over
        ? `no worker knew ${what} for ${formatMs(unknownMs)}: its jobs become dead letters`
        : `${cause.message}; it is put back, and is a dead letter after ${formatMs(unknownAfterMs - unknownMs)}`,
    )
    if (over) return { kind: 'failed', reason: 'unknown-task', error }
    // The longer nobody has known it, the rarer it is tried, but never beyond the end.
    const usual = Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, unknownMs / 4)) * (1 + Math.random() / 4)
    return { kind: 'unknown', delayMs: Math.ceil(Math.min(usual, unknownAfterMs - unknownMs)), error }
  }

  #say(what: string, text: string): void {
    const now = this.#env.clock.monotonic()
    const said = this.#said.get(what)
    if (said !== undefined && now - said < SAY_AGAIN_MS) return
    if (this.#said.size >= MAX_NAMES) this.#said.clear()
    this.#said.set(what, now)
    this.#env.logger.warn({ worker: this.#env.worker }, text)
  }
}
