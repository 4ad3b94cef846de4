// Ids as the store has them: a canonical UUID takes 17 bytes instead of 36. Other ids are their own UTF-8; since ids
// have no control characters, the byte 1 before a packed one tells the two apart.
import type { ByteWriter } from './bytes.ts'

const PACKED = 1
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The value of a hexadecimal digit by its character code; 255 for what is none. */
const DIGITS = new Uint8Array(128).fill(255)
for (const [value, digit] of [...'0123456789abcdef'].entries()) DIGITS[digit.charCodeAt(0)] = value
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Writes an id with its length before it. */
export function writeId(writer: ByteWriter, id: string): void {
  if (id.length !== 36 || !UUID.test(id)) {
    writer.text16(id)
    return
  }
  writer.u16(17)
  writer.u8(PACKED)
  for (let at = 0; at < 36; at += 2) {
    if (id.charCodeAt(at) === 45) at += 1
    writer.u8(((DIGITS[id.charCodeAt(at)] ?? 0) << 4) | (DIGITS[id.charCodeAt(at + 1)] ?? 0))
  }
}

export function packId(id: string): Buffer {
  if (id.length !== 36 || !UUID.test(id)) return Buffer.from(id, 'utf8')
  return Buffer.from(`01${id.replaceAll('-', '')}`, 'hex')
}

export function unpackId(bytes: Buffer): string {
  if (bytes[0] !== PACKED || bytes.length !== 17) return bytes.toString('utf8')
  let id = ''
  for (let at = 1; at < 17; at += 1) {
    id += HEX[bytes[at] ?? 0]
    if (at === 4 || at === 6 || at === 8 || at === 10) id += '-'
  }
  return id
}
