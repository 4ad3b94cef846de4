import { expect, test } from 'vitest'
import { ManualClock } from '../../../runtime/manual-clock.ts'
import type { Connection } from './connection.ts'
import { unavailable } from './errors.ts'
import { Link } from './link.ts'

const ADDRESS = { host: 'h', port: 1 }

/** A connection that ends when it is told to. */
function connection(): { readonly connection: Connection; end(): void } {
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const nothing = (): void => undefined
  const never = (): Promise<never> => Promise.reject(new Error('not sent'))
  return {
    end: () => end(),
    connection: {
      address: ADDRESS,
      info: undefined,
      ended,
      open: true,
      why: undefined,
      send: never,
      subscribe: never,
      unsubscribe: never,
      onMessage: nothing,
      onData: nothing,
      coded: () => unavailable('gone'),
      hold: nothing,
      destroy: () => end(),
    },
  }
}

function linkTo(clock: ManualClock, connect: (limitMs?: number) => Promise<Connection>): Link {
  return new Link({
    clock,
    silenceMs: 3_000,
    holds: false,
    locate: () => Promise.resolve(ADDRESS),
    changed: () => undefined,
    connect: (_address, _signal, limitMs) => connect(limitMs),
  })
}

test.each([
  ['a quick server', 5, 1_000],
  ['a slow one', 700, 2_800],
  ['one that is reached while the process still starts', 2_600, 3_000],
])('the first attempt has the time there is, the next as much as %s needs', async (_, tookMs, wanted) => {
  const clock = new ManualClock()
  const limits: (number | undefined)[] = []
  const made: ReturnType<typeof connection>[] = []
  const link = linkTo(clock, (limitMs) => {
    limits.push(limitMs)
    clock.advance(tookMs)
    const next = connection()
    made.push(next)
    return Promise.resolve(next.connection)
  })
  link.start()
  await expect.poll(() => link.connection).toBeDefined()
  made[0]?.end()
  await expect
    .poll(() => {
      clock.advance(50)
      return limits
    })
    .toEqual([undefined, wanted])
  await link.close(unavailable('closed'))
})

test('while no attempt succeeds, the one after eight has the time there is: the network may have become slow', async () => {
  const clock = new ManualClock()
  const limits: (number | undefined)[] = []
  const first = connection()
  const link = linkTo(clock, (limitMs) => {
    limits.push(limitMs)
    return limits.length === 1 ? Promise.resolve(first.connection) : Promise.reject(unavailable('no answer'))
  })
  link.start()
  await expect.poll(() => link.connection).toBeDefined()
  first.end()
  await expect
    .poll(() => {
      clock.advance(1_000)
      return limits.length
    })
    .toBeGreaterThan(18)
  const patient = limits.flatMap((limit, attempt) => (limit === undefined ? [attempt] : []))
  expect(patient.slice(0, 3)).toEqual([0, 9, 17])
  await link.close(unavailable('closed'))
})
