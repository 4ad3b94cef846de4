// The options of a task, checked and completed with the defaults: the one place where they are read.

import type { Limit } from '../broker/records.ts'
import { OffstageError } from '../errors/error.ts'
import {
  defaultMaxCrashes,
  defaultPriority,
  defaultQueue,
  defaultRetention,
  defaultRetry,
} from '../job/defaults.ts'
import { checkName } from '../job/ids.ts'
import { parseRate } from '../job/rates.ts'
import type { Retention, RetryPolicy } from '../job/record.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'
import { boundedMs, checkKnown, choice, invalidOption, wholeNumber } from './check.ts'
import type { Definition, Handler } from './definition.ts'
import type {
  DefinitionOptions,
  ImplementOptions,
  LimitOptions,
  PartitionOptions,
  RetentionOptions,
  RetryOptions,
  UniqueOptions,
} from './options.ts'
import { validator } from './schema.ts'

type AnyDefinition = DefinitionOptions<unknown, unknown, unknown, unknown>

/** The options with their types erased: any of them may be anything. */
export type ErasedOptions = AnyDefinition & { run?: unknown }

/** What an app sets for tasks that say nothing else. */
export interface TaskDefaults {
  queue?: string | undefined
  priority?: number | undefined
  retry?: RetryOptions | undefined
  timeout?: Duration | undefined
  retention?: RetentionOptions | undefined
  maxCrashes?: number | undefined
}

const DEFINITION_OPTIONS: { readonly [K in keyof Required<AnyDefinition>]: true } = {
  name: true,
  input: true,
  output: true,
  queue: true,
  priority: true,
  retry: true,
  timeout: true,
  limit: true,
  partition: true,
  unique: true,
  search: true,
  retention: true,
  expiresIn: true,
  maxCrashes: true,
  store: true,
}
const DEFINITION = Object.keys(DEFINITION_OPTIONS)
const DEFAULTS: { readonly [K in keyof Required<TaskDefaults>]: true } = {
  queue: true,
  priority: true,
  retry: true,
  timeout: true,
  retention: true,
  maxCrashes: true,
}

/**
 * Checks the defaults of an app.
 *
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
 */
export function checkDefaults(defaults: TaskDefaults): void {
  checkKnown('defaults', defaults, Object.keys(DEFAULTS))
  resolveDefinition({ name: 'defaults', ...defaults }, {})
}

/**
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
 */
export function resolveDefinition(options: ErasedOptions, defaults: TaskDefaults): Definition {
  checkKnown('a definition of a task', options, DEFINITION)
  checkName('task', options.name)
  const of = ` of task '${options.name}'`
  const queue = options.queue ?? defaults.queue ?? defaultQueue
  checkName('queue', queue)
  const timeout = options.timeout ?? defaults.timeout
  const parseInput = validator(options.input, { code: 'INPUT_INVALID', name: 'input', task: options.name })
  const store = choice(`store${of}`, options.store ?? 'input', ['input', 'parsed'])
  if (store === 'parsed' && parseInput === undefined) {
    throw invalidOption(`store${of}`, store, 'it needs an input schema that parses')
  }
  const retry = resolveRetry(defaults.retry, defaultRetry, of)
  const retention = resolveRetention(defaults.retention, defaultRetention, of)
  return {
    name: options.name,
    queue,
    priority: checkPriority(options.priority ?? defaults.priority ?? defaultPriority, of),
    retry: resolveRetry(options.retry, retry, of),
    retention: resolveRetention(options.retention, retention, of),
    maxCrashes: checkMaxCrashes(options.maxCrashes ?? defaults.maxCrashes ?? defaultMaxCrashes, of),
    expiresInMs:
      options.expiresIn === undefined ? undefined : boundedMs(`expiresIn${of}`, options.expiresIn, 1),
    timeoutMs: timeout === undefined ? undefined : boundedMs(`timeout${of}`, timeout, 1),
    limit: resolveLimit('limit', options.limit, of),
    parseInput,
    parseOutput: validator(options.output, { code: 'OUTPUT_INVALID', name: 'output', task: options.name }),
    ...resolvePartition(options.partition, of),
    ...resolveUnique(options.unique, of),
    search: optionalFunction(`search${of}`, options.search),
    store,
    run: undefined,
  }
}

/**
 * A definition with its handler.
 *
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
 */
export function resolveTask(options: ErasedOptions, defaults: TaskDefaults): Definition {
  checkKnown('app.task', options, [...DEFINITION, 'run'])
  const { run, ...definition } = options
  return { ...resolveDefinition(definition, defaults), run: checkHandler(run, options.name) }
}

/**
 * @throws OPTION_INVALID, DURATION_INVALID
 */
export function resolveImplementation(
  definition: Definition,
  run: unknown,
  options: ImplementOptions,
): Definition {
  const of = ` of task '${definition.name}'`
  checkKnown(`implement${of}`, options, ['timeout', 'limit'])
  return {
    ...definition,
    timeoutMs:
      options.timeout === undefined ? definition.timeoutMs : boundedMs(`timeout${of}`, options.timeout, 1),
    limit: options.limit === undefined ? definition.limit : resolveLimit('limit', options.limit, of),
    run: checkHandler(run, definition.name),
  }
}

/** `of` ends the path in messages: ` of task 'mail'`, or nothing where the user is at the job itself. */
export function resolveRetry(retry: RetryOptions | undefined, base: RetryPolicy, of: string): RetryPolicy {
  if (retry === undefined) return base
  checkKnown(`retry${of}`, retry, ['attempts', 'base', 'max'])
  const policy = {
    attempts:
      retry.attempts === undefined
        ? base.attempts
        : wholeNumber(`retry.attempts${of}`, retry.attempts, 1, 1_000_000),
    baseMs: retry.base === undefined ? base.baseMs : durationMs(retry.base, `retry.base${of}`),
    maxMs: retry.max === undefined ? base.maxMs : durationMs(retry.max, `retry.max${of}`),
  }
  if (policy.maxMs >= policy.baseMs) return policy
  // A base above the default maximum is a wish for longer back-offs, not a contradiction.
  if (retry.max === undefined) return { ...policy, maxMs: policy.baseMs }
  if (retry.base === undefined) return { ...policy, baseMs: policy.maxMs }
  throw invalidOption(`retry.max${of}`, retry.max, 'it is at least retry.base')
}

export function resolveRetention(
  retention: RetentionOptions | undefined,
  base: Retention,
  of: string,
): Retention {
  if (retention === undefined) return base
  checkKnown(`retention${of}`, retention, ['succeeded', 'failed', 'cancelled'])
  const part = (name: keyof RetentionOptions, otherwise: number): number => {
    const given = retention[name]
    return given === undefined ? otherwise : durationMs(given, `retention.${name}${of}`)
  }
  return {
    succeededMs: part('succeeded', base.succeededMs),
    failedMs: part('failed', base.failedMs),
    cancelledMs: part('cancelled', base.cancelledMs),
  }
}

/**
 * A limit as a broker takes it; undefined where nothing is limited.
 *
 * @throws OPTION_INVALID, DURATION_INVALID
 */
export function resolveLimit(
  path: string,
  limit: LimitOptions | undefined,
  of: string = '',
): Limit | undefined {
  if (limit === undefined) return undefined
  checkKnown(`${path}${of}`, limit, ['concurrency', 'rate'])
  const { concurrency, rate } = limit
  if (concurrency === undefined && rate === undefined) return undefined
  return {
    ...(concurrency !== undefined && {
      concurrency: wholeNumber(`${path}.concurrency${of}`, concurrency, 1, 1_000_000),
    }),
    ...(rate !== undefined && { rate: parseRate(rate, `${path}.rate${of}`) }),
  }
}

export function checkPriority(priority: unknown, of: string): number {
  return wholeNumber(`priority${of}`, priority, 0, 9)
}

export function checkMaxCrashes(maxCrashes: unknown, of: string): number {
  return wholeNumber(`maxCrashes${of}`, maxCrashes, 1, 1_000)
}

function resolvePartition(
  partition: PartitionOptions | undefined,
  of: string,
): Pick<Definition, 'partitionBy' | 'partitionLimit'> {
  if (partition === undefined) return { partitionBy: undefined, partitionLimit: undefined }
  checkKnown(`partition${of}`, partition, ['by', 'limit'])
  return {
    partitionBy: optionalFunction(`partition.by${of}`, partition.by),
    partitionLimit: resolveLimit('partition.limit', partition.limit, of),
  }
}

function resolveUnique(
  unique: UniqueOptions | undefined,
  of: string,
): Pick<Definition, 'uniqueBy' | 'uniqueDuring' | 'uniqueOnConflict'> {
  checkKnown(`unique${of}`, unique ?? {}, ['by', 'during', 'onConflict'])
  return {
    uniqueBy: optionalFunction(`unique.by${of}`, unique?.by),
    uniqueDuring: choice(`unique.during${of}`, unique?.during ?? 'unfinished', ['unfinished', 'waiting']),
    uniqueOnConflict: choice(`unique.onConflict${of}`, unique?.onConflict ?? 'keep', ['keep', 'replace']),
  }
}

function optionalFunction<F extends (...args: never) => unknown>(
  path: string,
  value: F | undefined,
): F | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw invalidOption(path, value, 'a function of the parsed input is needed')
}

function checkHandler(run: unknown, name: string): Handler {
  if (typeof run === 'function') return run as Handler
  throw new OffstageError('OPTION_INVALID', `run of task '${name}' is no function`, {
    details: { path: 'run' },
  })
}
