// Arrays in PostgreSQL's binary form: number of dimensions, whether there are nulls, type of the elements, length and lower
// bound; then each element with its length before it, -1 for null. One parameter carries a column of hundreds of jobs.
// (PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_recv and array_send.)

/** Types of elements by their object ids, which are the same on every server. */
const OID = { bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, text: 25 } as const
const HEAD = 20
const EMPTY = 12

type Maybe<T> = T | null | undefined

export function packTexts(values: readonly Maybe<string>[]): Buffer {
  let size = HEAD
  for (const value of values) size += 4 + (value == null ? 0 : Buffer.byteLength(value))
  const buffer = head(OID.text, values.length, size)
  let at = HEAD
  for (const value of values) {
    if (value == null) at = buffer.writeInt32BE(-1, at)
    else {
      const length = buffer.write(value, at + 4)
      buffer.writeInt32BE(length, at)
      at += 4 + length
    }
  }
  return buffer
}

export function packBytes(values: readonly Maybe<Uint8Array>[]): Buffer {
  let size = HEAD
  for (const value of values) size += 4 + (value == null ? 0 : value.length)
  const buffer = head(OID.bytea, values.length, size)
  let at = HEAD
  for (const value of values) {
    if (value == null) at = buffer.writeInt32BE(-1, at)
    else {
      at = buffer.writeInt32BE(value.length, at)
      buffer.set(value, at)
      at += value.length
    }
  }
  return buffer
}

export function packShorts(values: readonly Maybe<number>[]): Buffer {
  return packNumbers(OID.int2, 2, values, (buffer, value, at) => buffer.writeInt16BE(value, at))
}

export function packInts(values: readonly Maybe<number>[]): Buffer {
  return packNumbers(OID.int4, 4, values, (buffer, value, at) => buffer.writeInt32BE(value, at))
}

/** Whole numbers of up to 53 bits. */
export function packLongs(values: readonly Maybe<number>[]): Buffer {
  return packNumbers(OID.int8, 8, values, (buffer, value, at) => {
    buffer.writeInt32BE(Math.floor(value / 4_294_967_296), at)
    return buffer.writeUInt32BE(value >>> 0, at + 4)
  })
}

export function packBools(values: readonly boolean[]): Buffer {
  return packNumbers(
    OID.bool,
    1,
    values.map((value) => (value ? 1 : 0)),
    (buffer, value, at) => buffer.writeUInt8(value, at),
  )
}

function packNumbers(
  oid: number,
  width: number,
  values: readonly Maybe<number>[],
  write: (buffer: Buffer, value: number, at: number) => number,
): Buffer {
  const buffer = head(oid, values.length, HEAD + values.length * (4 + width))
  let at = HEAD
  for (const value of values) {
    if (value == null) at = buffer.writeInt32BE(-1, at)
    else at = write(buffer, value, buffer.writeInt32BE(width, at))
  }
  return at === buffer.length ? buffer : buffer.subarray(0, Math.max(at, EMPTY))
}

function head(oid: number, count: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(count === 0 ? EMPTY : size)
  buffer.writeInt32BE(count === 0 ? 0 : 1, 0)
  buffer.writeInt32BE(1, 4)
  buffer.writeInt32BE(oid, 8)
  if (count === 0) return buffer
  buffer.writeInt32BE(count, 12)
  buffer.writeInt32BE(1, 16)
  return buffer
}

function read<T>(
  array: Buffer | null | undefined,
  each: (buffer: Buffer, at: number, length: number) => T,
): (T | null)[] {
  if (array == null || array.readInt32BE(0) === 0) return []
  const count = array.readInt32BE(12)
  const values = new Array<T | null>(count)
  let at = HEAD
  for (let i = 0; i < count; i++) {
    const length = array.readInt32BE(at)
    at += 4
    values[i] = length < 0 ? null : each(array, at, length)
    if (length > 0) at += length
  }
  return values
}

/** Empty for no array at all. */
export function readTexts(array: Buffer | null | undefined): (string | null)[] {
  return read(array, (buffer, at, length) => buffer.toString('utf8', at, at + length))
}

/** Views of the answer: nothing is copied. */
export function readBytes(array: Buffer | null | undefined): (Uint8Array | null)[] {
  return read(array, (buffer, at, length) => new Uint8Array(buffer.buffer, buffer.byteOffset + at, length))
}

/** Of any width. */
export function readNumbers(array: Buffer | null | undefined): (number | null)[] {
  return read(array, number)
}

function number(buffer: Buffer, at: number, length: number): number {
  if (length === 4) return buffer.readInt32BE(at)
  if (length === 2) return buffer.readInt16BE(at)
  if (length === 8) return buffer.readInt32BE(at) * 4_294_967_296 + buffer.readUInt32BE(at + 4)
  return buffer.readUInt8(at)
}

// ── single values ────────────────────────────────────────────────────────────────────────────────────────────────

export function readNumber(value: Buffer | null | undefined): number | undefined {
  return value == null ? undefined : number(value, 0, value.length)
}

export function readText(value: Buffer | null | undefined): string | undefined {
  return value?.toString('utf8')
}

export function readBool(value: Buffer | null | undefined): boolean {
  return value?.[0] === 1
}
