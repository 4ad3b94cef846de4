import { channel } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { publish, subscribe } from './channels.ts'
import { stderrLogger } from './logger.ts'

const message = { id: 'a', task: 't', queue: 'q', duplicate: false }

describe('channels', () => {
  test('nobody listens: the message is not even made', () => {
    const make = vi.fn(() => message)
    publish('offstage:enqueue', make)
    expect(make).not.toHaveBeenCalled()
  })

  test('who listens gets it until it stops', () => {
    const heard: unknown[] = []
    const stop = subscribe('offstage:enqueue', (one) => heard.push(one))
    publish('offstage:enqueue', () => message)
    stop()
    stop()
    publish('offstage:enqueue', () => message)
    expect(heard).toEqual([message])
  })

  test('is the channel that others see by its name', () => {
    const heard: unknown[] = []
    const listener = (one: unknown): void => void heard.push(one)
    channel('offstage:lease-lost').subscribe(listener)
    const lost = { id: 'a', task: 't', queue: 'q', attempt: 1, token: 2, worker: 'w' }
    publish('offstage:lease-lost', () => lost)
    channel('offstage:lease-lost').unsubscribe(listener)
    expect(heard).toEqual([lost])
  })
})

describe('the logger of who names none', () => {
  afterEach(() => vi.restoreAllMocks())

  test('writes warnings and errors as one line each, and nothing else', () => {
    const lines: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      lines.push(String(text))
      return true
    })
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    stderrLogger.debug('quiet')
    stderrLogger.info({ a: 1 }, 'quiet')
    stderrLogger.warn('careful')
    stderrLogger.error({ error: new TypeError('no\nway'), cycle, big: 5n, id: 'a b' }, 'it broke')
    expect(lines).toEqual([
      'offstage warn: careful\n',
      'offstage error: it broke error="TypeError: no\\nway" cycle=[object Object] big=[object BigInt] id="a b"\n',
    ])
  })
})
