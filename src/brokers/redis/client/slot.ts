// The slot of a key in a cluster: CRC16 (XMODEM) of what stands in its first braces, else of all of it, of 16,384.

const SLOTS = 16_384
const MAX_KNOWN = 4_096
/** Keys are few (one a shard), and each call asks. */
const known = new Map<string, number>()

export function slotOf(key: string): number {
  const slot = known.get(key)
  if (slot !== undefined) return slot
  if (known.size >= MAX_KNOWN) known.clear()
  const made = crc16(tagOf(key)) % SLOTS
  known.set(key, made)
  return made
}

function tagOf(key: string): string {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  return open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key
}

function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc
}
