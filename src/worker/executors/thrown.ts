// Whatever was thrown, on its way to another thread or process: what arrives is stored as the original would have been,
// to the fingerprint, and says the same by its code.
import { toError } from '../../client/snapshot.ts'
import type { StoredError } from '../../job/record.ts'
import { standsFor, storedError } from '../../job/stored-error.ts'

type Primitive = string | number | boolean | bigint | null | undefined

export type Thrown =
  | { readonly kind: 'value'; readonly value: Primitive }
  | {
      readonly kind: 'error'
      readonly error: StoredError
      /** Of `RetryAfter` and `Snooze`. */
      readonly delay?: number | string | undefined
      /** A code that is a number stays one. */
      readonly code?: number | undefined
    }

/** Never throws, and what it answers can be cloned. */
export function pack(thrown: unknown): Thrown {
  if (isPrimitive(thrown)) return { kind: 'value', value: thrown }
  const delay = read(thrown, 'delay')
  const code = read(thrown, 'code')
  return {
    kind: 'error',
    error: storedError(thrown),
    ...(typeof delay === 'number' || typeof delay === 'string' ? { delay } : {}),
    ...(typeof code === 'number' ? { code } : {}),
  }
}

export function unpack(thrown: Thrown): unknown {
  if (thrown.kind === 'value') return thrown.value
  const error = toError(thrown.error)
  for (const key of ['delay', 'code'] as const) {
    if (thrown[key] !== undefined) Object.defineProperty(error, key, { value: thrown[key], enumerable: true })
  }
  return standsFor(error, thrown.error)
}

function isPrimitive(value: unknown): value is Primitive {
  return value === null || !['object', 'function', 'symbol'].includes(typeof value)
}

function read(target: unknown, key: string): unknown {
  try {
    return (target as { readonly [key: string]: unknown })[key]
  } catch {
    // A hostile getter: the field is taken as absent.
    return undefined
  }
}
