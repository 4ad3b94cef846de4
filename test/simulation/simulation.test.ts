// The seeded simulation as a part of the tests: some hundred fresh worlds a run. `npm run simulate` runs ten thousand.
//
// OFFSTAGE_SEED is the first seed of a run to repeat; `npm run simulate -- --seed 123` tells all of one.
import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { runSeed, simulate, tell } from './run.ts'

const SEEDS = 300
const first = Number(process.env.OFFSTAGE_SEED ?? randomInt(1, 1_000_000_000))

test('all laws hold in fresh worlds', { timeout: 120_000 }, async () => {
  const { failures, seeds, dealt } = await simulate({ from: first, count: SEEDS, failures: 3 })
  console.log(`simulation: ${seeds} seeds from ${first} on`)
  expect(failures.map(tell).join('\n\n')).toBe('')
  expect(Object.keys(dealt).length).toBeGreaterThan(20)
})

test('a seed replays exactly', { timeout: 60_000 }, async () => {
  for (let seed = first; seed < first + 30; seed += 1) {
    const once = await runSeed(seed)
    const again = await runSeed(seed)
    expect(again.history.lines()).toEqual(once.history.lines())
    expect(once.history.length).toBeGreaterThan(10)
  }
})

test('worlds of different seeds differ', async () => {
  const histories = new Set<string>()
  for (let seed = first; seed < first + 10; seed += 1)
    histories.add((await runSeed(seed)).history.lines().join('\n'))
  expect(histories.size).toBe(10)
})

test('what nobody catches in a world breaks it, and the real chance and loop are given back', async () => {
  const { random } = Math
  const { setImmediate } = globalThis
  const { violation } = await runSeed(first, {
    breaks: (honest) => {
      void Promise.reject(new Error('left alone'))
      return honest
    },
  })
  expect(violation).toContain('left alone')
  expect(Math.random).toBe(random)
  expect(globalThis.setImmediate).toBe(setImmediate)
})
