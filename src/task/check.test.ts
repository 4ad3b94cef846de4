import { expect, test } from 'vitest'
import { boundedMs, checkKnown, choice, closest, show, wholeNumber } from './check.ts'

test('an unknown option is named with the closest known one', () => {
  expect(() => checkKnown('app.task', { prioritty: 1 }, ['priority', 'queue'])).toThrow(
    "app.task: there is no option 'prioritty'; did you mean 'priority'?",
  )
  expect(() => checkKnown('app.task', { zzz: 1 }, ['priority', 'queue'])).toThrow(
    "there is no option 'zzz'; the options are priority, queue",
  )
  expect(() => checkKnown('app.task', { priority: undefined }, ['priority'])).not.toThrow()
})

test.each([[null], [undefined], ['text'], [[1]], [1], [new Map()], [Promise.resolve()]])(
  '%s is no object of options',
  (value) => {
    expect(() => checkKnown('app.task', value, ['a'])).toThrow(
      expect.objectContaining({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('is no object of options'),
      }),
    )
  },
)

test('a key named __proto__ is an unknown option like any other', () => {
  expect(() => checkKnown('x', JSON.parse('{"__proto__": {"queue": "a"}}'), ['queue'])).toThrow("'__proto__'")
})

test.each([[-1], [1.5], [11], [Number.NaN], ['5'], [null], [5n]])(
  '%s is no whole number from 0 to 10',
  (value) => {
    expect(() => wholeNumber('priority', value, 0, 10)).toThrow(
      `priority is ${show(value)}; a whole number from 0 to 10 is needed`,
    )
  },
)

test('whole numbers, choices and bounded durations', () => {
  expect(wholeNumber('n', 10, 0, 10)).toBe(10)
  expect(choice('store', 'parsed', ['input', 'parsed'])).toBe('parsed')
  expect(() => choice('store', 'both', ['input', 'parsed'])).toThrow(
    "store is 'both'; it is one of 'input', 'parsed'",
  )
  expect(boundedMs('timeout', '1s', 1)).toBe(1_000)
  expect(() => boundedMs('timeout', 0, 1)).toThrow('timeout is 0; it is at least 1 ms')
  expect(() => boundedMs('timeout', -5, 1)).toThrow(expect.objectContaining({ code: 'DURATION_INVALID' }))
})

test('closest', () => {
  expect(closest('Queue', ['queue', 'unique'])).toBe('queue')
  expect(closest('prio', ['retry', 'priority'])).toBe('priority')
  expect(closest('dealy', ['delay'])).toBe('delay')
  expect(closest('fun', ['run', 'search'])).toBe('run')
  expect(closest('handler', ['run', 'search'])).toBeUndefined()
  expect(closest('timeOut', ['timeout'])).toBe('timeout')
  expect(closest('', ['run'])).toBeUndefined()
})

test('values are shown short', () => {
  expect(show('x'.repeat(100))).toBe(`'${'x'.repeat(40)}…'`)
  expect([show(1n), show([]), show({}), show(() => 1), show(undefined)]).toEqual([
    '1n',
    'an array',
    'an object',
    'a function',
    'undefined',
  ])
})
