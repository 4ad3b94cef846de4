import { expect, test } from 'vitest'
import { OffstageError } from '../../../errors/error.ts'
import { ManualClock } from '../../../runtime/manual-clock.ts'
import { Waiters } from './waiters.ts'

const away = new OffstageError('BROKER_UNAVAILABLE', 'away')
const wrong = new OffstageError('BROKER_AUTH', 'wrong')
const closed = new OffstageError('BROKER_CLOSED', 'closed')
const hopeless = ({ retryable }: OffstageError): boolean => !retryable

type Found = { value: number } | { failure: OffstageError | undefined }

test('what is there already, what comes, and what does not', async () => {
  const clock = new ManualClock()
  const waiters = new Waiters(clock)
  let found: Found = { value: 1 }
  expect(await waiters.wait<{ value: number }>(() => found, 100, hopeless)).toEqual({ value: 1 })
  found = { failure: away }
  const comes = waiters.wait<{ value: number }>(() => found, 100, hopeless)
  waiters.look()
  found = { value: 2 }
  waiters.look()
  expect(await comes).toEqual({ value: 2 })
  found = { failure: away }
  const late = waiters.wait<{ value: number }>(() => found, 100, hopeless)
  clock.advance(100)
  await expect(late).rejects.toBe(away)
  found = { failure: undefined }
  const silent = waiters.wait<{ value: number }>(() => found, 100, hopeless)
  clock.advance(100)
  await expect(silent).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
  found = { failure: wrong }
  await expect(waiters.wait<{ value: number }>(() => found, 100, hopeless)).rejects.toBe(wrong)
  expect(clock.waiting).toBe(0)
})

test('closing ends all waits, and those that come later', async () => {
  const clock = new ManualClock()
  const waiters = new Waiters(clock)
  const found: Found = { failure: away }
  const waiting = waiters.wait<{ value: number }>(() => found, 100, hopeless)
  waiters.close(closed)
  await expect(waiting).rejects.toBe(closed)
  await expect(waiters.wait<{ value: number }>(() => found, 100, hopeless)).rejects.toBe(closed)
  expect(clock.waiting).toBe(0)
})

test('a limit', async () => {
  const clock = new ManualClock()
  const waiters = new Waiters(clock)
  expect(await waiters.limit(Promise.resolve(1), 100, away)).toBe(1)
  await expect(waiters.limit(Promise.reject(wrong), 100, away)).rejects.toBe(wrong)
  const never = waiters.limit(new Promise(() => undefined), 100, away)
  clock.advance(100)
  await expect(never).rejects.toBe(away)
  expect(clock.waiting).toBe(0)
})
