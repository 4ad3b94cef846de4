// Whatever was thrown, as bounded text that any store can keep. The failure path must not fail, so every read of a
// foreign value is guarded: getters that throw, proxies, cycles, NUL bytes and megabytes of message are all normal here.
import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { bounds } from './defaults.ts'
import type { StoredError } from './record.ts'

/** How many causes below the error are kept. */
const MAX_CAUSES = 4
const MAX_NAME = 128
/** No pattern runs over more than this, whatever was thrown. */
const MAX_SCANNED = 16_384

/** The error as it is stored. Never throws. */
export function storedError(thrown: unknown): StoredError {
  try {
    return convert(thrown, MAX_CAUSES, new Set())
  } catch {
    // Nothing above is known to throw; a value that manages to must still end as that job's failure.
    return {
      name: 'Error',
      message: 'an error that cannot be read',
      fingerprint: fingerprint('Error', '', '', ''),
    }
  }
}

const stored = new WeakMap<object, StoredError>()

/** An error that stands for one of another thread or process: it is stored as that one would have been. */
export function standsFor<E extends object>(error: E, original: StoredError): E {
  stored.set(error, original)
  return error
}

/**
 * Text that every store can hold: NUL and lone surrogates become U+FFFD, and no more than `max` UTF-16 units are kept.
 */
export function cleanText(text: string, max: number): string {
  const cut = text.length > max ? `${text.slice(0, Math.max(0, max - 1))}…` : text
  return UNCLEAN.test(cut) ? cut.replace(EVERY_UNCLEAN, '\ufffd') : cut
}

const BAD = '\\u0000|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]'
const UNCLEAN = new RegExp(BAD)
const EVERY_UNCLEAN = new RegExp(BAD, 'g')

function convert(thrown: unknown, causesLeft: number, seen: Set<unknown>): StoredError {
  if (typeof thrown !== 'object' || thrown === null) return plain(thrown)
  const original = stored.get(thrown)
  if (original !== undefined) return original
  seen.add(thrown)
  const name = text(read(thrown, 'name'), MAX_NAME) ?? 'Error'
  const message =
    text(read(thrown, 'message'), bounds.errorMessage) ?? cleanText(show(thrown), bounds.errorMessage)
  const code = codeText(read(thrown, 'code'))
  const stack = text(read(thrown, 'stack'), bounds.errorStack)
  const cause = causeOf(thrown, causesLeft, seen)
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined ? {} : { stack }),
    fingerprint: fingerprint(name, code ?? '', ownFrame(stack ?? '', message), message),
    ...(cause === undefined ? {} : { cause }),
  }
}

/** Something that is no object was thrown: `throw 'text'`, `throw null`. */
function plain(thrown: unknown): StoredError {
  const message = cleanText(typeof thrown === 'string' ? thrown : show(thrown), bounds.errorMessage)
  return { name: 'Error', message, fingerprint: fingerprint('Error', '', typeof thrown, message) }
}

function causeOf(thrown: object, causesLeft: number, seen: Set<unknown>): StoredError | undefined {
  const cause = read(thrown, 'cause') ?? firstOf(read(thrown, 'errors'))
  if (cause === undefined || cause === null || causesLeft === 0) return undefined
  if (seen.has(cause)) return undefined
  return convert(cause, causesLeft - 1, seen)
}

/** An AggregateError says what went wrong only in its parts. */
function firstOf(errors: unknown): unknown {
  try {
    return Array.isArray(errors) ? (errors[0] as unknown) : undefined
  } catch {
    return undefined
  }
}

function read(target: object, key: string): unknown {
  try {
    return (target as { readonly [key: string]: unknown })[key]
  } catch {
    // A hostile getter: the field is taken as absent.
    return undefined
  }
}

function text(value: unknown, max: number): string | undefined {
  return typeof value === 'string' && value !== '' ? cleanText(value, max) : undefined
}

function codeText(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : text(value, MAX_NAME)
}

/** A value for people, without running any code of its own. */
function show(value: unknown): string {
  try {
    return inspect(value, {
      depth: 2,
      breakLength: Number.POSITIVE_INFINITY,
      customInspect: false,
      maxArrayLength: 20,
      maxStringLength: 1_000,
    })
  } catch {
    return `a thrown ${typeof value} that cannot be shown`
  }
}

// ── fingerprints ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The same for errors of one kind from one place: numbers, ids and hashes in the message make no difference. */
function fingerprint(name: string, code: string, frame: string, message: string): string {
  const parts = [name, code, frame, normalise(message)].join('\n')
  return createHash('sha256').update(parts).digest('hex').slice(0, 16)
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi
const HEX = /\b(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{8,})\b/gi
const DIGITS = /\d+/g

function normalise(message: string): string {
  return message.replace(UUID, '#').replace(HEX, '#').replace(DIGITS, '#')
}

/**
 * The first frame outside Node and installed packages: function and file without line, column, query and folders, so
 * that a deploy to another folder or an added line above keeps the group.
 */
function ownFrame(stack: string, message: string): string {
  const afterMessage = stack.indexOf(message)
  const from = afterMessage === -1 ? 0 : afterMessage + message.length
  const frames = stack
    .slice(from, from + MAX_SCANNED)
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
  const own = frames.find((line) => !line.includes('node:') && !line.includes('node_modules'))
  return (own ?? frames[0] ?? '')
    .trim()
    .replace(/(\?[^:)\s]*)?:\d+(:\d+)?\)?$/, '')
    .replace(/(?:file:\/\/)?(?:[^\s()/\\]*[/\\])+/, '')
}
