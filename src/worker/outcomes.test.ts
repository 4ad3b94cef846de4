import { describe, expect, test } from 'vitest'
import type { ReservedJob } from '../broker/message.ts'
import { NonRetryable, RetryAfter, Snooze } from '../errors/control.ts'
import { OffstageError } from '../errors/error.ts'
import { encodeJson } from '../job/codec.ts'
import { abortedEnding, failureEnding, outcomeOf } from './outcomes.ts'

const policy = { attempts: 3, baseMs: 100, maxMs: 1_000 }

function job(fields: Partial<ReservedJob> = {}): ReservedJob {
  return {
    id: 'a',
    version: 1,
    task: 'work',
    queue: 'default',
    priority: 5,
    input: encodeJson(1),
    token: 7,
    failures: 0,
    crashes: 0,
    suspect: false,
    createdAt: 0,
    ...fields,
  }
}

describe('what a handler throws', () => {
  test('anything is a failed attempt with a back-off', () => {
    for (const thrown of [new Error('x'), 'x', null, undefined, { code: 5 }]) {
      const ending = failureEnding(job(), policy, thrown, 'handler')
      expect(ending.kind).toBe('retry')
      if (ending.kind === 'retry') expect(ending.delayMs).toBeLessThanOrEqual(100)
    }
  })

  test('the last attempt makes a dead letter, and crashes count as attempts', () => {
    for (const used of [{ failures: 2 }, { crashes: 2 }, { failures: 1, crashes: 1 }]) {
      expect(failureEnding(job(used), policy, new Error('x'), 'handler')).toMatchObject({
        kind: 'failed',
        reason: 'attempts-exhausted',
        error: { message: 'x' },
      })
    }
    expect(failureEnding(job({ failures: 1 }), policy, new Error('x'), 'handler').kind).toBe('retry')
  })

  test('NonRetryable, RetryAfter and Snooze, by code', () => {
    expect(failureEnding(job(), policy, new NonRetryable('gone'), 'handler')).toMatchObject({
      kind: 'failed',
      reason: 'non-retryable',
    })
    expect(failureEnding(job(), policy, new RetryAfter('10s'), 'handler')).toMatchObject({
      kind: 'retry',
      delayMs: 10_000,
    })
    expect(failureEnding(job(), policy, new Snooze('5m'), 'handler')).toEqual({
      kind: 'snoozed',
      delayMs: 300_000,
    })
    expect(failureEnding(job(), policy, { code: 'SNOOZE', delay: 7 }, 'handler')).toEqual({
      kind: 'snoozed',
      delayMs: 7,
    })
  })

  test('RetryAfter burns an attempt, Snooze does not', () => {
    const last = job({ failures: 2 })
    expect(failureEnding(last, policy, new RetryAfter(1), 'handler')).toMatchObject({
      reason: 'attempts-exhausted',
    })
    expect(failureEnding(last, policy, new Snooze(1), 'handler').kind).toBe('snoozed')
  })

  test.each(['soon', -1, Number.NaN, {}, null])('a delay that is none (%s) leaves the back-off', (delay) => {
    for (const code of ['SNOOZE', 'RETRY_AFTER']) {
      const ending = failureEnding(job(), policy, { code, delay }, 'handler')
      expect(ending).toMatchObject({ kind: 'retry' })
      if (ending.kind === 'retry') expect(ending.delayMs).toBeLessThanOrEqual(100)
    }
  })

  test('codes of input and output mean nothing in a handler', () => {
    for (const code of ['INPUT_INVALID', 'PAYLOAD_UNREADABLE', 'NOT_JSON', 'OUTPUT_INVALID'] as const) {
      expect(failureEnding(job(), policy, new OffstageError(code, 'x'), 'handler').kind).toBe('retry')
    }
  })
})

describe('input and output', () => {
  test('unreadable and invalid inputs end the job', () => {
    const of = (code: 'PAYLOAD_UNREADABLE' | 'INPUT_INVALID') =>
      failureEnding(job(), policy, new OffstageError(code, 'x'), 'input')
    expect(of('PAYLOAD_UNREADABLE')).toMatchObject({ kind: 'failed', reason: 'unreadable' })
    expect(of('INPUT_INVALID')).toMatchObject({ kind: 'failed', reason: 'non-retryable' })
  })

  test.each(['OUTPUT_INVALID', 'NOT_JSON', 'PAYLOAD_TOO_LARGE'] as const)('%s ends the job', (code) => {
    expect(failureEnding(job(), policy, new OffstageError(code, 'x'), 'output')).toMatchObject({
      kind: 'failed',
      reason: 'non-retryable',
    })
  })

  test('anything else there is a failed attempt', () => {
    expect(failureEnding(job(), policy, new TypeError('x'), 'input').kind).toBe('retry')
    expect(failureEnding(job(), policy, { code: 'toString' }, 'output').kind).toBe('retry')
  })
})

describe('an aborted attempt', () => {
  const aborted = (code: 'ATTEMPT_TIMEOUT' | 'JOB_CANCELLED' | 'LEASE_LOST' | 'WORKER_STOPPED') =>
    new OffstageError(code, code)
  const rejected = { error: new Error('aborted by signal') }

  test('a timeout is a failed attempt, and keeps what the handler said', () => {
    expect(abortedEnding(job(), policy, aborted('ATTEMPT_TIMEOUT'), rejected)).toMatchObject({
      kind: 'retry',
      error: { code: 'ATTEMPT_TIMEOUT', cause: { message: 'aborted by signal' } },
    })
    const reason = aborted('ATTEMPT_TIMEOUT')
    expect(abortedEnding(job(), policy, reason, { error: reason })).toMatchObject({
      error: { code: 'ATTEMPT_TIMEOUT' },
    })
    expect(abortedEnding(job({ failures: 2 }), policy, reason)).toMatchObject({
      reason: 'attempts-exhausted',
    })
  })

  test('cancelled, lost and stopped ones burn nothing', () => {
    expect(abortedEnding(job(), policy, aborted('JOB_CANCELLED'), rejected)).toEqual({ kind: 'cancelled' })
    expect(abortedEnding(job(), policy, aborted('LEASE_LOST'), rejected)).toEqual({ kind: 'released' })
    expect(abortedEnding(job(), policy, aborted('WORKER_STOPPED'))).toEqual({ kind: 'released' })
  })

  test('what the handler asks for by code is heard', () => {
    const asks = { error: new NonRetryable('gone') }
    expect(abortedEnding(job(), policy, aborted('WORKER_STOPPED'), asks).kind).toBe('failed')
    expect(abortedEnding(job(), policy, aborted('ATTEMPT_TIMEOUT'), { error: new Snooze(5) })).toEqual({
      kind: 'snoozed',
      delayMs: 5,
    })
    expect(abortedEnding(job(), policy, aborted('JOB_CANCELLED'), asks).kind).toBe('cancelled')
  })
})

test('an outcome carries id, token and, where the attempt began, its time', () => {
  const ref = { id: 'a', token: 7 }
  expect(outcomeOf(ref, { kind: 'released' }, undefined)).toEqual({ ...ref, kind: 'released' })
  const result = encodeJson(1)
  expect(outcomeOf(ref, { kind: 'succeeded', result }, 3)).toEqual({
    ...ref,
    kind: 'succeeded',
    result,
    ranMs: 3,
  })
  expect(outcomeOf(ref, { kind: 'snoozed', delayMs: 1 }, 3)).toEqual({
    ...ref,
    kind: 'snoozed',
    delayMs: 1,
    ranMs: 3,
  })
})
