// Durations as users write them: milliseconds, or a whole or decimal number with a unit.
import { OffstageError } from '../errors/error.ts'

/** Milliseconds, or a string such as `'500ms'`, `'30s'`, `'1.5h'`, `'3d'`. */
export type Duration = number | string

const UNIT_MS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const PATTERN = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)$/
/** A hundred years: longer is a mistake in the unit. */
const MAX_MS = 3_155_760_000_000

/**
 * Whole milliseconds of a duration.
 *
 * @param path what the value is called where the user wrote it, for the message
 * @throws DURATION_INVALID for anything that is not a duration, is negative, or exceeds 100 years
 */
export function durationMs(value: Duration, path: string): number {
  const ms = typeof value === 'string' ? parse(value) : value
  if (typeof ms === 'number' && ms >= 0 && ms <= MAX_MS) return Math.round(ms)
  const shown = typeof value === 'string' ? `'${value.slice(0, 40)}'` : show(value)
  throw new OffstageError(
    'DURATION_INVALID',
    `${path} is ${shown}; a duration is milliseconds or a string like '500ms', '30s', '5m', '2h', '3d', from 0 to 100 years`,
    { details: { path } },
  )
}

/** Not every object has a text. */
function show(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function parse(text: string): number {
  const match = PATTERN.exec(text.trim())
  const unit = UNIT_MS[match?.[2] ?? '']
  return match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit
}

/** A duration as a person reads it: `950ms`, `1.5s`, `2m`, `3h 20m`, `4d`. */
export function formatMs(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`
  if (ms < 59_950) return `${Number((ms / 1_000).toFixed(1))}s`
  const minutes = Math.round(ms / 60_000)
  if (minutes < 60) return `${minutes}m`
  const [hours, restMinutes] = [Math.floor(minutes / 60), minutes % 60]
  if (hours < 24) return restMinutes === 0 ? `${hours}h` : `${hours}h ${restMinutes}m`
  const [days, restHours] = [Math.floor(hours / 24), hours % 24]
  return restHours === 0 ? `${days}d` : `${days}d ${restHours}h`
}
