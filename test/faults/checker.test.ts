// The checker is checked: a history that broke a promise must be told from one that kept it.
import { describe, expect, test } from 'vitest'
import { check, type Final } from './checker.ts'
import type { Entry, Event } from './history.ts'

type Line = readonly [pid: number, at: number, entry: Entry]

const good: readonly Line[] = [
  [1, 0, { e: 'asked', id: 'a', task: 'work', hash: 'ha', delayMs: 0 }],
  [1, 1, { e: 'accepted', id: 'a' }],
  [1, 2, { e: 'asked', id: 'b', task: 'work', hash: 'hb', delayMs: 50 }],
  [1, 3, { e: 'accepted', id: 'b' }],
  [2, 10, { e: 'run', id: 'a', task: 'work', token: 1, attempt: 1, hash: 'ha' }],
  [2, 20, { e: 'fault', kind: 'kill' }],
  [3, 60, { e: 'run', id: 'a', task: 'work', token: 2, attempt: 1, hash: 'ha' }],
  [3, 61, { e: 'ran', id: 'a', token: 2 }],
  [3, 62, { e: 'settled', id: 'a', token: 2, outcome: 'succeeded', answer: 'ok' }],
  [3, 63, { e: 'run', id: 'b', task: 'work', token: 3, attempt: 1, hash: 'hb' }],
  [3, 64, { e: 'ran', id: 'b', token: 3 }],
  [3, 65, { e: 'settled', id: 'b', token: 3, outcome: 'retry', answer: 'ok' }],
  [3, 70, { e: 'run', id: 'b', task: 'work', token: 4, attempt: 2, hash: 'hb' }],
  [3, 71, { e: 'ran', id: 'b', token: 4 }],
  [3, 72, { e: 'settled', id: 'b', token: 4, outcome: 'failed', answer: 'ok' }],
]
const goodFinal: Final = {
  jobs: [
    { id: 'a', state: 'succeeded', reason: undefined, failures: 0 },
    { id: 'b', state: 'failed', reason: 'non-retryable', failures: 2 },
  ],
  counts: { ready: 0, active: 0, succeeded: 1, failed: 1 },
  counters: { enqueued: 2, succeeded: 1, failed: 1 },
}

const events = (lines: readonly Line[]): Event[] =>
  lines.map(([pid, at, entry]) => ({ pid, at, ...entry }) as Event)
const at = (index: number, entry: Partial<Entry> & { pid?: number; at?: number }): Event[] =>
  events(good).map((event, i) => (i === index ? ({ ...event, ...entry } as Event) : event))
const plus = (...lines: Line[]): Event[] => [...events(good), ...events(lines)]
const without = (index: number): Event[] => events(good).filter((_, i) => i !== index)

test('a history that kept every promise passes, with its figures', () => {
  const verdict = check(events(good), goodFinal, { limits: { work: 1 } })
  expect(verdict).toEqual({
    violations: [],
    slowest: 'a',
    figures: {
      asked: 2,
      accepted: 2,
      refused: 0,
      ended: 2,
      runs: 4,
      duplicates: 1,
      inHand: 1,
      largestPickupMs: 40,
    },
  })
})

test('a failure that was recorded before its worker died is no pickup', () => {
  const retried = at(6, { attempt: 2 })
  expect(check(retried, goodFinal).figures.largestPickupMs).toBe(undefined)
})

test('a job that was asked for and not answered may be there or not', () => {
  expect(check(without(1), goodFinal).violations).toEqual([])
  const asked: Line = [1, 80, { e: 'asked', id: 'c', task: 'work', hash: 'hc', delayMs: 0 }]
  expect(check(plus(asked), goodFinal).violations).toEqual([])
})

test('a stopped worker may begin what it had claimed after a later claim began', () => {
  const late: Line[] = [
    [4, 73, { e: 'fault', kind: 'stop' }],
    [4, 90, { e: 'fault', kind: 'go-on' }],
    [4, 91, { e: 'run', id: 'b', task: 'work', token: 2.5, attempt: 1, hash: 'hb' }],
    [4, 92, { e: 'settled', id: 'b', token: 2.5, outcome: 'succeeded', answer: 'lost' }],
  ]
  const { violations } = check(plus(...late), goodFinal)
  expect(violations.filter((text) => text.includes('token'))).toEqual([])
})

const final = (change: Partial<Final>): Final => ({ ...goodFinal, ...change })
const [jobA, jobB] = goodFinal.jobs as [Final['jobs'][0], Final['jobs'][0]]

describe('planted', () => {
  test.each<[string, Event[], Final, string]>([
    ['a job that is gone', events(good), final({ jobs: [jobB] }), 'lost: a was accepted and is gone'],
    [
      'a job that never ended',
      events(good),
      final({ jobs: [{ ...jobA, state: 'active' }, jobB] }),
      'lost: a was accepted and is still active',
    ],
    [
      'an unanswered job that never ended',
      without(1),
      final({ jobs: [{ ...jobA, state: 'ready' }, jobB] }),
      'a is still ready after the drain',
    ],
    ['a job that nobody asked for', without(0), goodFinal, 'nobody asked for it'],
    [
      'a stored job that nobody asked for',
      events(good),
      final({ jobs: [...goodFinal.jobs, { ...jobA, id: 'x' }] }),
      'unexpected: x is stored',
    ],
    ['a job stored twice', events(good), final({ jobs: [...goodFinal.jobs, jobA] }), 'stored twice'],
    [
      'a success without a run',
      events(good).filter((event) => event.e !== 'run' || event.id !== 'a'),
      goodFinal,
      'a succeeded and was never run',
    ],
    ['another input', at(6, { hash: 'other' }), goodFinal, 'another input'],
    ['a run before its time', at(9, { at: 40 }), goodFinal, 'ms before its time'],
    ['a token that shrinks', at(12, { token: 2.5 }), goodFinal, 'b ran with token 2.5'],
    ['a token that stays', at(6, { token: 1 }), goodFinal, 'a ran with token 1 after'],
    ['a token for two jobs', at(9, { token: 2 }), goodFinal, 'token 2 was given for a and for b'],
    [
      'two ends',
      plus([2, 80, { e: 'settled', id: 'a', token: 1, outcome: 'succeeded', answer: 'ok' }]),
      goodFinal,
      'a ended 2 times',
    ],
    [
      'an end by an old token',
      at(8, { token: 1 }),
      goodFinal,
      'a ended with the old token 1, but was claimed with 2',
    ],
    [
      'another end than the accepted one',
      at(8, { outcome: 'failed' }),
      goodFinal,
      'a is succeeded, but its outcome failed was accepted',
    ],
    [
      'a failure that was not recorded',
      events(good),
      final({ jobs: [jobA, { ...jobB, failures: 0 }] }),
      '1 failures of b were accepted, and 0 are recorded',
    ],
    [
      'an unexplained second run',
      without(5),
      goodFinal,
      '1 duplicate runs, but only 0 jobs were in hand at the faults',
    ],
    ['counts that do not add up', events(good), final({ counts: { active: 1 } }), 'the queues count'],
    [
      'counters that do not add up',
      events(good),
      final({ counters: { enqueued: 2, succeeded: 2, failed: 1 } }),
      'the counters say 2 succeeded',
    ],
    ['an error that nobody caught', plus([3, 80, { e: 'trouble', what: 'boom' }]), goodFinal, 'boom'],
    [
      'a refused enqueue',
      plus([1, 80, { e: 'refused', id: 'c', error: 'SQLITE_BUSY', code: 'none' }]),
      goodFinal,
      'SQLITE_BUSY',
    ],
  ])('%s', (_, history, end, part) => {
    expect(check(history, end).violations.join('\n')).toContain(part)
  })

  test('more runs at once than a limit allows', () => {
    const overlap = without(7)
    expect(check(overlap, goodFinal, { limits: { work: 1 } }).violations.join()).toContain(
      '2 runs of work at once, where 1 are allowed',
    )
    expect(check(overlap, goodFinal, { limits: { other: 1 } }).violations).toEqual([])
  })

  test('two jobs of one unique key at once', () => {
    const job = (id: string, token: number): Line[] => [
      [3, 90, { e: 'run', id, task: 'unique', token, attempt: 1, hash: id }],
      [3, 91, { e: 'ran', id, token }],
      [3, 92, { e: 'settled', id, token, outcome: 'succeeded', answer: 'ok' }],
    ]
    const asked = (id: string): Line[] => [
      [1, 80, { e: 'asked', id, task: 'unique', hash: id, delayMs: 0, key: 'k' }],
      [1, 81, { e: 'accepted', id }],
    ]
    const verdict = (...lines: Line[]): string =>
      check(plus(...lines), goodFinal, {})
        .violations.filter((text) => text.includes('the key'))
        .join()
    expect(verdict(...asked('x'), ...job('x', 7), ...asked('y'), ...job('y', 8))).toBe('')
    expect(verdict(...asked('x'), ...asked('y'), ...job('x', 7), ...job('y', 8))).toBe(
      'x and y lived at once, both with the key k',
    )
    // The answer to an enqueue may be written down when the job has ended, and says nothing then.
    const [askedX, acceptedX] = asked('x') as [Line, Line]
    const [askedY, acceptedY] = asked('y') as [Line, Line]
    const late = [askedX, ...job('x', 7), askedY, acceptedY, acceptedX, ...job('y', 8)]
    expect(verdict(...late)).toBe('')
    // A run that nobody counts any more says nothing of its job.
    const [run, ran] = job('x', 6) as [Line, Line]
    const stale: Line = [3, 99, { e: 'settled', id: 'x', token: 6, outcome: 'succeeded', answer: 'lost' }]
    expect(verdict(...asked('x'), run, ...job('x', 7), ...asked('y'), ran, ...job('y', 8), stale)).toBe('')
  })

  test('more runs at once in a partition than its limit allows, over an outage or not', () => {
    const run = (id: string, place: string): Line => [
      3,
      95,
      { e: 'run', id, task: 'parted', token: id.charCodeAt(0), attempt: 1, hash: id, place },
    ]
    const over = (...lines: Line[]): string =>
      check(plus(...lines), goodFinal, { limits: { parted: 1 } })
        .violations.filter((text) => text.includes('at once'))
        .join()
    expect(over(run('x', 'p 1'), run('y', 'p 2'))).toBe('')
    expect(over(run('x', 'p 1'), run('y', 'p 1'))).toBe('2 runs of p 1 at once, where 1 are allowed')
    const outage = (long: boolean): Line => [0, 95, { e: 'fault', kind: 'outage', what: 'hole', long }]
    expect(over(run('x', 'p 1'), outage(false), run('y', 'p 1'))).not.toBe('')
    expect(over(run('x', 'p 1'), outage(true), run('y', 'p 1'))).toBe('')
  })

  test('a refused enqueue where the broker was away for long is none', () => {
    const refused: Line = [1, 80, { e: 'refused', id: 'c', error: 'away', code: 'BROKER_UNAVAILABLE' }]
    expect(check(plus(refused), goodFinal, { mayRefuse: true }).violations).toEqual([])
  })

  test('what a worker takes while it is being killed or stopped is in hand, and what it takes later is not', () => {
    const hit = (kind: 'kill' | 'stop', ...more: Line[]): number => {
      const run: Line = [4, 75, { e: 'run', id: 'b', task: 'work', token: 2.5, attempt: 1, hash: 'hb' }]
      return check(plus([4, 74, { e: 'fault', kind }], ...more, run), goodFinal).figures.inHand
    }
    expect(hit('kill')).toBe(2)
    expect(hit('stop')).toBe(2)
    expect(hit('stop', [4, 74.5, { e: 'fault', kind: 'go-on' }])).toBe(1)
  })

  test('duplicates after an outage are explained only by what was in hand', () => {
    const outage: Line = [0, 20, { e: 'fault', kind: 'outage', what: 'cut', long: false }]
    const replaced = [...good.slice(0, 5), outage, ...good.slice(6)]
    expect(check(events(replaced), goodFinal).violations).toEqual([])
    const late = [...events([outage]), ...without(5)]
    expect(check(late, goodFinal).violations.join()).toContain('only 0 jobs were in hand')
  })
})
