import { describe, expect, test } from 'vitest'
import type { LogFields, Logger } from './logger.ts'
import { ManualClock } from './manual-clock.ts'
import { Loop } from './service.ts'

interface Bench {
  readonly clock: ManualClock
  readonly loop: Loop
  readonly lines: [level: string, text: string][]
  readonly turns: () => number
}

function bench(turn: (count: number, signal: AbortSignal) => Promise<number>, maxBackoffMs?: number): Bench {
  const clock = new ManualClock()
  const lines: [string, string][] = []
  const log =
    (level: string) =>
    (first: string | LogFields, text?: string): void => {
      lines.push([level, text ?? String(first)])
    }
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  let count = 0
  const loop = new Loop({
    name: 'the test',
    clock,
    logger,
    turn: (signal) => {
      count += 1
      return turn(count, signal)
    },
    maxBackoffMs,
  })
  return { clock, loop, lines, turns: () => count }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a loop', () => {
  test('turns at once, and again after the wait that a turn asks for', async () => {
    const { clock, loop, turns } = bench(async () => 100)
    loop.start()
    loop.start()
    await settle()
    expect([turns(), loop.lastSuccessAt]).toEqual([1, clock.now()])
    clock.advance(99)
    await settle()
    expect(turns()).toBe(1)
    clock.advance(1)
    await settle()
    expect(turns()).toBe(2)
    await loop.stop()
    expect(clock.waiting).toBe(0)
  })

  test('a nudge ends the wait, also one that comes during the turn', async () => {
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const { loop, turns } = bench(async (count) => {
      if (count === 2) await gate
      return 60_000
    })
    loop.start()
    await settle()
    loop.nudge()
    await settle()
    expect(turns()).toBe(2)
    loop.nudge()
    release()
    await settle()
    expect(turns()).toBe(3)
    await loop.stop()
  })

  test('goes on after errors with a bounded wait, says the first aloud and the end of them once', async () => {
    const { clock, loop, lines, turns } = bench(async (count) => {
      if (count <= 12) throw new Error(`error ${count}`)
      return 60_000
    }, 200)
    loop.start()
    await settle()
    for (let turn = 1; turn <= 12; turn += 1) {
      expect([turns(), loop.errorsInARow, loop.lastSuccessAt]).toEqual([turn, turn, undefined])
      clock.advance(200)
      await settle()
    }
    expect([turns(), loop.errorsInARow, loop.lastSuccessAt]).toEqual([13, 0, clock.now()])
    expect(lines.map(([level]) => level)).toEqual(['error', ...Array(11).fill('debug'), 'info'])
    await loop.stop()
  })

  test('an error never makes it turn without a pause', async () => {
    const { loop, turns } = bench(async () => {
      throw new Error('always')
    })
    loop.start()
    for (let look = 0; look < 20; look += 1) await settle()
    expect(turns()).toBe(1)
    await loop.stop()
  })

  test('stop aborts the signal, waits for the turn under way, and no turn follows', async () => {
    let ended = false
    const { loop, turns } = bench(async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      await settle()
      ended = true
      return 0
    })
    loop.start()
    await settle()
    await loop.stop()
    expect([ended, turns()]).toEqual([true, 1])
    loop.start()
    loop.nudge()
    await settle()
    expect(turns()).toBe(1)
    await loop.stop()
  })

  test('an error of a turn that was told to stop is no trouble to report', async () => {
    const { loop, lines } = bench(async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      throw new Error('aborted')
    })
    loop.start()
    await settle()
    await loop.stop()
    expect(lines).toEqual([])
  })

  test('stop before start does nothing, and then it never starts', async () => {
    const { loop, turns } = bench(async () => 0)
    await loop.stop()
    loop.start()
    await settle()
    expect(turns()).toBe(0)
  })
})
