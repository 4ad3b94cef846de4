import { describe, expect, test } from 'vitest'
import { defaultRetention, defaultRetry } from '../job/defaults.ts'
import { isImplemented } from './definition.ts'
import {
  checkDefaults,
  type ErasedOptions,
  resolveDefinition,
  resolveImplementation,
  resolveTask,
} from './resolve.ts'

const run = (): number => 1
const resolve = (options: object): ReturnType<typeof resolveTask> =>
  resolveTask({ name: 'mail', run, ...options } as ErasedOptions, {})

test('a task with nothing but a name has the defaults', () => {
  expect(resolve({})).toMatchObject({
    name: 'mail',
    queue: 'default',
    priority: 5,
    retry: defaultRetry,
    retention: defaultRetention,
    maxCrashes: 3,
    store: 'input',
    uniqueDuring: 'unfinished',
    uniqueOnConflict: 'keep',
    run,
  })
})

test('options are resolved to milliseconds and rates', () => {
  const task = resolve({
    retry: { attempts: 3, base: '1s', max: '1m' },
    timeout: '30s',
    limit: { concurrency: 10, rate: '100/m' },
    partition: { by: () => 'a', limit: { rate: '1/s' } },
    retention: { succeeded: 0 },
    expiresIn: '1h',
  })
  expect(task).toMatchObject({
    retry: { attempts: 3, baseMs: 1_000, maxMs: 60_000 },
    timeoutMs: 30_000,
    limit: { concurrency: 10, rate: { count: 100, perMs: 60_000 } },
    partitionLimit: { rate: { count: 1, perMs: 1_000 } },
    retention: { succeededMs: 0, failedMs: defaultRetention.failedMs },
    expiresInMs: 3_600_000,
  })
})

test('a base above the default maximum raises the maximum, and the other way round', () => {
  expect(resolve({ retry: { base: '1h' } }).retry).toMatchObject({ baseMs: 3_600_000, maxMs: 3_600_000 })
  expect(resolve({ retry: { max: '1s' } }).retry).toMatchObject({ baseMs: 1_000, maxMs: 1_000 })
})

describe('a task of batches', () => {
  const runBatch = (): unknown[] => []
  const given = (options: object): ReturnType<typeof resolveTask> =>
    resolveTask({ name: 'mail', ...options } as ErasedOptions, {})

  test('has its size, its time and its handler', () => {
    expect(given({ batch: { size: 100, within: '1s' }, runBatch })).toMatchObject({
      run: undefined,
      batch: { size: 100, withinMs: 1_000, run: runBatch },
    })
    expect(given({ batch: { size: 1 }, runBatch }).batch).toMatchObject({ withinMs: 50 })
    expect(given({ batch: { size: 1, within: 0 }, runBatch }).batch).toMatchObject({ withinMs: 0 })
    expect(resolve({}).batch).toBeUndefined()
  })

  test('may be an implementation', () => {
    const definition = resolveDefinition({ name: 'mail' }, {})
    expect(isImplemented(definition)).toBe(false)
    const done = resolveImplementation(definition, { batch: { size: 5 }, runBatch }, { timeout: '2s' })
    expect(done).toMatchObject({ run: undefined, batch: { size: 5, run: runBatch }, timeoutMs: 2_000 })
    expect(isImplemented(done)).toBe(true)
    expect(resolveImplementation(done, run, {})).toMatchObject({ run, batch: undefined })
  })

  test.each([
    [{}, "run of task 'mail' is no function"],
    [{ run, batch: { size: 5 } }, "run of task 'mail' stands beside batch or runBatch"],
    [{ run, runBatch }, "run of task 'mail' stands beside batch or runBatch"],
    [{ runBatch }, "batch of task 'mail' is missing; runBatch needs batch: { size }"],
    [{ batch: { size: 5 } }, "runBatch of task 'mail' is no function"],
    [{ batch: { size: 5 }, runBatch: 'x' }, "runBatch of task 'mail' is no function"],
    [{ batch: 5, runBatch }, "batch of task 'mail': 5 is no object of options"],
    [{ batch: {}, runBatch }, "batch.size of task 'mail' is undefined; a whole number from 1 to 10,000"],
    [{ batch: { size: 0 }, runBatch }, "batch.size of task 'mail' is 0"],
    [{ batch: { size: 10_001 }, runBatch }, "batch.size of task 'mail' is 10001"],
    [
      { batch: { size: 5, within: '2h' }, runBatch },
      "batch.within of task 'mail' is '2h'; it is at most 1 h",
    ],
    [{ batch: { size: 5, withing: 1 }, runBatch }, "did you mean 'within'?"],
  ])('%o is refused', (options, message) => {
    expect(() => given(options)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', message: expect.stringContaining(message) }),
    )
  })

  test.each([
    [{}, "batch of task 'mail' is missing"],
    [{ runBatch }, "batch of task 'mail' is missing"],
    [{ batch: { size: 5 } }, "runBatch of task 'mail' is no function"],
    [{ run, batch: { size: 5 }, runBatch }, "the handler of task 'mail': there is no option 'run'"],
    [[], "the handler of task 'mail': an array is no object"],
    [null, "run of task 'mail' is no function"],
  ])('%o is no implementation', (handler, message) => {
    const implement = (): unknown =>
      resolveImplementation(resolveDefinition({ name: 'mail' }, {}), handler, {})
    expect(implement).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', message: expect.stringContaining(message) }),
    )
  })
})

test("the app's defaults stand below the task's own options", () => {
  const defaults = {
    queue: 'slow',
    retry: { attempts: 2, base: '5s' },
    timeout: '10s',
    retention: { failed: '1d' },
  }
  const task = resolveTask({ name: 'mail', run, retry: { attempts: 7 } }, defaults)
  expect(task).toMatchObject({
    queue: 'slow',
    retry: { attempts: 7, baseMs: 5_000 },
    timeoutMs: 10_000,
    retention: { failedMs: 86_400_000, succeededMs: defaultRetention.succeededMs },
  })
  expect(() => checkDefaults({ retry: { attempts: 0 } })).toThrow('retry.attempts')
  expect(() => checkDefaults({ prioritty: 1 } as object)).toThrow("did you mean 'priority'?")
})

test('an implementation wins over what its definition says', () => {
  const definition = resolveDefinition({ name: 'mail', timeout: '1s', limit: { concurrency: 1 } }, {})
  expect(definition.run).toBeUndefined()
  const done = resolveImplementation(definition, run, { timeout: '2s' })
  expect(done).toMatchObject({ run, timeoutMs: 2_000, limit: { concurrency: 1 } })
  expect(() => resolveImplementation(definition, 'no', {})).toThrow("run of task 'mail' is no function")
  expect(() => resolveImplementation(definition, run, { timeuot: 1 } as object)).toThrow(
    "did you mean 'timeout'?",
  )
})

describe('bad options are refused, naming the option, the value and the rule', () => {
  test.each([
    [{ name: '' }, 'NAME_INVALID', "'' is no name for a task"],
    [{ name: 'a b' }, 'NAME_INVALID', "'a b' is no name for a task: use 1 to 128 letters, digits or _ . : -"],
    [{ name: 'a'.repeat(129) }, 'NAME_INVALID', 'is no name for a task'],
    [{ name: 7 }, 'NAME_INVALID', 'a value of type number is no name for a task'],
    [{ queue: 'a/b' }, 'NAME_INVALID', "'a/b' is no name for a queue"],
    [
      { priority: 10 },
      'OPTION_INVALID',
      "priority of task 'mail' is 10; a whole number from 0 to 9 is needed",
    ],
    [{ priority: -1 }, 'OPTION_INVALID', 'is -1'],
    [{ priority: '5' }, 'OPTION_INVALID', "is '5'"],
    [{ retry: { attempts: 0 } }, 'OPTION_INVALID', "retry.attempts of task 'mail' is 0"],
    [{ retry: { attempts: 1.5 } }, 'OPTION_INVALID', 'is 1.5'],
    [{ retry: { base: '2 fortnights' } }, 'DURATION_INVALID', "retry.base of task 'mail' is '2 fortnights'"],
    [{ retry: { base: '1m', max: '1s' } }, 'OPTION_INVALID', 'it is at least retry.base'],
    [{ retry: 5 }, 'OPTION_INVALID', "retry of task 'mail': 5 is no object of options"],
    [{ retry: { attemps: 5 } }, 'OPTION_INVALID', "did you mean 'attempts'?"],
    [{ timeout: -1 }, 'DURATION_INVALID', "timeout of task 'mail' is -1"],
    [{ timeout: 0 }, 'OPTION_INVALID', 'it is at least 1 ms'],
    [{ timeout: Number.NaN }, 'DURATION_INVALID', 'is NaN'],
    [{ timeout: '200y' }, 'DURATION_INVALID', "is '200y'"],
    [{ timeout: true }, 'DURATION_INVALID', 'is true'],
    [{ limit: { concurrency: 0 } }, 'OPTION_INVALID', "limit.concurrency of task 'mail' is 0"],
    [
      { limit: { rate: 'fast' } },
      'OPTION_INVALID',
      "limit.rate of task 'mail' is 'fast'; a rate is a count a time",
    ],
    [{ partition: { by: 'to' } }, 'OPTION_INVALID', "partition.by of task 'mail' is 'to'; a function"],
    [{ partition: { limit: { rate: '0/s' } } }, 'OPTION_INVALID', 'partition.limit.rate'],
    [{ unique: { during: 'always' } }, 'OPTION_INVALID', "is 'always'; it is one of 'unfinished', 'waiting'"],
    [{ unique: { onConflict: 'drop' } }, 'OPTION_INVALID', "is 'drop'; it is one of 'keep', 'replace'"],
    [{ search: {} }, 'OPTION_INVALID', "search of task 'mail' is an object; a function"],
    [{ retention: { done: '1h' } }, 'OPTION_INVALID', "there is no option 'done'"],
    [{ retention: { failed: -1 } }, 'DURATION_INVALID', "retention.failed of task 'mail' is -1"],
    [{ expiresIn: 0 }, 'OPTION_INVALID', "expiresIn of task 'mail' is 0"],
    [{ maxCrashes: 0 }, 'OPTION_INVALID', "maxCrashes of task 'mail' is 0"],
    [{ store: 'both' }, 'OPTION_INVALID', "store of task 'mail' is 'both'"],
    [{ store: 'parsed' }, 'OPTION_INVALID', "store of task 'mail' is 'parsed'; it needs an input schema"],
    [{ input: {} }, 'OPTION_INVALID', "input of task 'mail' is no Standard Schema"],
    [
      { output: { '~standard': { version: 2 } } },
      'OPTION_INVALID',
      "output of task 'mail' is no Standard Schema",
    ],
    [{ run: 'x' }, 'OPTION_INVALID', "run of task 'mail' is no function"],
    [{ que: 'x' }, 'OPTION_INVALID', "there is no option 'que'; did you mean 'queue'?"],
  ])('%o', (options, code, message) => {
    expect(() => resolve(options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    )
  })

  test('no object at all', () => {
    expect(() => resolveTask(undefined as never, {})).toThrow('undefined is no object of options')
    expect(() => resolveDefinition({ name: 'mail', run } as never, {})).toThrow("there is no option 'run'")
  })
})
