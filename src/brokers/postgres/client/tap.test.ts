import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { type Row, tapOf } from './tap.ts'

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function dataRow(...values: (Buffer | null)[]): Buffer {
  const parts: Buffer[] = [Buffer.from([0, values.length])]
  for (const value of values) {
    const length = Buffer.alloc(4)
    length.writeInt32BE(value?.length ?? -1)
    parts.push(length, value ?? Buffer.alloc(0))
  }
  return message('D', Buffer.concat(parts))
}

const rows = [
  [Buffer.from([0, 255, 128]), null, Buffer.alloc(0)],
  [Buffer.alloc(70_000, 0xfe), Buffer.from('x'), null],
]
const begins = [message('1', Buffer.alloc(0)), message('T', Buffer.from('fields'))]
const ends = [message('C', Buffer.from('SELECT 2\0')), message('Z', Buffer.from('I'))]
const all = Buffer.concat([...begins, ...rows.map((row) => dataRow(...row)), ...ends])

function setup(): { stream: PassThrough; heard: () => Buffer; write: (data: Buffer) => void } {
  const stream = new PassThrough()
  const parts: Buffer[] = []
  stream.on('data', (data: Buffer) => parts.push(data))
  return {
    stream,
    heard: () => Buffer.concat(parts),
    write: (data) => void stream.emit('data', data),
  }
}

test.each([1, 3, 7, 4_096, 65_536, all.length])('rows are taken out of chunks of %i bytes', (size) => {
  const { stream, heard, write } = setup()
  const tap = tapOf(stream)
  let signs = 0
  tap.onData(() => signs++)
  const taken: Row[] = []
  tap.collect(taken)
  for (let at = 0; at < all.length; at += size) write(all.subarray(at, at + size))
  expect(taken).toEqual(rows)
  expect(heard()).toEqual(Buffer.concat([...begins, ...ends]))
  expect(signs).toBe(Math.ceil(all.length / size))
})

test('all messages pass where nobody collects', () => {
  const { stream, heard, write } = setup()
  const tap = tapOf(stream)
  expect(tapOf(stream)).toBe(tap)
  write(all.subarray(0, 100))
  write(all.subarray(100))
  tap.collect([])
  tap.collect(undefined)
  write(all)
  expect(heard()).toEqual(Buffer.concat([all, all]))
})
