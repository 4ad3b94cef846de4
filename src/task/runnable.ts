// What a worker knows of a task, with the types erased: how to read an input, run it, and write its result.

import type { Limit } from '../broker/records.ts'
import { OffstageError } from '../errors/error.ts'
import { decodeJson } from '../job/codec.ts'
import { checkSerialisable } from '../job/json.ts'
import type { Payload, RetryPolicy } from '../job/record.ts'
import type { Batching } from './batch.ts'
import type { TaskContext } from './context.ts'
import { type Definition, isImplemented, type Remote } from './definition.ts'
import { encodeText } from './prepare.ts'

export interface RunnableTask {
  readonly name: string
  readonly queue: string
  readonly retry: RetryPolicy
  /** Aborts the context's signal that long after the start; absent means never. */
  readonly timeoutMs?: number | undefined
  /** Absent means the default of several. */
  readonly maxCrashes?: number | undefined
  /** For the task, across all workers. */
  readonly limit?: Limit | undefined
  /** For each partition of the task's queue. */
  readonly partitionLimit?: Limit | undefined
  /**
   * Bytes to the value that the handler gets: decoded, then through the schema with its transforms. A promise of it
   * where the schema is asynchronous.
   * @throws PAYLOAD_UNREADABLE, INPUT_INVALID: both end the job, since no retry can mend them
   */
  readInput(payload: Payload): unknown
  /**
   * The handler's answer to bytes: through the output schema, written as JSON, within the limit of size.
   * @throws OUTPUT_INVALID, NOT_JSON, PAYLOAD_TOO_LARGE: they end the job
   */
  writeOutput(value: unknown): Payload | Promise<Payload>
  /** This or `batch`. */
  run?: ((input: unknown, ctx: TaskContext) => unknown) | undefined
  readonly batch?: Batching | undefined
  /** All three are done in a thread or process, by the definition that is made there. */
  readonly remote?: Remote | undefined
}

/**
 * @throws TASK_NOT_IMPLEMENTED for a definition without a handler
 */
export function toRunnable(definition: Definition, maxPayloadBytes: number): RunnableTask {
  const { name, queue, retry, timeoutMs, maxCrashes, limit, partitionLimit, parseInput, parseOutput } =
    definition
  if (!isImplemented(definition)) {
    throw new OffstageError(
      'TASK_NOT_IMPLEMENTED',
      `task '${name}' was defined but not implemented in this process; import the module that calls implement()`,
      { details: { task: name } },
    )
  }
  const write = (value: unknown): Payload => {
    checkSerialisable(value, 'result')
    const text = value === undefined ? undefined : JSON.stringify(value)
    return encodeText(text, 'result', name, maxPayloadBytes)
  }
  return {
    name,
    queue,
    retry,
    timeoutMs,
    maxCrashes,
    limit,
    partitionLimit,
    readInput: (payload) => {
      const value = decodeJson(payload)
      return parseInput === undefined ? value : parseInput(value)
    },
    writeOutput: (value) => {
      const parsed = parseOutput === undefined ? value : parseOutput(value)
      return parsed instanceof Promise ? parsed.then(write) : write(parsed)
    },
    run: definition.run,
    batch: definition.batch,
    remote: definition.remote,
  }
}
