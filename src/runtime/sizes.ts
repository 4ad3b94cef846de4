// Sizes of memory as users write them: bytes, or a number with a unit.
import { OffstageError } from '../errors/error.ts'

/** Bytes, or a string such as `'512mb'`, `'1.5gb'`; a kilobyte has 1,024 bytes. */
export type Size = number | string

const UNIT: { readonly [unit: string]: number } = { b: 1, kb: 1_024, mb: 1_048_576, gb: 1_073_741_824 }
const PATTERN = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)$/i

/**
 * Whole bytes of a size.
 *
 * @param path what the value is called where the user wrote it, for the message
 * @throws OPTION_INVALID for anything that is no size, or lies outside the bounds
 */
export function bytesOf(value: unknown, path: string, min: number, max: number): number {
  const bytes = typeof value === 'string' ? parse(value) : value
  if (typeof bytes === 'number' && bytes >= min && bytes <= max) return Math.round(bytes)
  const shown = typeof value === 'string' ? `'${value.slice(0, 40)}'` : show(value)
  throw new OffstageError(
    'OPTION_INVALID',
    `${path} is ${shown}; bytes or a string like '512mb', '2gb' are needed, from ${formatBytes(min)} to ${formatBytes(max)}`,
    { details: { path } },
  )
}

/** `16 MB`, `1.5 GB`. */
export function formatBytes(bytes: number): string {
  for (const [name, size] of [
    ['GB', 1_073_741_824],
    ['MB', 1_048_576],
    ['kB', 1_024],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${name}`
  }
  return `${bytes} B`
}

/** Not every object has a text. */
function show(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function parse(text: string): number {
  const match = PATTERN.exec(text.trim())
  const unit = UNIT[match?.[2]?.toLowerCase() ?? '']
  return match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit
}
