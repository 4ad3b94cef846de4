// Text for a terminal: foreign text without control characters, the width it takes, and moments as people read them.
import { formatMs } from '../runtime/durations.ts'

// Controls of C0 and C1, DEL, line separators, and the marks that turn the direction of writing: what could move the
// cursor, colour the screen or disguise what follows.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const SHORT: { readonly [char: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Foreign text on one line: every character that a terminal would act on is written as an escape. */
export function plain(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const code = char.charCodeAt(0)
    return SHORT[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
  })
}

/** The same for text of several lines, such as a stack: its line breaks stay. */
export function plainLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => plain(line.replaceAll('\t', '  ')))
    .join('\n')
}

function hex(code: number, length: number): string {
  return code.toString(16).padStart(length, '0')
}

// Combining marks and joiners take no column, East Asian and emoji characters take two. The common ranges are enough to
// keep tables straight.
const ZERO_WIDTH = /[\p{Mn}\p{Me}\u200b\u200c]|\u200d/u
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u

/** How many columns of a terminal the text takes. */
export function widthOf(text: string): number {
  let width = 0
  for (const char of text) width += widthOfChar(char)
  return width
}

/** The text, cut to `width` columns with an ellipsis as the last one. */
export function cutToWidth(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let out = ''
  let used = 1
  for (const char of text) {
    used += widthOfChar(char)
    if (used > width) break
    out += char
  }
  return width < 1 ? '' : `${out}…`
}

function widthOfChar(char: string): number {
  if (char >= ' ' && char <= '~') return 1
  if (ZERO_WIDTH.test(char)) return 0
  return WIDE.test(char) ? 2 : 1
}

/** A moment, seen from `now`: `2m ago`, `in 30s`, `now`. */
export function formatAge(at: number, now: number): string {
  const ms = now - at
  if (Math.abs(ms) < 1_000) return 'now'
  const length = formatMs(Math.abs(ms) < 60_000 ? Math.floor(Math.abs(ms) / 1_000) * 1_000 : Math.abs(ms))
  return ms > 0 ? `${length} ago` : `in ${length}`
}

/** A count with separators: `1,234`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** Bytes as people read them: `12 B`, `3.4 KiB`, `1.2 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes / 1_024
  let unit = 0
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024
    unit += 1
  }
  return `${value.toFixed(1)} ${units[unit]}`
}

/** `1 job`, `2 jobs`, `2 processes`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : noun.endsWith('s') ? 'es' : 's'}`
}
