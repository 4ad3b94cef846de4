// Packing values for the scripts, and reading what they have packed: numbers big-endian, as `struct` in Lua has them.

const FIRST_BYTES = 1_024
const DASH = 45
const NONE = 255

/** The value of a hexadecimal digit in lower case by its character code. */
const DIGITS = new Uint8Array(128).fill(NONE)
for (const [value, digit] of [...'0123456789abcdef'].entries()) DIGITS[digit.charCodeAt(0)] = value

/** Grows as it is written. One object may be used again after `take`. */
export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  u8(value: number): void {
    this.#room(1)
    this.#buffer[this.#length] = value
    this.#length += 1
  }

  u16(value: number): void {
    this.#room(2)
    const buffer = this.#buffer
    buffer[this.#length] = value >>> 8
    buffer[this.#length + 1] = value
    this.#length += 2
  }

  u32(value: number): void {
    this.#room(4)
    this.#put32(value)
  }

  /** A time in milliseconds. */
  u48(value: number): void {
    this.#room(6)
    this.#length = this.#buffer.writeUIntBE(value, this.#length, 6)
  }

  /** A sequence number or a token, below 2^53. */
  u56(value: number): void {
    this.#room(7)
    const high = Math.floor(value / 0x1_0000_0000)
    const buffer = this.#buffer
    buffer[this.#length] = high >>> 16
    buffer[this.#length + 1] = high >>> 8
    buffer[this.#length + 2] = high
    this.#length += 3
    this.#put32(value - high * 0x1_0000_0000)
  }

  f64(value: number): void {
    this.#room(8)
    this.#length = this.#buffer.writeDoubleBE(value, this.#length)
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    const { length } = bytes
    if (length === 0) return
    this.#room(length)
    this.#buffer.set(bytes, this.#length)
    this.#length += length
  }

  /** A canonical UUID of 36 characters as its 16 bytes; false, and nothing written, for any other text. */
  uuid(text: string): boolean {
    this.#room(16)
    const buffer = this.#buffer
    let at = this.#length
    for (let i = 0; i < 36; i += 2) {
      if (i === 8 || i === 13 || i === 18 || i === 23) {
        if (text.charCodeAt(i) !== DASH) return false
        i += 1
      }
      const high = DIGITS[text.charCodeAt(i)] ?? NONE
      const low = DIGITS[text.charCodeAt(i + 1)] ?? NONE
      if (high === NONE || low === NONE) return false
      buffer[at] = (high << 4) | low
      at += 1
    }
    this.#length = at
    return true
  }

  /** Takes back the last bytes. */
  back(bytes: number): void {
    this.#length -= bytes
  }

  /** A text of at most 65,535 bytes, with its length before it. */
  text16(text: string): void {
    this.#room(2 + text.length * 3)
    const bytes = this.#buffer.write(text, this.#length + 2, 'utf8')
    this.#buffer.writeUInt16BE(bytes, this.#length)
    this.#length += 2 + bytes
  }

  text32(text: string): void {
    this.#room(4 + text.length * 3)
    const bytes = this.#buffer.write(text, this.#length + 4, 'utf8')
    this.#buffer.writeUInt32BE(bytes, this.#length)
    this.#length += 4 + bytes
  }

  /** Bytes with their length before them. */
  bytes16(bytes: Uint8Array): void {
    this.u16(bytes.length)
    this.raw(bytes)
  }

  bytes32(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.raw(bytes)
  }

  /** Writes a length of four bytes before what `write` writes. */
  sized32(write: () => void): void {
    this.u32(0)
    const start = this.#length
    write()
    this.#buffer.writeUInt32BE(this.#length - start, start - 4)
  }

  /** What was written; the writer begins anew. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length)
    this.#buffer = Buffer.allocUnsafe(Math.max(FIRST_BYTES, Math.min(this.#length, 1 << 20)))
    this.#length = 0
    return taken
  }

  #put32(value: number): void {
    const buffer = this.#buffer
    buffer[this.#length] = value >>> 24
    buffer[this.#length + 1] = value >>> 16
    buffer[this.#length + 2] = value >>> 8
    buffer[this.#length + 3] = value
    this.#length += 4
  }

  #room(bytes: number): void {
    const wanted = this.#length + bytes
    if (wanted <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

/** @throws RangeError where the bytes end before the value */
export class ByteReader {
  readonly #buffer: Buffer
  #at: number
  #end: number

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer
    this.#at = at
    this.#end = buffer.length
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#end - this.#at
  }

  u8(): number {
    const at = this.#take(1)
    return this.#byte(at)
  }

  u16(): number {
    const at = this.#take(2)
    return (this.#byte(at) << 8) | this.#byte(at + 1)
  }

  u32(): number {
    return this.#word(this.#take(4))
  }

  u48(): number {
    const at = this.#take(6)
    return ((this.#byte(at) << 8) | this.#byte(at + 1)) * 0x1_0000_0000 + this.#word(at + 2)
  }

  u56(): number {
    const at = this.#take(7)
    const high = (this.#byte(at) << 16) | (this.#byte(at + 1) << 8) | this.#byte(at + 2)
    return high * 0x1_0000_0000 + this.#word(at + 3)
  }

  f64(): number {
    return this.#buffer.readDoubleBE(this.#take(8))
  }

  raw(length: number): Buffer {
    const at = this.#take(length)
    return this.#buffer.subarray(at, at + length)
  }

  /** The next bytes as they lie in what is read: no copy. */
  view(length: number): Uint8Array {
    const at = this.#take(length)
    return new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset + at, length)
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** The next bytes in hexadecimal. */
  hex(length: number): string {
    const at = this.#take(length)
    return this.#buffer.toString('hex', at, at + length)
  }

  text(length: number): string {
    const at = this.#take(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  text16(): string {
    return this.text(this.u16())
  }

  bytes16(): Buffer {
    return this.raw(this.u16())
  }

  bytes32(): Buffer {
    return this.raw(this.u32())
  }

  rest(): Buffer {
    return this.raw(this.left)
  }

  /** Reads what has its length of four bytes before it as if it were all; whatever `read` leaves is passed over. */
  within32<T>(read: () => T): T {
    const length = this.u32()
    const before = this.#end
    const end = this.#at + length
    if (end > before) throw new RangeError('the bytes end too early')
    this.#end = end
    try {
      return read()
    } finally {
      this.#at = end
      this.#end = before
    }
  }

  #take(length: number): number {
    const at = this.#at
    if (at + length > this.#end) throw new RangeError('the bytes end too early')
    this.#at = at + length
    return at
  }

  #byte(at: number): number {
    return this.#buffer[at] as number
  }

  #word(at: number): number {
    const buffer = this.#buffer
    return (
      (buffer[at] as number) * 0x100_0000 +
      (((buffer[at + 1] as number) << 16) | ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number))
    )
  }
}
