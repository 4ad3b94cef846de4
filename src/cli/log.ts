// A logger for the terminal: one line each on stderr, with the time, and nothing raw from payloads or errors.
import type { LogFields, Logger } from '../runtime/logger.ts'
import type { Output, Style } from './output.ts'
import { plain } from './text.ts'

/** Warnings and errors, and what is said at `info` unless `--quiet`. */
export function terminalLogger(out: Output): Logger {
  const method =
    (level: string, style: Style, write: (line: string) => void) =>
    (first: string | LogFields, second?: string): void => {
      const [fields, message] = typeof first === 'string' ? [{}, first] : [first, second ?? '']
      write(logLine(out, { level, style, message, fields }))
    }
  return {
    debug: () => undefined,
    info: method('info', 'blue', (line) => out.note(line)),
    warn: method('warn', 'yellow', (line) => out.always(line)),
    error: method('error', 'red', (line) => out.always(line)),
  }
}

interface LogEntry {
  readonly level: string
  readonly style: Style
  readonly message: string
  readonly fields: LogFields
}

/** `12:30:05 warn  message key=value`. */
export function logLine(out: Output, { level, style, message, fields }: LogEntry): string {
  const time = new Date().toISOString().slice(11, 19)
  const tail = Object.entries(fields).map(([key, value]) => ` ${plain(key)}=${show(value)}`)
  return `${out.noteStyle('dim', time)} ${out.noteStyle(style, level.padEnd(5))} ${plain(message)}${out.noteStyle('dim', tail.join(''))}`
}

function show(value: unknown): string {
  if (value instanceof Error) return plain(JSON.stringify(`${value.name}: ${value.message}`))
  if (typeof value === 'string' && /^[\w.:/@-]+$/.test(value)) return value
  try {
    return plain(JSON.stringify(value) ?? String(value))
  } catch {
    // A cycle or a BigInt must not turn a log line into a failure.
    return Object.prototype.toString.call(value)
  }
}
