// The shape of a logger: that of pino, so that `pino()` fits as it is, and two that need no library.

export interface LogFields {
  readonly [key: string]: unknown
}

/** `logger.info('text')` or `logger.info({ fields }, 'text')`. */
export interface LogMethod {
  (message: string): void
  (fields: LogFields, message?: string): void
}

export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
}

const ignore = (): void => undefined

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** Writes warnings and errors to stderr, one line each: what an app has that names no logger. */
export const stderrLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (first: string | LogFields, second?: string) => writeLine('warn', first, second),
  error: (first: string | LogFields, second?: string) => writeLine('error', first, second),
}

function writeLine(level: string, first: string | LogFields, second: string | undefined): void {
  const [fields, message] = typeof first === 'string' ? [{}, first] : [first, second ?? '']
  const tail = Object.entries(fields).map(([key, value]) => ` ${key}=${show(value)}`)
  process.stderr.write(`offstage ${level}: ${message}${tail.join('')}\n`)
}

function show(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(`${value.name}: ${value.message}`)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // A cycle or a BigInt must not turn a log line into a failure.
    return Object.prototype.toString.call(value)
  }
}
