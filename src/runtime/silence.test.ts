import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from './manual-clock.ts'
import { Silence } from './silence.ts'

let clock: ManualClock
let waits: boolean
let alarms: number
let silence: Silence

beforeEach(() => {
  clock = new ManualClock()
  waits = true
  alarms = 0
  silence = new Silence(
    clock,
    1_000,
    () => waits,
    () => {
      alarms += 1
    },
  )
})

describe('the silence of a server', () => {
  test('is nothing where answers come soon, however many', () => {
    for (let i = 0; i < 100; i++) {
      silence.began()
      clock.advance(40)
      silence.broken()
    }
    expect([silence.takeLongestMs(), alarms]).toEqual([0, 0])
  })

  test('alarms at its limit, and again after as much more', () => {
    silence.began()
    clock.advance(999)
    expect(alarms).toBe(0)
    clock.advance(1)
    expect(alarms).toBe(1)
    clock.advance(1_000)
    expect(alarms).toBe(2)
  })

  test('is told while it lasts, and once when it is over', () => {
    silence.began()
    clock.advance(700)
    expect(silence.takeLongestMs()).toBe(700)
    clock.advance(200)
    silence.broken()
    expect(silence.takeLongestMs()).toBe(900)
    expect(silence.takeLongestMs()).toBe(0)
  })

  test('is not the time in which nobody waited', () => {
    silence.began()
    silence.broken()
    waits = false
    clock.advance(60_000)
    expect(clock.waiting).toBe(0)
    waits = true
    silence.began()
    clock.advance(10)
    silence.broken()
    expect([silence.takeLongestMs(), alarms]).toEqual([0, 0])
  })

  test('goes on where others waited before, and ends with stop', () => {
    silence.began()
    clock.advance(500)
    silence.goesOn()
    clock.advance(500)
    expect(alarms).toBe(1)
    silence.stop()
    expect(clock.waiting).toBe(0)
    silence.goesOn()
    expect(clock.waiting).toBe(1)
  })

  test('does not take a pause of this process for the server’s', () => {
    // A clock whose timers come late, as in a process that stood still for a minute.
    let now = 0
    const timers: (() => void)[] = []
    const stalled = new Silence(
      {
        now: () => now,
        monotonic: () => now,
        schedule: (_, run) => {
          timers.push(run)
          return { cancel: () => undefined }
        },
      },
      1_000,
      () => true,
      () => {
        alarms += 1
      },
    )
    stalled.began()
    now = 60_000
    timers.shift()?.()
    stalled.broken()
    expect([alarms, stalled.takeLongestMs()]).toEqual([0, 0])
  })
})
