// Runs one call of the command line: finds the command, reads its arguments, and turns errors into messages and codes.
import { readFileSync } from 'node:fs'
import { type ErrorCode, errorCodes } from '../errors/codes.ts'
import { codeOf } from '../errors/error.ts'
import { catalog } from './catalog.ts'
import { suggestion } from './closest.ts'
import { exitCodeOf, exitCodes, UsageError } from './exit.ts'
import { commandHelp, groupHelp, topHelp } from './help.ts'
import { LoadError, userStack } from './load.ts'
import { type Io, Output } from './output.ts'
import { findWords, type Invocation, parseCommand } from './parse.ts'
import { Settings } from './settings.ts'
import type { CommandEntry } from './spec.ts'
import { plain, plainLines } from './text.ts'

/** Runs the command in `argv` (without node and the script); answers the exit code. Never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  // Errors may come before the options are read, so what shapes their output is looked for in the plain text.
  const has = (flag: string): boolean => argv.includes(flag)
  const out = new Output(io, { json: has('--json'), quiet: has('--quiet'), noColor: has('--no-color') })
  try {
    return await dispatch(argv, io, out)
  } catch (error) {
    report(error, out)
    return exitCodeOf(error)
  }
}

async function dispatch(argv: readonly string[], io: Io, out: Output): Promise<number> {
  const invocation = findWords(argv)
  const [word, next] = invocation.words.map(({ text }) => text)
  if (invocation.version) return print(out, version())
  if (word === undefined) return print(out, topHelp(catalog))
  if (word === 'help')
    return helpFor(
      invocation.words.slice(1).map(({ text }) => text),
      out,
    )

  const groups = new Set(catalog.flatMap(({ name }) => (name.includes(' ') ? [firstWord(name)] : [])))
  if (groups.has(word) && (next === undefined || asksHelp(argv, invocation))) {
    if (asksHelp(argv, invocation)) return print(out, groupHelp(word, catalog))
    throw new UsageError(`offstage ${word} needs a command: ${membersOf(word).join(', ')}`)
  }
  const entry = findCommand(word, groups.has(word) ? next : undefined)
  const { spec, run: runCommand } = await entry.load()
  const taken = invocation.words.slice(0, entry.name.split(' ').length).map(({ index }) => index)
  const rest = argv.filter((_, i) => !taken.includes(i))
  if (rest.includes('--help') || rest.includes('-h')) return print(out, commandHelp(entry, spec))
  const args = parseCommand(rest, spec.options)
  const { min, max } = spec.positionals
  if (args.positionals.length < min || args.positionals.length > max) {
    const problem =
      args.positionals.length < min ? 'too few arguments' : `unexpected argument '${args.positionals[max]}'`
    throw new UsageError(`${problem}; usage: offstage ${entry.name} ${spec.args}`)
  }
  return runCommand({ args, out, io, settings: new Settings(args, io) })
}

/** `offstage jobs --help`: help is asked before any command of the group is named. */
function asksHelp(argv: readonly string[], { words }: Invocation): boolean {
  const until = words[1]?.index ?? argv.length
  return argv.slice(0, until).some((arg) => arg === '--help' || arg === '-h')
}

function helpFor(words: readonly string[], out: Output): Promise<number> | number {
  const [word, next] = words
  if (word === undefined) return print(out, topHelp(catalog))
  if (next === undefined && membersOf(word).length > 0) return print(out, groupHelp(word, catalog))
  const entry = findCommand(word, membersOf(word).length > 0 ? next : undefined)
  return entry.load().then(({ spec }) => print(out, commandHelp(entry, spec)))
}

function findCommand(word: string, next: string | undefined): CommandEntry {
  const name = next === undefined ? word : `${word} ${next}`
  const entry = catalog.find((candidate) => candidate.name === name)
  if (entry !== undefined) return entry
  if (next !== undefined) {
    throw new UsageError(`unknown command '${word} ${next}'${suggestion(next, membersOf(word))}`)
  }
  const known = [...new Set(catalog.map((candidate) => firstWord(candidate.name)))]
  throw new UsageError(`unknown command '${word}'${suggestion(word, known)}`)
}

function membersOf(group: string): readonly string[] {
  return catalog.flatMap(({ name }) => (name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : []))
}

function firstWord(name: string): string {
  return name.split(' ')[0] ?? name
}

function print(out: Output, text: string): number {
  out.line(text)
  return exitCodes.ok
}

/** The version in the package.json beside `dist` and `src`. */
export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { readonly version?: unknown }).version)
}

/** What `--json` calls errors of the command line itself. */
const plainCodes: { readonly [exit: number]: string } = {
  [exitCodes.usage]: 'USAGE',
  [exitCodes.notFound]: 'NOT_FOUND',
}

function report(error: unknown, out: Output): void {
  const message = error instanceof Error ? error.message : String(error)
  const code = codeOf(error)
  if (out.json)
    out.errorDocument({ error: { code: code ?? plainCodes[exitCodeOf(error)] ?? 'FAILED', message } })
  else out.error(plainLines(message) + (code === undefined ? '' : ` (${plain(code)})`), moreOf(error, code))
}

/** What helps beyond the message: the user's own stack, what the code means, where help is. */
function moreOf(error: unknown, code: string | undefined): string | undefined {
  if (error instanceof UsageError)
    return 'Run offstage --help, or a command with --help, for what is possible.'
  if (error instanceof LoadError) return plainLines(userStack(error.cause))
  if (code !== undefined && Object.hasOwn(errorCodes, code)) return errorCodes[code as ErrorCode].help
  // Neither the user's mistake nor one with a code: the stack is all there is to go by.
  return error instanceof Error && error.name !== 'NotFoundError' ? plainLines(userStack(error)) : undefined
}
