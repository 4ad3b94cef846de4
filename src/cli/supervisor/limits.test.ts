// Proves when a child asks to be replaced: after its attempts, some fewer by chance, or above its memory; again only after
// a minute.
import { afterEach, expect, test } from 'vitest'
import { publish } from '../../runtime/channels.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { type LimitOptions, Limits } from './limits.ts'

const MIB = 1_024 ** 2

let limits: Limits
const clock = new ManualClock()
let asked: string[]
let memory: number

function start(options: Partial<LimitOptions>): void {
  asked = []
  memory = 100 * MIB
  limits = new Limits({
    clock,
    random: () => 0,
    memory: () => memory,
    ask: (reason) => asked.push(reason),
    ...options,
  })
  limits.start()
}

afterEach(() => {
  limits.stop()
  expect(clock.waiting).toBe(0)
})

function end(attempts: number): void {
  for (let i = 0; i < attempts; i += 1)
    publish('offstage:end', () => ({
      id: 'a',
      task: 't',
      queue: 'q',
      attempt: 1,
      token: 1,
      worker: 'w',
      outcome: 'succeeded',
      ranMs: 1,
    }))
}

test('after its attempts at once, and again after a minute', () => {
  start({ maxJobs: 100 })
  end(99)
  clock.advance(10_000)
  expect(asked).toEqual([])
  end(1)
  expect(asked).toEqual(['it has ended 100 attempts'])
  end(50)
  clock.advance(59_000)
  expect(asked).toHaveLength(1)
  clock.advance(3_000)
  expect(asked).toEqual(['it has ended 100 attempts', 'it has ended 150 attempts'])
})

test.each([
  [0, 100],
  [0.5, 95],
  [0.999, 91],
])('by chance of %d it is %i attempts', (chance, attempts) => {
  start({ maxJobs: 100, random: () => chance })
  end(attempts - 1)
  expect(asked).toEqual([])
  end(1)
  expect(asked).toHaveLength(1)
})

test('above its memory, once it has done something', () => {
  start({ maxMemoryBytes: 200 * MIB })
  end(1)
  clock.advance(10_000)
  expect(asked).toEqual([])
  memory = 300 * MIB
  clock.advance(2_000)
  expect(asked).toEqual(['it uses 300.0 MiB, more than the 200.0 MiB of --max-memory'])
})

test('a ceiling below what the modules take replaces nobody who is idle', () => {
  start({ maxMemoryBytes: 50 * MIB })
  clock.advance(120_000)
  expect(asked).toEqual([])
})

test('it stops with the worker', () => {
  start({ maxJobs: 1 })
  limits.stop()
  end(5)
  clock.advance(120_000)
  expect(asked).toEqual([])
})
