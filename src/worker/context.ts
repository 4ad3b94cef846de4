// What a handler is given beside its input. Everything is made when it is first asked for, since most handlers ask
// for little.
import type { LogLevel } from '../broker/records.ts'
import type { Transaction } from '../broker/transactions/shapes.ts'
import { OffstageError } from '../errors/error.ts'
import { decodeJson, encodeJson } from '../job/codec.ts'
import { bounds, defaultMaxPayloadBytes } from '../job/defaults.ts'
import { checkSerialisable } from '../job/json.ts'
import type { Payload } from '../job/record.ts'
import { cleanText, storedError } from '../job/stored-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { BatchItem, JobInfo, JobLog, TaskContext } from '../task/context.ts'
import type { Attempt } from './attempt.ts'
import type { Completer } from './completer.ts'
import type { Notes } from './notes.ts'

export interface ContextTools {
  readonly clock: Clock
  readonly logger: Logger
  readonly notes: Pick<Notes, 'progress' | 'log'>
  readonly completer: Pick<Completer, 'complete'>
}

/** What stands beside the input, and, where the job is one of a batch, the input too. */
export class JobContext implements BatchItem {
  readonly input: unknown
  readonly #attempt: Attempt
  readonly #tools: ContextTools
  #job: JobInfo | undefined = undefined
  #log: JobLog | undefined = undefined

  constructor(attempt: Attempt, tools: ContextTools, input: unknown) {
    this.input = input
    this.#attempt = attempt
    this.#tools = tools
  }

  get job(): JobInfo {
    this.#job ??= jobInfo(this.#attempt, this.#tools.logger)
    return this.#job
  }

  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  get clock(): Clock {
    return this.#tools.clock
  }

  /** A getter, so that `const { progress } = ctx` works. */
  get progress(): (value: unknown) => void {
    return (value) => {
      const payload = progressPayload(value)
      if (this.#mayWrite()) this.#tools.notes.progress(this.#attempt.claim, payload)
    }
  }

  /** A getter, as `progress`. */
  get complete(): TaskContext['complete'] {
    return async (tx: Transaction, result?: unknown): Promise<never> => {
      await this.#tools.completer.complete(this.#attempt, tx, result)
      return result as never
    }
  }

  get log(): JobLog {
    this.#log ??= {
      debug: (message) => this.#say('debug', message),
      info: (message) => this.#say('info', message),
      warn: (message) => this.#say('warn', message),
      error: (message) => this.#say('error', message),
    }
    return this.#log
  }

  #say(level: LogLevel, message: unknown): void {
    const text = cleanText(
      typeof message === 'string' ? message : storedError(message).message,
      bounds.logText,
    )
    const { job, claim } = this.#attempt
    this.#tools.logger[level]({ job: job.id, task: job.task, attempt: claim.attempt }, text)
    if (this.#mayWrite()) this.#tools.notes.log(this.#attempt.claim, level, text)
  }

  /** An attempt that is over writes nothing: another may be under way. */
  #mayWrite(): boolean {
    if (!this.#attempt.ended) return true
    const { id, task } = this.#attempt.job
    this.#tools.logger.debug({ job: id, task }, 'a note of an attempt that is over was refused')
    return false
  }
}

function progressPayload(value: unknown): Payload {
  checkSerialisable(value, 'progress')
  const payload = encodeJson(value)
  if (payload.bytes.length <= defaultMaxPayloadBytes) return payload
  throw new OffstageError(
    'PAYLOAD_TOO_LARGE',
    `the progress has ${payload.bytes.length} bytes; at most ${defaultMaxPayloadBytes} are kept`,
  )
}

function jobInfo(attempt: Attempt, logger: Logger): JobInfo {
  const { job } = attempt
  return {
    id: job.id,
    task: job.task,
    queue: job.queue,
    partition: job.partition,
    priority: job.priority,
    attempt: attempt.claim.attempt,
    token: job.token,
    createdAt: new Date(job.createdAt),
    headers: job.headers ?? {},
    tags: job.tags ?? [],
    workflow: job.workflow,
    node: job.node,
    progress: readProgress(attempt, logger),
  }
}

/** Damaged progress is as good as none: the attempt starts from the beginning. */
function readProgress({ job }: Attempt, logger: Logger): unknown {
  if (job.progress === undefined) return undefined
  try {
    return decodeJson(job.progress)
  } catch (error) {
    logger.warn(
      { job: job.id, task: job.task, error: storedError(error) },
      'the progress of a job cannot be read',
    )
    return undefined
  }
}
