// Where a command reads and writes: data on stdout, messages on stderr, colours and tables where a person looks on.
import { styleText } from 'node:util'
import { cutToWidth, widthOf } from './text.ts'

interface OutStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export interface InStream extends AsyncIterable<string | Uint8Array> {
  readonly isTTY?: boolean | undefined
}

/** What surrounds a command: handed in, so that tests can run it without a process. */
export interface Io {
  readonly stdin: InStream
  readonly stdout: OutStream
  readonly stderr: OutStream
  /** That of the process: what is set here is seen by the app. */
  readonly env: { [name: string]: string | undefined }
  readonly cwd: string
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly noColor: boolean
}

export interface Cell {
  readonly text: string
  readonly style?: Style | undefined
}

export interface Column {
  readonly title: string
  /** Numbers stand at the right. Default left. */
  readonly align?: 'right' | undefined
  /** Gives way first when the terminal is too narrow. */
  readonly shrinks?: boolean | undefined
}

export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly #io: Io
  readonly #colours: { readonly stdout: boolean; readonly stderr: boolean }

  constructor(io: Io, options: OutputOptions) {
    this.#io = io
    this.json = options.json
    this.quiet = options.quiet
    this.#colours = {
      stdout: hasColours(io.stdout, io.env, options.noColor),
      stderr: hasColours(io.stderr, io.env, options.noColor),
    }
  }

  /** A line of data. */
  line(text: string): void {
    this.#io.stdout.write(`${text}\n`)
  }

  /** The one JSON document of a command under `--json`. */
  document(value: unknown): void {
    this.#io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  }

  /** A remark for the person at the terminal; silent under `--quiet`. */
  note(text: string): void {
    if (!this.quiet) this.#io.stderr.write(`${text}\n`)
  }

  /** A line on stderr that also `--quiet` lets through. */
  always(text: string): void {
    this.#io.stderr.write(`${text}\n`)
  }

  /** A problem that did not stop the command. */
  warn(text: string): void {
    this.#io.stderr.write(`${this.#styled('stderr', 'yellow', 'warning:')} ${text}\n`)
  }

  /** What ended the command. `more` stands on lines of its own. */
  error(text: string, more?: string): void {
    this.#io.stderr.write(`${this.#styled('stderr', 'red', 'error:')} ${text}\n`)
    if (more !== undefined) this.#io.stderr.write(`${more}\n`)
  }

  /** What ended the command, under `--json`. */
  errorDocument(value: unknown): void {
    this.#io.stderr.write(`${JSON.stringify(value, null, 2)}\n`)
  }

  /** Text for stdout in a style, where stdout shows colours. */
  style(style: Style, text: string): string {
    return this.#styled('stdout', style, text)
  }

  /** Text for stderr in a style, where stderr shows colours. */
  noteStyle(style: Style, text: string): string {
    return this.#styled('stderr', style, text)
  }

  /** Rows under titles, aligned; cut to the width of the terminal only where there is one. */
  table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): void {
    const widths = columns.map(({ title }, i) =>
      Math.max(widthOf(title), ...rows.map((row) => widthOf(row[i]?.text ?? ''))),
    )
    const room = this.#io.stdout.isTTY === true ? (this.#io.stdout.columns ?? 80) : undefined
    const fitted = room === undefined ? widths : fitWidths(columns, widths, room)
    const print = (cells: readonly Cell[]): void => {
      const parts = columns.map((column, i) => this.#cell(cells[i] ?? { text: '' }, column, fitted[i] ?? 0))
      this.line(parts.join('  ').trimEnd())
    }
    print(columns.map(({ title }): Cell => ({ text: title, style: 'dim' })))
    for (const row of rows) print(row)
  }

  #cell({ text, style }: Cell, { align }: Column, width: number): string {
    const shown = cutToWidth(text, width)
    const styled = style === undefined ? shown : this.style(style, shown)
    const pad = ' '.repeat(Math.max(0, width - widthOf(shown)))
    return align === 'right' ? `${pad}${styled}` : `${styled}${pad}`
  }

  #styled(stream: 'stdout' | 'stderr', style: Style, text: string): string {
    // Whether the stream shows colours was settled above, by rules that also know --no-color.
    return this.#colours[stream] ? styleText(style, text, { validateStream: false }) : text
  }
}

/** The flag, then FORCE_COLOR, then NO_COLOR, then whether a capable terminal is there. */
function hasColours(stream: OutStream, env: Io['env'], noColor: boolean): boolean {
  if (noColor) return false
  const force = env.FORCE_COLOR
  if (force !== undefined) return force !== '0' && force !== 'false'
  if ((env.NO_COLOR ?? '') !== '') return false
  return stream.isTTY === true && env.TERM !== 'dumb'
}

const MIN_WIDTH = 8

/** Widths that fit into `room`: columns that shrink give way first, then the widest. */
function fitWidths(columns: readonly Column[], widths: readonly number[], room: number): readonly number[] {
  const fitted = [...widths]
  const shrink = (candidates: readonly number[]): void => {
    let over = total(fitted) - room
    while (over > 0) {
      const widest = candidates.reduce(
        (a, b) => ((fitted[b] ?? 0) > (fitted[a] ?? 0) ? b : a),
        candidates[0] ?? -1,
      )
      const width = fitted[widest] ?? 0
      if (width <= MIN_WIDTH) return
      fitted[widest] = width - 1
      over -= 1
    }
  }
  shrink(columns.flatMap(({ shrinks }, i) => (shrinks === true ? [i] : [])))
  shrink(columns.map((_, i) => i))
  return fitted
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + 2 * Math.max(0, widths.length - 1)
}
