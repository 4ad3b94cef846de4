// A job as people and programs read it: its record with the payloads decoded.
import { decodeJson } from '../job/codec.ts'
import type { JobRecord, Payload, StoredError } from '../job/record.ts'

type PayloadField = 'input' | 'result' | 'progress'

/** A job at one moment. Times are epoch milliseconds of the broker's clock. */
export interface JobSnapshot<Out = unknown> extends Omit<JobRecord, PayloadField> {
  readonly input: unknown
  /** Present once it has succeeded. */
  readonly result?: Out | undefined
  /** What the handler last passed to `ctx.progress`. */
  readonly progress?: unknown
  /** Payloads whose bytes cannot be read here; they are `undefined` above. */
  readonly unreadable?: readonly PayloadField[] | undefined
}

export function toSnapshot<Out>(record: JobRecord): JobSnapshot<Out> {
  const { input, result, progress, ...rest } = record
  const unreadable: PayloadField[] = []
  const read = (field: PayloadField, payload: Payload): unknown => {
    try {
      return decodeJson(payload)
    } catch {
      // A damaged payload must not hide the rest of the job; the field says so.
      unreadable.push(field)
      return undefined
    }
  }
  return {
    ...rest,
    input: read('input', input),
    ...(result !== undefined && { result: read('result', result) as Out }),
    ...(progress !== undefined && { progress: read('progress', progress) }),
    ...(unreadable.length > 0 && { unreadable }),
  }
}

/** A stored error as an Error again, with its name, code, stack and causes. */
export function toError(stored: StoredError): Error {
  const cause = stored.cause === undefined ? undefined : toError(stored.cause)
  const error = new Error(stored.message, cause === undefined ? undefined : { cause })
  Object.defineProperties(error, {
    name: { value: stored.name, configurable: true, writable: true },
    stack: { value: stored.stack ?? `${stored.name}: ${stored.message}`, configurable: true, writable: true },
    ...(stored.code !== undefined && { code: { value: stored.code, enumerable: true, configurable: true } }),
  })
  return error
}
