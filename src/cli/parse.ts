// Reads the arguments of a command by its specification, with node:util parseArgs, and says what is wrong in terms of
// what was typed.
import { parseArgs } from 'node:util'
import { suggestion } from './closest.ts'
import { UsageError } from './exit.ts'
import { globalOptions, type OptionSpecs } from './spec.ts'

/** The arguments of a command, checked against its specification. */
export class ParsedArgs {
  readonly positionals: readonly string[]
  readonly #values: ReadonlyMap<string, readonly (string | true)[]>

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly (string | true)[]>) {
    this.positionals = positionals
    this.#values = values
  }

  /** True where the option was given. */
  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** The value of an option; the last one where it was given several times. */
  text(name: string): string | undefined {
    const value = this.#values.get(name)?.at(-1)
    return typeof value === 'string' ? value : undefined
  }

  /** Every value of an option, in the order given. */
  texts(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).filter((value) => typeof value === 'string')
  }

  /** The whole number of an option. */
  whole(name: string, min: number, max: number): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new UsageError(`--${name} is '${text}'; it is a whole number from ${min} to ${max}`)
  }

  /** The duration of an option, as milliseconds where it is a bare number. */
  duration(name: string): number | string | undefined {
    const text = this.text(name)
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
  }

  /** The same arguments again, for another process; without the options that are named. */
  toArgv(without: readonly string[] = []): readonly string[] {
    const options = [...this.#values].flatMap(([name, values]) =>
      without.includes(name)
        ? []
        : values.map((value) => (value === true ? `--${name}` : `--${name}=${value}`)),
    )
    return this.positionals.length === 0 ? options : [...options, '--', ...this.positionals]
  }

  /** The pairs of an option that is given as `name=value`, several times. */
  pairs(name: string): { readonly [key: string]: string } | undefined {
    const entries = this.texts(name).map((text): [string, string] => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`--${name} is '${text}'; write it as name=value`)
      return [text.slice(0, at), text.slice(at + 1)]
    })
    return entries.length === 0 ? undefined : Object.fromEntries(entries)
  }
}

/** The words before the first option that is not global: what names the command. */
export interface Invocation {
  /** Positional arguments, the words of the command first, with their place in argv. */
  readonly words: readonly { readonly text: string; readonly index: number }[]
  readonly version: boolean
  readonly help: boolean
}

const VERSION: OptionSpecs = { version: { type: 'boolean', short: 'v', help: 'print the version' } }
export const topOptions: OptionSpecs = { ...globalOptions, ...VERSION }

/** Finds the words that name the command; options before them must be global ones. */
export function findWords(argv: readonly string[]): Invocation {
  const { tokens } = tokenise(argv, topOptions)
  const words = tokens.flatMap((token) =>
    token.kind === 'positional' ? [{ text: token.value, index: token.index }] : [],
  )
  const firstWord = words[0]?.index ?? argv.length
  for (const token of tokens) {
    if (token.kind === 'option' && token.index < firstWord) checkOption(token, topOptions)
  }
  const given = (name: string): boolean =>
    tokens.some((token) => token.kind === 'option' && token.name === name && token.index < firstWord)
  return { words, version: given('version'), help: given('help') }
}

/**
 * Reads the arguments after the words of the command.
 *
 * @throws UsageError for an unknown option, a value that is missing or too much
 */
export function parseCommand(argv: readonly string[], specs: OptionSpecs): ParsedArgs {
  const options: OptionSpecs = { ...globalOptions, ...specs }
  const values = new Map<string, (string | true)[]>()
  const positionals: string[] = []
  for (const token of tokenise(argv, options).tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const value = checkOption(token, options)
    const before = values.get(token.name)
    if (before === undefined) values.set(token.name, [value])
    else before.push(value)
  }
  return new ParsedArgs(positionals, values)
}

type Tokens = ReturnType<typeof tokenise>['tokens']
type OptionToken = Extract<Tokens[number], { kind: 'option' }>

function tokenise(argv: readonly string[], specs: OptionSpecs) {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type, short }]) => [
      name,
      { type, multiple: true, ...(short === undefined ? {} : { short }) },
    ]),
  )
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true })
}

function checkOption(token: OptionToken, options: OptionSpecs): string | true {
  const spec = Object.hasOwn(options, token.name) ? options[token.name] : undefined
  if (spec === undefined) {
    const known = Object.keys(options).map((name) => `--${name}`)
    throw new UsageError(`unknown option '${token.rawName}'${suggestion(token.rawName, known)}`)
  }
  if (spec.type === 'boolean') {
    if (token.value === undefined) return true
    throw new UsageError(`${token.rawName} takes no value`)
  }
  const looksLikeOption = token.inlineValue === false && /^-./.test(token.value ?? '')
  if (token.value === undefined || token.value === '' || looksLikeOption) {
    throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${spec.value ?? '<value>'}`)
  }
  return token.value
}
