// How upkeep tells the server when its call left: by the server's own clock, as far as earlier answers have told it.
import { expect, test } from 'vitest'
import { request } from '../../laws/factories.ts'
import { Messages } from './messages.ts'
import { scripts } from './scripts.ts'
import type { Signals } from './signals.ts'
import type { Space } from './space.ts'
import { Kinds } from './wire/kinds.ts'

const BROKER_AHEAD = 1_000_000

/** A server whose clock is ahead by so much, and whose answers take their time, to come or to be read. */
function kit() {
  const state = { at: 5_000, ahead: BROKER_AHEAD, toServerMs: 1, backMs: 1, sentAt: Number.NaN }
  const client = {
    takeOutageMs: () => 0,
    run: (script: unknown, _: string, args: readonly string[]) => {
      state.at += state.toServerMs
      const now = state.at + state.ahead
      state.at += state.backMs
      if (script !== scripts.maintain) return Promise.resolve([Buffer.alloc(0), now, -1, 1, []])
      state.sentAt = Number(args[1])
      return Promise.resolve([0, 0, 0, 0, 0, 0, -1])
    },
  }
  const signals = {
    client: 'c',
    hear: () => Promise.resolve(true),
    isAlone: () => true,
    mark: () => 1,
    drained: () => undefined,
  }
  const space = { client, base: 'b', namespace: 'n', kinds: new Kinds() } as unknown as Space
  const clock = { monotonic: () => state.at } as ConstructorParameters<typeof Messages>[2]
  const messages = new Messages(space, signals as unknown as Signals, clock)
  /** By how much upkeep says that it left later than it did. */
  const lateMs = async (): Promise<number> => {
    const leftAt = state.at + state.ahead
    await messages.maintain()
    return state.sentAt - leftAt
  }
  return { state, messages, lateMs }
}

test('before any answer has told broker time, upkeep says that it does not know', async () => {
  const { state, messages } = kit()
  await messages.maintain()
  expect(state.sentAt).toBe(0)
})

test('an answer that was read late does not make a server look as if it had been away', async () => {
  const { state, messages, lateMs } = kit()
  state.backMs = 1_300
  for (let i = 0; i < 3; i++) {
    await messages.reserve(request())
    expect(await lateMs()).toBe(1)
  }
  state.backMs = 1
  await messages.reserve(request())
  state.backMs = 1_300
  await messages.reserve(request())
  expect(await lateMs()).toBe(1)
})

test('a call that was long on its way does not hide the next outage for good', async () => {
  const { state, messages, lateMs } = kit()
  state.toServerMs = 4_000
  await messages.reserve(request())
  state.toServerMs = 1
  expect(await lateMs()).toBe(4_000)
  await messages.reserve(request())
  expect(await lateMs()).toBe(1)
})

test('a clock of the server that was set is followed with the next answer', async () => {
  const { state, messages, lateMs } = kit()
  await messages.reserve(request())
  for (const step of [60_000, -90_000]) {
    state.ahead += step
    await messages.reserve(request())
    expect(await lateMs()).toBe(1)
  }
})
