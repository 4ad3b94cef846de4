import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { task } from '../../test/support/worker-kit.ts'
import { silentLogger } from '../runtime/logger.ts'
import { declaredLimits } from './declare.ts'
import { type WorkerOptions, workerSettings } from './options.ts'

const run = (): null => null
const one = [task(run)]

describe('options of a worker', () => {
  test('the defaults', () => {
    const tasks = [task(run), task(run, { name: 'b', queue: 'mail' }), task(run, { name: 'c' })]
    expect(workerSettings({}, tasks)).toEqual({
      queues: ['default', 'mail'],
      strict: false,
      concurrency: 10,
      minConcurrency: 10,
      leaseMs: 15_000,
      graceMs: 25_000,
      unknownAfterMs: 3_600_000,
      timeoutsMs: new Map(),
      abandonAfterMs: 5_000,
      prefetch: 1_000,
      pollIntervalMs: undefined,
      maintain: true,
      keeper: 'thread',
      warnBlockMs: 250,
      maxBlockMs: 60_000,
      exitOnBlock: false,
      threads: { max: undefined, memoryBytes: undefined },
      processes: { max: undefined, memoryBytes: undefined },
    })
  })

  test('tasks that all run elsewhere are claimed as many as there are places', () => {
    const remote = (runIn: 'thread' | 'process', name: string) =>
      task(run, { name, remote: { runIn, module: 'file:///a.js' } })
    const options = { threads: { max: 3 }, processes: { max: 4, memory: '64mb' } }
    const settings = (...tasks: ReturnType<typeof task>[]) => workerSettings(options, tasks)
    expect(settings(remote('thread', 'a'), remote('thread', 'b')).concurrency).toBe(3)
    expect(settings(remote('process', 'a')).concurrency).toBe(4)
    expect(settings(remote('thread', 'a'), remote('process', 'b')).concurrency).toBe(7)
    expect(settings(remote('thread', 'a'), task(run)).concurrency).toBe(10)
    expect(settings(task(run))).toMatchObject({
      threads: { max: 3 },
      processes: { max: 4, memoryBytes: 67_108_864 },
    })
    expect(workerSettings({ concurrency: 5, ...options }, [remote('thread', 'a')]).concurrency).toBe(5)
    expect(workerSettings({}, [remote('thread', 'a')]).concurrency).toBe(availableParallelism())
  })

  test('what is given is read', () => {
    const options = {
      queues: ['high', 'low'],
      concurrency: 50,
      lease: '3s',
      grace: 0,
      unknownAfter: '2h',
      timeouts: { mail: '1m', '*': '1h' },
      abandonAfter: '1s',
      prefetch: 0,
      pollInterval: '50ms',
      maintain: false,
    }
    expect(workerSettings(options, one)).toMatchObject({
      queues: ['high', 'low'],
      strict: true,
      concurrency: 50,
      leaseMs: 3_000,
      graceMs: 0,
      timeoutsMs: new Map([
        ['mail', 60_000],
        ['*', 3_600_000],
      ]),
      pollIntervalMs: 50,
      maintain: false,
    })
  })

  test.each([
    [1, 1, 1],
    [10_000, 10_000, 10_000],
    ['auto', 1, 100],
    [{}, 1, 100],
    [{ min: 5 }, 5, 100],
    [{ max: 500 }, 1, 500],
    [{ min: 3, max: 3 }, 3, 3],
  ] as const)('concurrency %o is %i to %i', (concurrency, min, max) => {
    expect(workerSettings({ concurrency }, one)).toMatchObject({ minConcurrency: min, concurrency: max })
  })

  const bad: readonly [string, unknown, string, RegExp][] = [
    ['concurrency below one', { concurrency: 0 }, 'OPTION_INVALID', /concurrency is 0/],
    ['negative concurrency', { concurrency: -1 }, 'OPTION_INVALID', /concurrency is -1/],
    ['a fraction', { concurrency: 1.5 }, 'OPTION_INVALID', /concurrency is 1.5/],
    ['a word for concurrency', { concurrency: 'many' }, 'OPTION_INVALID', /concurrency is 'many'.*'auto'/],
    ['a floor of nothing', { concurrency: { min: 0 } }, 'OPTION_INVALID', /concurrency.min is 0/],
    [
      'a floor above the ceiling',
      { concurrency: { min: 5, max: 4 } },
      'OPTION_INVALID',
      /concurrency.min is 5; a whole number from 1 to 4/,
    ],
    ['a floor above the default ceiling', { concurrency: { min: 101 } }, 'OPTION_INVALID', /from 1 to 100/],
    ['a ceiling too high', { concurrency: { max: 10_001 } }, 'OPTION_INVALID', /concurrency.max is 10001/],
    ['an unknown end', { concurrency: { mix: 5 } }, 'OPTION_INVALID', /'mix'; did you mean 'min'/],
    ['no concurrency', { concurrency: true }, 'OPTION_INVALID', /concurrency is true/],
    ['prefetch below zero', { prefetch: -1 }, 'OPTION_INVALID', /prefetch is -1/],
    ['a lease too short', { lease: 99 }, 'OPTION_INVALID', /lease is 99/],
    ['a lease too long', { lease: '2d' }, 'OPTION_INVALID', /lease/],
    ['a bad duration', { grace: 'soon' }, 'DURATION_INVALID', /grace is 'soon'/],
    ['a negative duration', { unknownAfter: -1 }, 'DURATION_INVALID', /unknownAfter is -1/],
    ['a bad timeout', { timeouts: { mail: 'soon' } }, 'DURATION_INVALID', /timeouts\.mail is 'soon'/],
    ['a timeout of nothing', { timeouts: { mail: 0 } }, 'OPTION_INVALID', /timeouts\.mail is 0/],
    ['a timeout of a bad queue', { timeouts: { 'a b': 1 } }, 'NAME_INVALID', /'a b'/],
    ['one timeout for all', { timeouts: '1m' }, 'OPTION_INVALID', /timeouts: '1m' is no object/],
    ['no queues', { queues: [] }, 'OPTION_INVALID', /queues/],
    ['a queue twice', { queues: ['a', 'b', 'a'] }, 'OPTION_INVALID', /'a' twice/],
    ['a bad queue', { queues: ['a b'] }, 'NAME_INVALID', /'a b'/],
    ['no list of queues', { queues: 'a' }, 'OPTION_INVALID', /queues/],
    ['no boolean', { maintain: 'yes' }, 'OPTION_INVALID', /maintain is 'yes'/],
    ['an unknown option', { concurency: 5 }, 'OPTION_INVALID', /concurency.*concurrency/],
  ]
  test.each(bad)('%s is refused', (_, options, code, message) => {
    const check = (): unknown => workerSettings(options as WorkerOptions, one)
    expect(check).toThrow(message)
    expect(check).toThrow(expect.objectContaining({ code }))
  })

  test('no tasks, two of one name, a bad name', () => {
    expect(() => workerSettings({}, [])).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
    expect(() => workerSettings({}, [...one, ...one])).toThrow(
      expect.objectContaining({ code: 'TASK_DUPLICATE' }),
    )
    expect(() => workerSettings({}, [task(run, { name: '' })])).toThrow(
      expect.objectContaining({ code: 'NAME_INVALID' }),
    )
  })
})

describe('declared limits', () => {
  test('a rule a task, cleared where it has none, and one a queue of partitions', () => {
    const tasks = [
      task(run, { limit: { concurrency: 2 }, partitionLimit: { concurrency: 1 } }),
      task(run, { name: 'b', partitionLimit: { concurrency: 1 } }),
    ]
    expect(declaredLimits(tasks, silentLogger)).toEqual([
      { scope: { kind: 'task', task: 'work' }, source: 'declared', limit: { concurrency: 2 } },
      { scope: { kind: 'task', task: 'b' }, source: 'declared', limit: null },
      { scope: { kind: 'partition', queue: 'default' }, source: 'declared', limit: { concurrency: 1 } },
    ])
  })

  test('of two limits for the partitions of a queue the first holds, with a warning', () => {
    const warnings: unknown[] = []
    const warn = (...args: unknown[]): void => void warnings.push(args[1])
    const rules = declaredLimits(
      [
        task(run, { partitionLimit: { concurrency: 1 } }),
        task(run, { name: 'b', partitionLimit: { concurrency: 9 } }),
      ],
      { ...silentLogger, warn },
    )
    expect(rules.at(-1)?.limit).toEqual({ concurrency: 1 })
    expect(warnings).toEqual([expect.stringContaining("'work' and 'b' set different limits")])
  })
})
