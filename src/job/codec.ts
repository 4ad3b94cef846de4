// Values to bytes and back. JSON is the only format that is read: no revival of types, no prototype tricks.
// A value is refused where JSON would change it, so that a handler gets what was sent or nothing.
import { OffstageError } from '../errors/error.ts'
import type { Payload } from './record.ts'

export const JSON_CODEC = 0

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })
const UNDEFINED: Payload = { codec: JSON_CODEC, bytes: new Uint8Array(0) }

/** JSON bytes of a value that has passed `checkJson`. `undefined` has no bytes at all. */
export function encodeJson(value: unknown): Payload {
  if (value === undefined) return UNDEFINED
  return { codec: JSON_CODEC, bytes: encoder.encode(JSON.stringify(value)) }
}

/**
 * The value of a payload.
 *
 * @throws PAYLOAD_UNREADABLE for damaged bytes or an unknown codec
 */
export function decodeJson(payload: Payload): unknown {
  if (payload.codec !== JSON_CODEC) {
    throw new OffstageError(
      'PAYLOAD_UNREADABLE',
      `the payload was written with codec ${payload.codec}, which is not registered here`,
    )
  }
  if (payload.bytes.length === 0) return undefined
  try {
    return JSON.parse(decoder.decode(payload.bytes)) as unknown
  } catch (cause) {
    throw new OffstageError(
      'PAYLOAD_UNREADABLE',
      `the ${payload.bytes.length} bytes of the payload are not JSON`,
      { cause },
    )
  }
}
