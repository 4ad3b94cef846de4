import { expect, test } from 'vitest'
import { decodeJson, encodeJson } from '../../job/codec.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { Notes } from './notes.ts'
import type { FromGuest } from './protocol.ts'

function make() {
  const clock = new ManualClock()
  const said: unknown[] = []
  const send = (message: FromGuest): void => {
    said.push(message.kind === 'progress' ? decodeJson(message.value) : message)
  }
  return { clock, said, notes: new Notes({ send }, clock) }
}

test('the first progress leaves at once, the latest after a pause', () => {
  const { clock, said, notes } = make()
  for (let i = 1; i <= 100; i += 1) notes.progress(undefined, encodeJson(i))
  expect(said).toEqual([1])
  clock.advance(60)
  expect(said).toEqual([1, 100])
  clock.advance(60)
  notes.progress(undefined, encodeJson('later'))
  expect(said).toEqual([1, 100, 'later'])
})

test('what computes without a pause reports at the next call that is late enough', () => {
  const { said, notes, clock } = make()
  notes.progress(undefined, encodeJson(1))
  notes.progress(undefined, encodeJson(2))
  clock.advance(49)
  notes.progress(undefined, encodeJson(3))
  expect(said).toEqual([1])
})

test('what was held back leaves before the end, and once', () => {
  const { said, notes, clock } = make()
  notes.progress(undefined, encodeJson(1))
  notes.progress(undefined, encodeJson(2))
  notes.flush()
  notes.flush()
  clock.advance(1_000)
  expect(said).toEqual([1, 2])
})

test('every line leaves at once', () => {
  const { said, notes } = make()
  notes.log(undefined, 'info', 'one')
  notes.log(undefined, 'warn', 'two')
  expect(said).toEqual([
    { kind: 'log', level: 'info', text: 'one' },
    { kind: 'log', level: 'warn', text: 'two' },
  ])
})
