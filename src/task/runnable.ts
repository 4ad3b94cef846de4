// What a worker knows of a task, with the types erased: how to read an input, run it, and write its result.
import type { Limit } from '../broker/records.ts'
import type { Payload, RetryPolicy } from '../job/record.ts'
import type { TaskContext } from './context.ts'

export interface RunnableTask {
  readonly name: string
  readonly queue: string
  readonly retry: RetryPolicy
  /** Aborts the context's signal that long after the start; absent means never. */
  readonly timeoutMs?: number | undefined
  /** For the task, across all workers. */
  readonly limit?: Limit | undefined
  /** For each partition of the task's queue. */
  readonly partitionLimit?: Limit | undefined
  /**
   * Bytes to the value that the handler gets: decoded, then through the schema with its transforms.
   * @throws PAYLOAD_UNREADABLE, INPUT_INVALID: both end the job, since no retry can mend them
   */
  readInput(payload: Payload): unknown
  /**
   * The handler's answer to bytes: through the output schema, checked to be JSON, within the limit of size.
   * @throws OUTPUT_INVALID, NOT_JSON, PAYLOAD_TOO_LARGE: they end the job
   */
  writeOutput(value: unknown): Payload | Promise<Payload>
  run(input: unknown, ctx: TaskContext): unknown
}
