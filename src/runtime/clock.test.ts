import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sleep, systemClock } from './clock.ts'
import { ManualClock } from './manual-clock.ts'

const MAX_TIMER_MS = 2_147_483_647

describe('sleep', () => {
  test('ends when its time is over, and not before', async () => {
    const clock = new ManualClock()
    let over = false
    const sleeping = sleep(clock, 100).then(() => {
      over = true
    })
    clock.advance(99)
    await Promise.resolve()
    expect(over).toBe(false)
    clock.advance(1)
    await sleeping
    expect(clock.waiting).toBe(0)
  })

  test('ends with the signal, leaving neither timer nor listener', async () => {
    const clock = new ManualClock()
    const stop = new AbortController()
    const removed = vi.spyOn(stop.signal, 'removeEventListener')
    const sleeping = sleep(clock, 100, { signal: stop.signal })
    expect(clock.waiting).toBe(1)
    stop.abort()
    await sleeping
    expect([clock.waiting, removed.mock.calls.length]).toEqual([0, 1])
  })

  test('does not begin where the signal has aborted', async () => {
    const clock = new ManualClock()
    await sleep(clock, 100, { signal: AbortSignal.abort() })
    expect(clock.waiting).toBe(0)
  })

  test('removes its listener when the time is over', async () => {
    const clock = new ManualClock()
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')
    const sleeping = sleep(clock, 5, { signal })
    clock.advance(5)
    await sleeping
    expect(removed).toHaveBeenCalledTimes(1)
  })
})

describe('the system’s clock', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }))
  afterEach(() => vi.useRealTimers())

  test('tells wall and monotonic time', () => {
    vi.setSystemTime(1_000_000)
    const before = systemClock.monotonic()
    vi.advanceTimersByTime(250)
    expect(systemClock.now()).toBe(1_000_250)
    expect(systemClock.monotonic() - before).toBe(250)
  })

  test('waits longer than a timer of Node can', () => {
    const run = vi.fn()
    systemClock.schedule(2.5 * MAX_TIMER_MS, run)
    vi.advanceTimersByTime(2.4 * MAX_TIMER_MS)
    expect(run).not.toHaveBeenCalled()
    vi.advanceTimersByTime(0.2 * MAX_TIMER_MS)
    expect(run).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a long wait can be cancelled after its first part', () => {
    const run = vi.fn()
    const timer = systemClock.schedule(2 * MAX_TIMER_MS, run)
    vi.advanceTimersByTime(1.5 * MAX_TIMER_MS)
    timer.cancel()
    timer.cancel()
    vi.advanceTimersByTime(MAX_TIMER_MS)
    expect(run).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a time that is past means soon', () => {
    const run = vi.fn()
    systemClock.schedule(-5, run)
    vi.advanceTimersByTime(1)
    expect(run).toHaveBeenCalledTimes(1)
  })
})

test('only timers with ref keep the process alive', () => {
  const handles = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = handles()
  const free = systemClock.schedule(60_000, () => undefined)
  expect(handles()).toBe(before)
  const kept = systemClock.schedule(60_000, () => undefined, { ref: true })
  expect(handles()).toBe(before + 1)
  free.cancel()
  kept.cancel()
  expect(handles()).toBe(before)
})

describe('a manual clock', () => {
  test('stands still, and runs what falls due in the order and at the time it falls due', () => {
    const clock = new ManualClock(1_000)
    const ran: [string, number][] = []
    const note = (name: string) => (): void => void ran.push([name, clock.now()])
    clock.schedule(30, note('c'))
    clock.schedule(10, () => {
      note('a')()
      clock.schedule(10, note('b'))
      clock.schedule(500, note('late'))
    })
    clock.schedule(30, note('d'))
    clock.schedule(20, note('off')).cancel()
    expect([clock.now(), clock.monotonic(), clock.waiting]).toEqual([1_000, 0, 3])
    clock.advance(100)
    expect(ran).toEqual([
      ['a', 1_010],
      ['b', 1_020],
      ['c', 1_030],
      ['d', 1_030],
    ])
    expect([clock.now(), clock.monotonic(), clock.waiting]).toEqual([1_100, 100, 1])
  })

  test('what has no delay waits for the next step', () => {
    const clock = new ManualClock()
    const run = vi.fn()
    clock.schedule(0, run)
    expect(run).not.toHaveBeenCalled()
    clock.advance(0)
    expect(run).toHaveBeenCalledTimes(1)
  })
})
