import { describe, expect, test } from 'vitest'
import { Board } from './board.ts'

const NAMES = ['mail', 'image']

/** The two ends of a board: that of the event loop and that of the thread. */
function ends(capacity = 4): { loop: Board; thread: Board } {
  const loop = new Board(capacity, NAMES)
  return { loop, thread: new Board(capacity, NAMES, loop.memory) }
}

const waiting = { task: 'mail', state: 'waiting', started: false } as const

describe('the board of claims', () => {
  test('shows in one thread what another has written', () => {
    const { loop, thread } = ends()
    const id = `${'ü'.repeat(255)}é`
    const row = loop.add({ id, task: 'image', token: 2 ** 52 + 1, state: 'waiting', started: false })
    loop.limit(row, 1_000.5, 250)
    expect(thread.rows()).toEqual([
      {
        row,
        serial: 1,
        id,
        task: 'image',
        token: 2 ** 52 + 1,
        state: 'waiting',
        started: false,
        limitFrom: 1_000.5,
        limitMs: 250,
      },
    ])
    expect(thread.running).toBe(0)
    expect(loop.start(row)).toBe(true)
    expect(thread.read(row)).toMatchObject({ state: 'running', started: true })
    expect([thread.running, thread.busy]).toEqual([1, true])
    loop.end(row)
    expect(thread.read(row)).toMatchObject({ state: 'ended' })
    expect([thread.running, thread.busy]).toEqual([0, false])
    loop.free(row)
    expect(thread.rows()).toEqual([])
  })

  test('has as many rows as it was made with, and uses them again under other serials', () => {
    const { loop, thread } = ends(2)
    const rows = [1, 2, 3].map((token) => loop.add({ ...waiting, id: `job-${token}`, token }))
    expect(rows).toEqual([0, 1, -1])
    loop.free(0)
    const again = loop.add({ ...waiting, id: 'other', task: 'nobody knows it', token: 4 })
    expect([again, loop.serialOf(again)]).toEqual([0, 3])
    expect(thread.rows().map(({ id, task, serial }) => [id, task, serial])).toEqual([
      ['other', undefined, 3],
      ['job-2', 'mail', 2],
    ])
    expect(thread.read(-1)).toBeUndefined()
  })

  test('gives a claim that waits to whoever takes it first', () => {
    const { loop, thread } = ends()
    const [first, second] = [1, 2].map((token) => loop.add({ ...waiting, id: `job-${token}`, token })) as [
      number,
      number,
    ]
    expect(loop.start(first)).toBe(true)
    expect(thread.take(first)).toBeUndefined()
    expect(thread.take(second)).toMatchObject({ id: 'job-2', token: 2, state: 'taken' })
    expect(loop.start(second)).toBe(false)
    expect(thread.take(second)).toBeUndefined()
  })

  test('shows the ends of leases that the thread has renewed, and not those of an earlier claim', () => {
    const { loop, thread } = ends(1)
    const row = loop.add({ ...waiting, id: 'a', token: 1 })
    const old = thread.read(row)
    if (old === undefined) throw new Error('it is not there')
    thread.renewed(old, 5_000)
    expect(loop.leaseEnds(row)).toBe(5_000)
    loop.free(row)
    loop.add({ ...waiting, id: 'b', token: 2 })
    thread.renewed(old, 9_000)
    expect(loop.leaseEnds(row)).toBe(0)
  })

  test('tells whether a claim is under way, and whose answer lay there for too long', () => {
    const { loop, thread } = ends()
    expect(thread.seal()).toBe(false)
    const first = loop.ask()
    expect(loop.hear(first)).toBe(true)
    expect(thread.seal()).toBe(false)
    const second = loop.ask()
    expect([thread.seal(), thread.seal(), thread.sealed]).toEqual([true, false, true])
    const third = loop.ask()
    expect(thread.sealed).toBe(false)
    expect(loop.hear(second)).toBe(false)
    expect(loop.hear(third)).toBe(true)
  })

  test('has the answers of the loop and whose handler it calls', () => {
    const { loop, thread } = ends()
    expect([thread.answered, thread.attached, thread.current]).toEqual([0, false, -1])
    loop.answer(7, true, 12.5)
    loop.current = 3
    expect([thread.answered, thread.answeredAt]).toEqual([7, 12.5])
    expect([thread.attached, thread.current]).toEqual([true, 3])
    loop.current = -1
    expect(thread.current).toBe(-1)
  })
})
