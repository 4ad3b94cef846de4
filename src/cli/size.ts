// Sizes as users write them: bytes, or a number with a unit of 1,024.
import { UsageError } from './exit.ts'
import { plain } from './text.ts'

const PATTERN = /^(\d+(?:\.\d+)?)\s*(?:b|(k|m|g)i?b?)?$/i
const FACTORS: { readonly [unit: string]: number } = { '': 1, k: 1_024, m: 1_024 ** 2, g: 1_024 ** 3 }

/**
 * Whole bytes of `512mb`, `1.5g`, `2GiB`, `800000000`.
 *
 * @param path what the value is called where the user wrote it, for the message
 * @throws UsageError
 */
export function bytesOf(text: string, path: string, min: number): number {
  const match = PATTERN.exec(text.trim())
  const bytes = Math.floor(Number(match?.[1]) * (FACTORS[(match?.[2] ?? '').toLowerCase()] ?? 1))
  if (bytes >= min && Number.isSafeInteger(bytes)) return bytes
  throw new UsageError(
    `${path} is '${plain(text)}'; a size is bytes or a number with kb, mb or gb, such as 512mb, from ${min / 1_024 ** 2}mb`,
  )
}
