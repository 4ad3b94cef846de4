// The command line of the example.
import { parseArgs } from 'node:util'

export interface Options {
  /** End after the summary instead of staying up. */
  once: boolean
  /** Keep jobs and books from one start to the next. */
  keep: boolean
  help: boolean
  /** The port of the web service; the book site takes the next one. */
  port: number
  /** A broker URL, or undefined for a SQLite file of the example's own. */
  broker: string | undefined
  concurrency: number
  books: number
}

export const USAGE = `Usage: npm start -- [options]

  --once             end after the summary
  --books N          how many books to parse, 1 to 1000 (default 1000)
  --concurrency N    how many jobs run at once, 1 to 1000 (default 20)
  --port N           port of the web service (default 3000); the book site takes the next one
  --broker URL       broker to use (default: a fresh SQLite file at each start); service and worker are two
                     processes, so none that keeps its jobs in memory
  --keep             keep the SQLite files in examples/books/.offstage from one start to the next
  --help             this text`

/** Reads the arguments. Throws a TypeError that names the bad one. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      once: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      port: { type: 'string', default: '3000' },
      broker: { type: 'string' },
      concurrency: { type: 'string', default: '20' },
      books: { type: 'string', default: '1000' },
    },
  })
  return {
    once: values.once,
    keep: values.keep,
    help: values.help,
    broker: sharedBroker(values.broker),
    port: wholeNumber('--port', values.port, { low: 0, high: 65_534 }),
    concurrency: wholeNumber('--concurrency', values.concurrency, { low: 1, high: 1000 }),
    books: wholeNumber('--books', values.books, { low: 1, high: 1000 }),
  }
}

/** The worker is a process of its own: what one process keeps in memory it would never see. */
function sharedBroker(url: string | undefined): string | undefined {
  if (url === undefined || !/^(memory:|sqlite::memory:)/i.test(url)) return url
  throw new TypeError(
    `--broker is '${url}', which keeps its jobs in one process; name one that several can use`,
  )
}

function wholeNumber(name: string, text: string, range: { low: number; high: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= range.low && value <= range.high) return value
  throw new TypeError(`${name} is '${text}', and has to be a whole number from ${range.low} to ${range.high}`)
}
