// Ids as the store has them: a canonical UUID takes 17 bytes instead of 36. Other ids are their own UTF-8; since ids
// have no control characters, the byte 1 before a packed one tells the two apart.
import { type ByteReader, ByteWriter } from './bytes.ts'

const PACKED = 1
const PACKED_BYTES = 17

/** Writes an id with its length before it. */
export function writeId(writer: ByteWriter, id: string): void {
  if (id.length === 36) {
    writer.u16(PACKED_BYTES)
    writer.u8(PACKED)
    if (writer.uuid(id)) return
    writer.back(3)
  }
  writer.text16(id)
}

export function packId(id: string): Buffer {
  const writer = new ByteWriter()
  writeId(writer, id)
  return writer.take().subarray(2)
}

export function unpackId(bytes: Buffer): string {
  if (bytes[0] !== PACKED || bytes.length !== PACKED_BYTES) return bytes.toString('utf8')
  return withDashes(bytes.toString('hex', 1))
}

/** Reads an id with its length before it. */
export function readId(reader: ByteReader): string {
  const length = reader.u16()
  if (length !== PACKED_BYTES) return reader.text(length)
  const hex = reader.hex(PACKED_BYTES)
  return hex.startsWith('01') ? withDashes(hex.slice(2)) : Buffer.from(hex, 'hex').toString('utf8')
}

function withDashes(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
