// Takes the rows of a query off the socket in their binary form. pg can ask for binary results, and then reads each
// value as UTF-8 text, which does not survive. So while rows are collected, the messages that carry them (DataRow) are
// taken out of the stream here, and pg sees all others: it stays the one that speaks the protocol.
import type { Duplex } from 'node:stream'

/** A row: the columns' values in PostgreSQL's binary form, in order. They share memory with what the socket read. */
export type Row = readonly (Buffer | null)[]

const DATA_ROW = 0x44
/** One byte for the type, four for the length, which counts itself and not the type. */
const HEAD = 5

const taps = new WeakMap<Duplex, RowTap>()

/** The tap on a socket of pg, which stays on it. The socket has to be idle, between two messages. */
export function tapOf(stream: Duplex): RowTap {
  const known = taps.get(stream)
  if (known !== undefined) return known
  const made = new RowTap(stream)
  taps.set(stream, made)
  return made
}

export class RowTap {
  readonly #readers: ((data: Buffer) => void)[]
  #rows: Row[] | undefined
  #heard: (() => void) | undefined
  /** The beginning of a message whose end has not come. */
  #held: Buffer[] = []
  #heldBytes = 0
  #wantedBytes = HEAD

  constructor(stream: Duplex) {
    this.#readers = stream.listeners('data') as ((data: Buffer) => void)[]
    stream.on('data', (data: Buffer) => this.#read(data))
    for (const reader of this.#readers) stream.removeListener('data', reader)
  }

  /** From now on rows go there; undefined: pg gets them. */
  collect(rows: Row[] | undefined): void {
    this.#rows = rows
  }

  /** Called for each sign of life. */
  onData(heard: () => void): void {
    this.#heard = heard
  }

  #read(data: Buffer): void {
    this.#heard?.()
    const bytes = this.#joined(data)
    if (bytes === undefined) return
    let at = 0
    let passedTo = 0
    let wanted = HEAD
    while (bytes.length - at >= HEAD) {
      wanted = 1 + bytes.readInt32BE(at + 1)
      if (bytes.length - at < wanted) break
      if (this.#rows !== undefined && bytes[at] === DATA_ROW) {
        this.#pass(bytes, passedTo, at)
        this.#rows.push(readRow(bytes, at + HEAD))
        passedTo = at + wanted
      }
      at += wanted
      wanted = HEAD
    }
    this.#held = at < bytes.length ? [bytes.subarray(at)] : []
    this.#heldBytes = bytes.length - at
    this.#wantedBytes = wanted
    this.#pass(bytes, passedTo, at)
  }

  /** With what was held; undefined while a message is still not whole. Joined once a message, however long it is. */
  #joined(data: Buffer): Buffer | undefined {
    if (this.#heldBytes === 0) return data
    this.#held.push(data)
    this.#heldBytes += data.length
    return this.#heldBytes < this.#wantedBytes ? undefined : Buffer.concat(this.#held, this.#heldBytes)
  }

  #pass(bytes: Buffer, from: number, to: number): void {
    if (from === to) return
    const part = bytes.subarray(from, to)
    for (const reader of this.#readers) reader(part)
  }
}

function readRow(bytes: Buffer, start: number): Row {
  let at = start + 2
  const row = new Array<Buffer | null>(bytes.readInt16BE(start))
  for (let i = 0; i < row.length; i++) {
    const length = bytes.readInt32BE(at)
    at += 4
    row[i] = length < 0 ? null : bytes.subarray(at, at + length)
    at += Math.max(0, length)
  }
  return row
}
