// From a call to the job that the broker stores: input checked and encoded, keys computed, options resolved.
// A common call (a small plain object, no options) runs through this in a few microseconds.
import { createHash } from 'node:crypto'
import { OffstageError } from '../errors/error.ts'
import { JSON_CODEC } from '../job/codec.ts'
import { bounds } from '../job/defaults.ts'
import { checkKey, checkName, newId } from '../job/ids.ts'
import { checkJson, isPlain } from '../job/json.ts'
import type { JobSpec, Payload, UniqueKey } from '../job/record.ts'
import { durationMs } from '../runtime/durations.ts'
import { boundedMs, checkKnown, invalidOption, invalidSecret } from './check.ts'
import type { Definition } from './definition.ts'
import type { JobOptions } from './options.ts'
import { checkMaxCrashes, checkPriority, resolveRetention, resolveRetry } from './resolve.ts'

/** What `JobSpec` says, while it is put together. */
type Draft = { -readonly [K in keyof JobSpec]: JobSpec[K] }

/**
 * A job, ready to be sent; a promise of it where the schema is asynchronous.
 *
 * @throws NOT_JSON, INPUT_INVALID, PAYLOAD_TOO_LARGE, OPTION_INVALID, NAME_INVALID, ID_INVALID, DURATION_INVALID, and
 * what the schema or a key's function throws
 */
export function prepareJob(
  definition: Definition,
  input: unknown,
  options: JobOptions | undefined,
  maxPayloadBytes: number,
): JobSpec | Promise<JobSpec> {
  const check = checkJson(input, 'input')
  const text = input === undefined ? undefined : JSON.stringify(input)
  const payload = encodeText(text, 'input', definition.name, maxPayloadBytes)
  if (definition.parseInput === undefined) return build(definition, payload, input, options)
  // What the schema sees is what the worker will see. The value itself is that, unless JSON drops something of it.
  const value = check === 'same' || text === undefined ? input : (JSON.parse(text) as unknown)
  const parsed = definition.parseInput(value)
  if (definition.store === 'parsed') return prepareParsed(definition, parsed, options, maxPayloadBytes)
  return parsed instanceof Promise
    ? parsed.then((settled) => build(definition, payload, settled, options))
    : build(definition, payload, parsed, options)
}

/** The parsed form takes the place of the input, if it is JSON and passes the schema as the worker will apply it. */
async function prepareParsed(
  definition: Definition,
  parsing: unknown,
  options: JobOptions | undefined,
  maxPayloadBytes: number,
): Promise<JobSpec> {
  const parsed = await parsing
  checkJson(parsed, 'parsed input')
  const text = parsed === undefined ? undefined : JSON.stringify(parsed)
  const payload = encodeText(text, 'parsed input', definition.name, maxPayloadBytes)
  const again = await definition.parseInput?.(text === undefined ? undefined : JSON.parse(text))
  return build(definition, payload, again, options)
}

/**
 * @param text JSON; undefined for `undefined`, which has no bytes at all
 * @throws PAYLOAD_TOO_LARGE
 */
export function encodeText(
  text: string | undefined,
  what: string,
  task: string,
  maxPayloadBytes: number,
): Payload {
  // A text has at least as many bytes as characters, so most that are too large are never encoded. Buffer takes small
  // ones from a pool, which spares the garbage collector a buffer for each job.
  const bytes = text === undefined || text.length > maxPayloadBytes ? undefined : Buffer.from(text)
  const size = bytes?.length ?? text?.length ?? 0
  if (size <= maxPayloadBytes) return { codec: JSON_CODEC, bytes: bytes ?? new Uint8Array(0) }
  throw new OffstageError(
    'PAYLOAD_TOO_LARGE',
    `the ${what} of task '${task}' has ${size.toLocaleString('en')} bytes or more as JSON; at most ${maxPayloadBytes.toLocaleString('en')} are allowed (maxPayloadBytes)`,
    { details: { task, bytes: size, maxPayloadBytes } },
  )
}

function build(
  definition: Definition,
  input: Payload,
  parsed: unknown,
  options: JobOptions | undefined,
): JobSpec {
  const draft: Draft = {
    id: '',
    task: definition.name,
    queue: definition.queue,
    priority: definition.priority,
    input,
    retention: definition.retention,
    maxCrashes: definition.maxCrashes,
  }
  if (definition.expiresInMs !== undefined) draft.expiresInMs = definition.expiresInMs
  if (options !== undefined) applyOptions(draft, definition, options)
  if (draft.id === '') draft.id = newId()
  addKeys(draft, definition, parsed, options)
  return draft
}

const JOB_OPTIONS: { readonly [K in keyof Required<JobOptions>]: true } = {
  id: true,
  delay: true,
  runAt: true,
  priority: true,
  expiresIn: true,
  queue: true,
  partition: true,
  unique: true,
  search: true,
  tags: true,
  headers: true,
  retry: true,
  timeout: true,
  retention: true,
  maxCrashes: true,
  tx: true,
}
const KNOWN = Object.keys(JOB_OPTIONS)

function applyOptions(draft: Draft, definition: Definition, options: JobOptions): void {
  checkKnown(`options of a job of task '${definition.name}'`, options, KNOWN)
  const { id, queue, priority, expiresIn, retry, timeout, retention, maxCrashes, tags, headers } = options
  if (id !== undefined) {
    checkKey('id', id)
    draft.id = id
  }
  if (queue !== undefined) {
    checkName('queue', queue)
    draft.queue = queue
  }
  if (priority !== undefined) draft.priority = checkPriority(priority, '')
  if (expiresIn !== undefined) draft.expiresInMs = boundedMs('expiresIn', expiresIn, 1)
  if (retry !== undefined) draft.retry = resolveRetry(retry, definition.retry, '')
  if (timeout !== undefined) draft.timeoutMs = boundedMs('timeout', timeout, 1)
  if (retention !== undefined) draft.retention = resolveRetention(retention, definition.retention, '')
  if (maxCrashes !== undefined) draft.maxCrashes = checkMaxCrashes(maxCrashes, '')
  if (tags !== undefined) addTags(draft, tags)
  if (headers !== undefined) addHeaders(draft, headers)
  addTime(draft, options)
}

function addTime(draft: Draft, { delay, runAt }: JobOptions): void {
  if (delay !== undefined && runAt !== undefined) {
    throw new OffstageError('OPTION_INVALID', 'delay and runAt are both given; a job has one time', {
      details: { path: 'runAt' },
    })
  }
  if (delay !== undefined) {
    const delayMs = durationMs(delay, 'delay')
    if (delayMs > 0) draft.delayMs = delayMs
  }
  if (runAt !== undefined) {
    const at = runAt instanceof Date ? runAt.getTime() : runAt
    // The range of Date: 100,000,000 days to either side of 1970.
    if (typeof at !== 'number' || !(Math.abs(at) <= 8.64e15)) {
      throw invalidOption('runAt', runAt, 'a valid Date, or milliseconds since 1970, is needed')
    }
    draft.runAt = Math.max(0, Math.ceil(at))
  }
}

function addTags(draft: Draft, tags: readonly string[]): void {
  if (!Array.isArray(tags)) throw invalidOption('tags', tags, 'an array of strings is needed')
  if (tags.length > bounds.tags) {
    throw invalidOption('tags', tags, `a job has at most ${bounds.tags}, not ${tags.length}`)
  }
  for (const [i, tag] of tags.entries()) checkKey(`tags[${i}]`, tag)
  if (tags.length > 0) draft.tags = [...new Set(tags)]
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what the rule forbids.
const HEADER_NAME = /^[^\u0000-\u001f\u007f]{1,128}$/

function addHeaders(draft: Draft, headers: { readonly [name: string]: string }): void {
  const names = fieldsOf('headers', headers, bounds.headers)
  for (const name of names) {
    const value: unknown = headers[name]
    if (!HEADER_NAME.test(name)) throw invalidOption('headers', name, 'a name has 1 to 128 plain characters')
    if (typeof value !== 'string' || Buffer.byteLength(value) > bounds.header) {
      throw invalidSecret(`headers.${name}`, value, `a string of at most ${bounds.header} bytes is needed`)
    }
  }
  if (names.length > 0) draft.headers = { ...headers }
}

function addKeys(
  draft: Draft,
  definition: Definition,
  parsed: unknown,
  options: JobOptions | undefined,
): void {
  const partition = options?.partition ?? definition.partitionBy?.(parsed)
  if (partition !== undefined) {
    checkKey('partition', partition)
    draft.partition = partition
  }
  const unique = options?.unique ?? definition.uniqueBy?.(parsed)
  if (unique !== undefined) {
    checkKey('unique', unique)
    draft.unique = uniqueKey(definition, unique)
  }
  const search = options?.search ?? definition.search?.(parsed)
  if (search !== undefined) {
    const fields = fieldsOf('search', search, bounds.searchFields)
    for (const field of fields) {
      if (!/^\w{1,64}$/.test(field)) {
        throw invalidOption('search', field, 'a field is named with 1 to 64 letters, digits or _')
      }
      checkKey(`search.${field}`, search[field])
    }
    if (fields.length > 0) draft.search = { ...search }
  }
}

/** A slash is in no name of a task, so no two tasks share a key. A long one is stored as its hash. */
function uniqueKey(definition: Definition, key: string): UniqueKey {
  const whole = `${definition.name}/${key}`
  const fits = whole.length * 3 <= bounds.key || Buffer.byteLength(whole) <= bounds.key
  const hash = fits ? '' : createHash('sha256').update(key).digest('hex')
  return {
    key: fits ? whole : `${definition.name}/sha256:${hash}`,
    during: definition.uniqueDuring,
    onConflict: definition.uniqueOnConflict,
  }
}

function fieldsOf(path: string, fields: unknown, max: number): readonly string[] {
  // A Map or a `Headers` has no properties of its own, and would be lost without a word.
  if (typeof fields !== 'object' || fields === null || !isPlain(fields)) {
    throw invalidSecret(path, fields, 'an object of strings is needed')
  }
  const names = Object.keys(fields)
  if (names.length <= max) return names
  throw invalidOption(path, fields, `a job has at most ${max}, not ${names.length}`)
}
