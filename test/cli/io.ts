// An `Io` that records what a command writes, so that commands run in a test without a process.

import type { InStream, Io } from '../../src/cli/output.ts'
import { run } from '../../src/cli/run.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface IoOptions {
  readonly stdin?: string | undefined
  /** Of all three streams. Default false. */
  readonly tty?: boolean | undefined
  readonly columns?: number | undefined
  readonly env?: { [name: string]: string | undefined } | undefined
  readonly cwd?: string | undefined
}

/** Runs the command line with captured streams. */
export async function runCli(argv: readonly string[], options: IoOptions = {}): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const io = makeIo(options, written)
  const code = await run(argv, io)
  return { code, ...written }
}

export function makeIo(options: IoOptions, written: { stdout: string; stderr: string }): Io {
  const isTTY = options.tty === true
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY,
    columns: options.columns,
    write: (text: string): void => {
      written[name] += text
    },
  })
  return {
    stdin: stdinOf(options.stdin ?? '', isTTY),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
  }
}

function stdinOf(text: string, isTTY: boolean): InStream {
  return {
    isTTY,
    async *[Symbol.asyncIterator]() {
      yield text
    },
  }
}
