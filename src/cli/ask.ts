// Reads from stdin: an answer to a question, and all there is.
import type { Io } from './output.ts'

/** Asks on stderr; true where the answer is yes. */
export async function ask(io: Io, question: string): Promise<boolean> {
  io.stderr.write(question)
  let text = ''
  for await (const chunk of io.stdin) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text.includes('\n')) break
  }
  return /^\s*y(es)?\s*$/i.test(text.split('\n')[0] ?? '')
}

/** Everything on stdin as text. */
export async function readAll(io: Io): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of io.stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return Buffer.concat(chunks).toString('utf8')
}
