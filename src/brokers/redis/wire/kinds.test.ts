import { expect, test } from 'vitest'
import { Kinds } from './kinds.ts'

test('the latest word on a number counts, since a server may have lost what it said before', () => {
  const kinds = new Kinds()
  expect(kinds.get(1)).toEqual({ queue: '?', task: '?' })
  kinds.learn([1, Buffer.from('line\nsend'), 2, Buffer.from('line\nread')])
  kinds.learn([1, Buffer.from('other\nwrite')])
  expect(kinds.get(1)).toEqual({ queue: 'other', task: 'write' })
  expect(kinds.get(2)).toEqual({ queue: 'line', task: 'read' })
})

test('what is no number of a kind is passed over', () => {
  const kinds = new Kinds()
  kinds.learn([Buffer.from('line\nsend'), Buffer.from('1'), Buffer.from('last'), Buffer.from('1')])
  expect(kinds.get(1)).toEqual({ queue: '?', task: '?' })
})
