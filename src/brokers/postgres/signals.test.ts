// Proves that what may have been missed is looked for, also by a claim that had left before.
import { expect, test } from 'vitest'
import { systemClock } from '../../runtime/clock.ts'
import type { PostgresClient } from './client/client.ts'
import { Signals } from './signals.ts'

test('a claim that left before something was missed does not count as a look', async () => {
  let missed = (): void => undefined
  const client = {
    listen: (_channel: string, _heard: unknown, told: () => void) => {
      missed = told
      return { ready: () => new Promise<void>(() => undefined), deaf: false, stop: () => undefined }
    },
  } as unknown as PostgresClient
  const space = { client, schema: 'offstage', namespace: 'default' }
  const signals = new Signals({ space, clock: systemClock, pollMs: 1_000 })
  const never = new AbortController().signal
  signals.drained(['mail'], signals.mark())
  const sentAt = signals.mark()
  missed()
  signals.drained(['mail'], sentAt)
  await signals.wait(['mail'], never)
  signals.drained(['mail'], signals.mark())
  let woken = false
  const waiting = signals.wait(['mail'], never).then(() => {
    woken = true
  })
  await new Promise(setImmediate)
  expect(woken).toBe(false)
  await signals.close()
  await waiting
})
