import { expect, test } from 'vitest'
import { deferred, turns } from '../../../test/support/worker-kit.ts'
import type { Host } from './host.ts'
import { Pool } from './pool.ts'
import type { Done, Request } from './protocol.ts'

const request: Request = { kind: 'call', module: 'file:///a.js', name: 'a', args: [] }
const last: Done = { kind: 'done', ok: true, value: 1 }

/** A host whose requests end when the test says so. */
function fake() {
  const runs: { readonly end: () => void; readonly fail: (error: unknown) => void; killed: boolean }[] = []
  let closed = 0
  const host: Host = {
    start: () => {
      const { promise, resolve, reject } = deferred<Done>()
      const run = { end: () => resolve(last), fail: reject, killed: false }
      runs.push(run)
      return {
        done: promise,
        abort: () => undefined,
        kill: () => {
          run.killed = true
        },
      }
    },
    close: async () => {
      closed += 1
    },
  }
  let opened = 0
  const open = async (): Promise<Host> => {
    opened += 1
    return host
  }
  return { open, runs, opened: () => opened, closed: () => closed }
}

const start = (place: Awaited<ReturnType<Pool['enter']>>) => place?.start(request, () => undefined)

test('opens its host at the first use, and once', async () => {
  const { open, opened } = fake()
  const pool = new Pool(2, open)
  await turns()
  expect(opened()).toBe(0)
  await Promise.all([pool.enter(undefined), pool.enter(undefined)])
  expect(opened()).toBe(1)
})

test('a host that could not be opened takes no place, and is opened again', async () => {
  const { open, opened } = fake()
  let refused = false
  const pool = new Pool(1, async () => {
    if (refused) return open()
    refused = true
    throw new Error('not now')
  })
  await expect(pool.enter(undefined)).rejects.toThrow('not now')
  expect(await pool.enter(undefined)).toBeDefined()
  expect(opened()).toBe(1)
})

test('places go to who has waited longest, however a request ends', async () => {
  const { open, runs } = fake()
  const pool = new Pool(1, open)
  const order: number[] = []
  const enter = async (n: number) => {
    const place = await pool.enter(undefined)
    order.push(n)
    return place
  }
  const entering = [1, 2, 3, 4, 5].map(enter)
  const [first, second, third, fourth] = entering
  start(await first)
  await turns()
  expect(order).toEqual([1])
  runs[0]?.end()
  const failing = start(await second)
  runs[1]?.fail(new Error('gone'))
  await expect(failing?.done).rejects.toThrow('gone')
  start(await third)?.kill()
  expect(runs[2]?.killed).toBe(true)
  const place = await fourth
  place?.leave()
  // A place that was left is not left again.
  place?.leave()
  await turns()
  expect(order).toEqual([1, 2, 3, 4, 5])
  let sixth = false
  void enter(6).then(() => {
    sixth = true
  })
  await turns()
  expect(sixth).toBe(false)
})

test('who is aborted while waiting gets no place, and takes none', async () => {
  const { open, runs } = fake()
  const pool = new Pool(1, open)
  start(await pool.enter(undefined))
  const ending = new AbortController()
  const waiting = pool.enter(ending.signal)
  ending.abort()
  expect(await waiting).toBeUndefined()
  expect(await pool.enter(ending.signal)).toBeUndefined()
  runs[0]?.end()
  expect(await pool.enter(undefined)).toBeDefined()
})

test('once it is shut nobody enters, and what runs goes on', async () => {
  const { open, runs, closed } = fake()
  const pool = new Pool(1, open)
  const running = start(await pool.enter(undefined))
  const waiting = pool.enter(undefined)
  pool.shut()
  expect(await waiting).toBeUndefined()
  expect(await pool.enter(undefined)).toBeUndefined()
  runs[0]?.end()
  expect(await running?.done).toEqual(last)
  await pool.close()
  expect(closed()).toBe(1)
})

test('one that was never used has nothing to close', async () => {
  const { open, opened } = fake()
  await new Pool(1, open).close()
  expect(opened()).toBe(0)
})

test('a request that could not be started leaves its place', async () => {
  const pool = new Pool(1, async () => ({
    start: () => {
      throw new Error('not cloneable')
    },
    close: async () => undefined,
  }))
  const place = await pool.enter(undefined)
  expect(() => start(place)).toThrow('not cloneable')
  expect(await pool.enter(undefined)).toBeDefined()
})
