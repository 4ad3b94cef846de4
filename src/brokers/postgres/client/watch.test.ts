import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../../runtime/manual-clock.ts'
import type { Connection, Statement } from './connection.ts'
import { unavailable } from './errors.ts'
import { Watch } from './watch.ts'

const ROW = [Buffer.from([0, 0, 0, 1])]

let asked: string[]
let active: boolean | 'unreachable'
let suspected: number
let watch: Watch

/** A connection that waits for an answer. */
function silent(): Connection & { open: boolean; signs: number } {
  const made = {
    open: true,
    signs: 0,
    pid: 7,
    place: { name: 'h:1/d', user: undefined, secret: undefined },
    destroy: () => {
      made.open = false
    },
  }
  return made as unknown as Connection & { open: boolean; signs: number }
}

function probe(): Connection {
  const made = {
    run: async ({ text }: Statement) => {
      asked.push(text.includes('cancel') ? 'cancel' : 'active?')
      return active === true ? [ROW] : []
    },
    end: async () => undefined,
  }
  return made as unknown as Connection
}

beforeEach(() => {
  asked = []
  active = true
  suspected = 0
  watch = new Watch({
    clock: new ManualClock(),
    silenceMs: 3_000,
    source: () => ({
      waiting: 0,
      take: () => Promise.reject(new Error('not asked')),
      give: () => undefined,
      suspect: () => {
        suspected += 1
      },
      close: async () => undefined,
    }),
    dial: () => (active === 'unreachable' ? Promise.reject(unavailable('gone')) : Promise.resolve(probe())),
  })
})

async function silence(connection: Connection): Promise<void> {
  watch.silent(connection)
  for (let i = 0; i < 30; i++) await Promise.resolve()
}

test('what the server is at is waited for, up to a limit', async () => {
  const connection = silent()
  for (let times = 0; times < 9; times++) await silence(connection)
  expect(connection.open).toBe(true)
  expect(asked).toHaveLength(9)
  await silence(connection)
  expect(connection.open).toBe(false)
  expect(asked.slice(-2)).toEqual(['active?', 'cancel'])
  // The server lives, and so may all other connections.
  expect(suspected).toBe(0)
})

test('a sign of life begins the time anew', async () => {
  const connection = silent()
  for (let times = 0; times < 25; times++) {
    await silence(connection)
    if (times % 8 === 0) connection.signs += 1
  }
  expect(connection.open).toBe(true)
})

test('a session has no limit while it is allowed', async () => {
  const connection = silent()
  watch.allow(connection)
  for (let times = 0; times < 30; times++) await silence(connection)
  expect(connection.open).toBe(true)
  watch.forbid(connection)
  await silence(connection)
  expect(connection.open).toBe(false)
})

test.each([false, 'unreachable'] as const)('what the server is not at (%s) is given up', async (answer) => {
  active = answer
  const connection = silent()
  await silence(connection)
  expect(connection.open).toBe(false)
  expect(suspected).toBe(1)
})

test('an answer that comes during the question settles it', async () => {
  active = false
  const connection = silent()
  watch.silent(connection)
  connection.signs += 1
  for (let i = 0; i < 30; i++) await Promise.resolve()
  expect(connection.open).toBe(true)
})
