// Proves that slips of the finger find the word that was meant, and that other words find none.
import { expect, test } from 'vitest'
import { closest, suggestion } from './closest.ts'

const commands = ['dev', 'worker', 'enqueue', 'jobs', 'queues', 'status', 'doctor']

test.each([
  ['wroker', 'worker'],
  ['enque', 'enqueue'],
  ['job', 'jobs'],
  ['JOBS', 'jobs'],
  ['stat', 'status'],
  ['dcotor', 'doctor'],
])('%s means %s', (word, meant) => {
  expect(closest(word, commands)).toBe(meant)
})

test.each(['frobnicate', 'xyz', ''])('%j means nothing that is known', (word) => {
  expect(closest(word, commands)).toBeUndefined()
  expect(suggestion(word, commands)).toBe('')
})
