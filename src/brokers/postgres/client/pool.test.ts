import { beforeEach, describe, expect, test } from 'vitest'
import { OffstageError } from '../../../errors/error.ts'
import { ManualClock } from '../../../runtime/manual-clock.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'
import { Pool } from './pool.ts'

interface Fake extends Pick<Connection, 'hold' | 'destroy' | 'end' | 'ended'> {
  open: boolean
  held: boolean
}

function fake(): Fake & Connection {
  let finish = (): void => undefined
  const ended = new Promise<void>((resolve) => {
    finish = resolve
  })
  const made: Fake = {
    open: true,
    held: false,
    ended,
    hold: (hold) => {
      made.held = hold
    },
    destroy: () => {
      made.open = false
      finish()
    },
    end: async () => {
      made.open = false
      finish()
    },
  }
  return made as Fake & Connection
}

const CLOSED = new OffstageError('BROKER_CLOSED', 'closed')
const REFUSED = unavailable('refused')

let clock: ManualClock
let dials: number
/** What the next attempts come to; then connections. */
let failures: OffstageError[]

beforeEach(() => {
  clock = new ManualClock()
  dials = 0
  failures = []
})

function pool(max = 2): Pool {
  return new Pool({
    clock,
    max,
    waitMs: 2_000,
    dial: async () => {
      dials += 1
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      return fake()
    },
  })
}

/** Lets what has been resolved go on. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

async function advance(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 10) {
    clock.advance(10)
    await settle()
  }
}

const take = async (from: Pool): Promise<Fake & Connection> => (await from.take()) as Fake & Connection

const outcome = (taken: Promise<Connection>): Promise<string> =>
  taken.then(
    () => 'taken',
    (error: OffstageError) => error.code,
  )

describe('a pool', () => {
  test('makes as many connections as are wanted, and no more than it may', async () => {
    const connections = pool()
    const taken = [connections.take(), connections.take(), connections.take()]
    const first = await (taken[0] as Promise<Connection>)
    await taken[1]
    expect([dials, connections.waiting]).toEqual([2, 1])
    connections.give(first)
    expect(await taken[2]).toBe(first)
    expect(dials).toBe(2)
  })

  test('serves in the order in which callers came, the one used last first', async () => {
    const connections = pool()
    const [a, b] = [await take(connections), await take(connections)]
    expect([a.held, b.held]).toEqual([true, true])
    connections.give(a)
    connections.give(b)
    expect([a.held, b.held]).toEqual([false, false])
    expect(await connections.take()).toBe(b)
  })

  test('drops what has died, and makes another', async () => {
    const connections = pool(1)
    const a = await take(connections)
    const waiting = connections.take()
    a.destroy(REFUSED)
    connections.give(a)
    expect(await waiting).not.toBe(a)
    const b = (await waiting) as Fake & Connection
    connections.give(b)
    b.open = false
    b.destroy(REFUSED)
    await settle()
    expect(await connections.take()).not.toBe(b)
  })

  test('gives up what lies idle where one has gone silent', async () => {
    const connections = pool()
    const [a, b] = [await take(connections), await take(connections)]
    connections.give(a)
    connections.suspect(REFUSED)
    expect([a.open, b.open]).toEqual([false, true])
  })

  test('lets connections go that nobody has used for long', async () => {
    const connections = pool()
    const a = await take(connections)
    connections.give(a)
    await advance(61_000)
    expect(a.open).toBe(false)
    expect(await outcome(connections.take())).toBe('taken')
  })
})

describe('a server that is away', () => {
  test('is tried again and again by one, and waited for', async () => {
    const connections = pool(4)
    failures = [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]
    const taken = [connections.take(), connections.take(), connections.take()]
    await settle()
    const first = dials
    await advance(1_500)
    expect(dials - first).toBeLessThan(10)
    expect(await Promise.all(taken.map(outcome))).toEqual(['taken', 'taken', 'taken'])
  })

  test('is told of when it stays away, and is still tried for those who come then', async () => {
    const connections = pool()
    failures = Array.from({ length: 50 }, () => REFUSED)
    const first = outcome(connections.take())
    await advance(2_010)
    expect(await first).toBe('BROKER_UNAVAILABLE')
    const before = dials
    await advance(10_000)
    expect(dials - before).toBeLessThanOrEqual(1)
    const second = outcome(connections.take())
    failures = []
    await advance(600)
    expect(await second).toBe('taken')
  })

  test('and refuses a password is not waited for', async () => {
    const connections = pool()
    failures = [new OffstageError('BROKER_AUTH', 'no')]
    expect(await outcome(connections.take())).toBe('BROKER_AUTH')
  })

  test('for new connections only keeps nobody from those that are there', async () => {
    const connections = pool()
    const a = await connections.take()
    failures = Array.from({ length: 50 }, () => unavailable('too many connections'))
    const waiting = outcome(connections.take())
    await advance(3_000)
    expect(connections.waiting).toBe(1)
    connections.give(a)
    expect(await waiting).toBe('taken')
  })
})

test('closing ends all of it', async () => {
  const connections = pool(1)
  const a = await take(connections)
  const waiting = outcome(connections.take())
  await connections.close(CLOSED)
  expect(await waiting).toBe('BROKER_CLOSED')
  expect(a.open).toBe(false)
  expect(await outcome(connections.take())).toBe('BROKER_CLOSED')
})
