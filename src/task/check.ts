// Checks of options as users write them: unknown names, wholes, booleans, choices. Every message names the option,
// the value and the rule.
import { OffstageError } from '../errors/error.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'

/** OPTION_INVALID that reads "`path` is `value`; `rule`". */
export function invalidOption(path: string, value: unknown, rule: string): OffstageError {
  return new OffstageError('OPTION_INVALID', `${path} is ${show(value)}; ${rule}`, { details: { path } })
}

/** The same for what may be a secret: of the value only its kind and its size are said. */
export function invalidSecret(path: string, value: unknown, rule: string): OffstageError {
  const what = typeof value === 'string' ? `a string of ${Buffer.byteLength(value)} bytes` : kindOf(value)
  return new OffstageError('OPTION_INVALID', `${path} is ${what}; ${rule}`, { details: { path } })
}

function kindOf(value: unknown): string {
  const plain = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol'
  return plain ? `a ${typeof value}` : show(value)
}

/**
 * @param where as for `checkKnown`
 * @throws OPTION_INVALID
 */
export function checkObject(where: string, options: unknown): asserts options is object {
  // What has its properties elsewhere, a Map or a promise, would look like no options at all.
  const none = options instanceof Map || options instanceof Set || isThenable(options)
  if (typeof options !== 'object' || options === null || Array.isArray(options) || none) {
    throw new OffstageError('OPTION_INVALID', `${where}: ${show(options)} is no object of options`)
  }
}

/**
 * Refuses what is no object, and options that nobody knows, naming the closest known one.
 *
 * @param where what the options belong to, for the message: `task 'mail'`, `enqueue`
 * @throws OPTION_INVALID
 */
export function checkKnown(where: string, options: unknown, known: readonly string[]): void {
  checkObject(where, options)
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    const near = closest(key, known)
    const hint = near === undefined ? `the options are ${known.join(', ')}` : `did you mean '${near}'?`
    throw new OffstageError('OPTION_INVALID', `${where}: there is no option '${key.slice(0, 60)}'; ${hint}`, {
      details: { path: key },
    })
  }
}

/** @throws OPTION_INVALID */
export function wholeNumber(path: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw invalidOption(path, value, `a whole number from ${min} to ${max.toLocaleString('en')} is needed`)
}

/** @throws OPTION_INVALID */
export function choice<T extends string>(path: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((one) => one === value)
  if (found !== undefined) return found
  throw invalidOption(path, value, `it is one of ${choices.map((one) => `'${one}'`).join(', ')}`)
}

/**
 * Milliseconds of a duration that has a lower bound.
 *
 * @throws DURATION_INVALID, OPTION_INVALID
 */
export function boundedMs(path: string, value: Duration, minMs: number): number {
  const ms = durationMs(value, path)
  if (ms >= minMs) return ms
  throw invalidOption(path, value, `it is at least ${minMs} ms`)
}

/**
 * A module as a thread or process can import it.
 *
 * @throws OPTION_INVALID
 */
export function fileUrl(path: string, value: unknown): string {
  const text = value instanceof URL ? value.href : value
  if (typeof text === 'string' && /^file:\/\/\//.test(text) && URL.canParse(text)) return new URL(text).href
  throw invalidOption(path, text, 'a file: URL is needed, as import.meta.url is')
}

/** The known name that begins with it, else the one that is a few letters away. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const word = name.slice(0, 60).toLowerCase()
  const begun = word.length >= 3 ? known.find((one) => one.toLowerCase().startsWith(word)) : undefined
  if (begun !== undefined) return begun
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const away = distance(word, candidate.toLowerCase())
    const near = candidate.length < 4 ? 1 : Math.max(2, Math.floor(candidate.length / 3))
    if (away < bestDistance && away <= near) {
      best = candidate
      bestDistance = away
    }
  }
  return best
}

/** Edits between two words (V. Levenshtein, 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { readonly then?: unknown }).then === 'function'
}

/** A value as a message shows it: short, and never a payload. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}${value.length > 40 ? '…' : ''}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}
