// Packing values for the scripts, and reading what they have packed: numbers big-endian, as `struct` in Lua has them.

const FIRST_BYTES = 1_024

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
    this.#length = this.#buffer.writeUInt16BE(value, this.#length)
  }

  u32(value: number): void {
    this.#room(4)
    this.#length = this.#buffer.writeUInt32BE(value, this.#length)
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
    this.#buffer.writeUIntBE(high, this.#length, 3)
    this.#length = this.#buffer.writeUInt32BE(value - high * 0x1_0000_0000, this.#length + 3)
  }

  f64(value: number): void {
    this.#room(8)
    this.#length = this.#buffer.writeDoubleBE(value, this.#length)
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
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

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer
    this.#at = at
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length
  }

  u8(): number {
    const value = this.#buffer.readUInt8(this.#at)
    this.#at += 1
    return value
  }

  u16(): number {
    const value = this.#buffer.readUInt16BE(this.#at)
    this.#at += 2
    return value
  }

  u32(): number {
    const value = this.#buffer.readUInt32BE(this.#at)
    this.#at += 4
    return value
  }

  u48(): number {
    const value = this.#buffer.readUIntBE(this.#at, 6)
    this.#at += 6
    return value
  }

  u56(): number {
    const value =
      this.#buffer.readUIntBE(this.#at, 3) * 0x1_0000_0000 + this.#buffer.readUInt32BE(this.#at + 3)
    this.#at += 7
    return value
  }

  f64(): number {
    const value = this.#buffer.readDoubleBE(this.#at)
    this.#at += 8
    return value
  }

  raw(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#buffer.length) throw new RangeError('the bytes end too early')
    const bytes = this.#buffer.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  text16(): string {
    return this.raw(this.u16()).toString('utf8')
  }

  bytes16(): Buffer {
    return this.raw(this.u16())
  }

  bytes32(): Buffer {
    return this.raw(this.u32())
  }

  rest(): Buffer {
    return this.raw(this.#buffer.length - this.#at)
  }
}
