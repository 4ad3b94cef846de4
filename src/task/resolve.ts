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
import type { Batching } from './batch.ts'
import { boundedMs, checkKnown, choice, fileUrl, invalidOption, wholeNumber } from './check.ts'
import type { Definition, Handler, Remote } from './definition.ts'
import type {
  BatchOptions,
  DefinitionOptions,
  ImplementOptions,
  LimitOptions,
  PartitionOptions,
  RetentionOptions,
  RetryOptions,
  RunInOptions,
  UniqueOptions,
} from './options.ts'
import { validator } from './schema.ts'

type AnyDefinition = DefinitionOptions<unknown, unknown, unknown, unknown>

/** The options with their types erased: any of them may be anything. */
export type ErasedOptions = AnyDefinition &
  RunInOptions & { run?: unknown; batch?: unknown; runBatch?: unknown }

/** What comes from one burst comes within a few milliseconds; a person does not notice that long. */
const BATCH_WITHIN_MS = 50
const HOUR_MS = 3_600_000

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
const RUN_IN: readonly (keyof RunInOptions)[] = ['runIn', 'module']
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
    batch: undefined,
    remote: undefined,
  }
}

/**
 * A definition with its handler.
 *
 * @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID
 */
export function resolveTask(options: ErasedOptions, defaults: TaskDefaults): Definition {
  checkKnown('app.task', options, [...DEFINITION, 'run', 'batch', 'runBatch', ...RUN_IN])
  const { run, batch, runBatch, runIn, module, ...definition } = options
  const of = ` of task '${options.name}'`
  const resolved = resolveDefinition(definition, defaults)
  return { ...resolved, ...resolveWork({ run, batch, runBatch }, { runIn, module }, of) }
}

/**
 * @param handler a function, or `{ batch, runBatch }`
 * @throws OPTION_INVALID, DURATION_INVALID
 */
export function resolveImplementation(
  definition: Definition,
  handler: unknown,
  options: ImplementOptions,
): Definition {
  const of = ` of task '${definition.name}'`
  checkKnown(`implement${of}`, options, ['timeout', 'limit', ...RUN_IN])
  return {
    ...definition,
    timeoutMs:
      options.timeout === undefined ? definition.timeoutMs : boundedMs(`timeout${of}`, options.timeout, 1),
    limit: options.limit === undefined ? definition.limit : resolveLimit('limit', options.limit, of),
    ...resolveWork(isBatchHandler(handler) ? batchHandler(handler, of) : { run: handler }, options, of),
  }
}

/** The handler and where it runs. */
function resolveWork(
  handler: GivenHandler,
  where: RunInOptions,
  of: string,
): Pick<Definition, 'run' | 'batch' | 'remote'> {
  const remote = resolveRemote(where, of)
  const resolved = resolveHandler(handler, of)
  if (remote === undefined || resolved.batch === undefined) return { ...resolved, remote }
  throw invalidHandler('runIn', `runIn${of} is '${remote.runIn}'; a handler of batches runs inline`)
}

function resolveRemote({ runIn, module }: RunInOptions, of: string): Remote | undefined {
  const chosen = choice(`runIn${of}`, runIn ?? 'inline', ['inline', 'thread', 'process'])
  const url = module === undefined ? undefined : fileUrl(`module${of}`, module)
  if (chosen === 'inline') return undefined
  if (url !== undefined) return { runIn: chosen, module: url }
  throw new OffstageError(
    'OPTION_INVALID',
    `module${of} is missing: a ${chosen} has to know what to import; give module: import.meta.url`,
    { details: { path: 'module' } },
  )
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

interface GivenHandler {
  readonly run?: unknown
  readonly batch?: unknown
  readonly runBatch?: unknown
}

/** Either `run`, or `batch` and `runBatch`. */
function resolveHandler(given: GivenHandler, of: string): Pick<Definition, 'run' | 'batch'> {
  const { run, batch, runBatch } = given
  if (batch === undefined && runBatch === undefined) {
    return { run: checkFunction('run', run, of) as Handler, batch: undefined }
  }
  if (run !== undefined)
    throw invalidHandler('run', `run${of} stands beside batch or runBatch; give one of both`)
  if (batch === undefined || batch === null) {
    throw invalidHandler('batch', `batch${of} is missing; runBatch needs batch: { size }`)
  }
  checkKnown(`batch${of}`, batch, ['size', 'within'])
  const { size, within } = batch as Partial<BatchOptions>
  const withinMs = within === undefined ? BATCH_WITHIN_MS : durationMs(within, `batch.within${of}`)
  if (withinMs > HOUR_MS) throw invalidOption(`batch.within${of}`, within, 'it is at most 1 h')
  return {
    run: undefined,
    batch: {
      size: wholeNumber(`batch.size${of}`, size, 1, 10_000),
      withinMs,
      run: checkFunction('runBatch', runBatch, of) as Batching['run'],
    },
  }
}

function isBatchHandler(handler: unknown): handler is object {
  return typeof handler === 'object' && handler !== null
}

function batchHandler(handler: object, of: string): GivenHandler {
  checkKnown(`the handler${of}`, handler, ['batch', 'runBatch'])
  const { batch, runBatch } = handler as GivenHandler
  // Missing is not the same as not wanted: an empty object is no handler.
  return { batch: batch ?? null, runBatch }
}

function checkFunction(path: string, value: unknown, of: string): unknown {
  if (typeof value === 'function') return value
  throw invalidHandler(path, `${path}${of} is no function`)
}

function invalidHandler(path: string, message: string): OffstageError {
  return new OffstageError('OPTION_INVALID', message, { details: { path } })
}
