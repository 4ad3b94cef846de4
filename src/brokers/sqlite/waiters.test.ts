// Proves that waiting for work costs no memory, and ends with the broker.
import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { sqlite } from './sqlite.ts'
import { Waiters } from './waiters.ts'

test('a hundred thousand waits leave nothing behind', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const broker = sqlite('sqlite::memory:')
  await broker.open()
  const wait = async (times: number): Promise<number> => {
    for (let n = 0; n < times; n += 1) {
      const stop = new AbortController()
      const woken = broker.wake(['mail'], stop.signal)
      stop.abort()
      await woken
    }
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = await wait(10_000)
  const after = await wait(100_000)
  expect(after - before).toBeLessThan(3_000_000)
  await broker.close()
})

test('a wait that is over has let go of its signal', async () => {
  const waiters = new Waiters(() => undefined)
  const { signal } = new AbortController()
  const first = waiters.wait(['mail'], signal)
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  waiters.tell(['mail'])
  await first
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('closing ends every wait, and later ones at once', async () => {
  const waiters = new Waiters(() => undefined)
  const { signal } = new AbortController()
  const waiting = waiters.wait(['mail'], signal)
  waiters.close()
  await Promise.all([waiting, waiters.wait(['mail'], signal)])
})
