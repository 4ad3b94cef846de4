// What a command of the command line is: its words, options and examples as data (help, parsing and the reference page
// come from them), and the function that runs it.
import type { Io, Output } from './output.ts'
import type { ParsedArgs } from './parse.ts'
import type { Settings } from './settings.ts'

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  readonly help: string
  /** A single letter: `-Q`. */
  readonly short?: string | undefined
  /** What stands for the value in the help: `<duration>`. Only with type `string`. */
  readonly value?: string | undefined
  /** May be given several times. */
  readonly multiple?: boolean | undefined
}

export interface OptionSpecs {
  readonly [name: string]: OptionSpec
}

export interface CommandSpec {
  /** What stands after the words: `<task> [json|-]`. */
  readonly args: string
  /** Further sentences. */
  readonly details?: readonly string[] | undefined
  readonly options: OptionSpecs
  readonly examples: readonly string[]
  /** How many arguments it takes. */
  readonly positionals: { readonly min: number; readonly max: number }
}

export interface CommandContext {
  readonly args: ParsedArgs
  readonly out: Output
  readonly io: Io
  readonly settings: Settings
}

/** Runs a command; answers its exit code. */
type RunCommand = (context: CommandContext) => Promise<number>

/** What a file of `commands/` exports. */
interface Command {
  readonly spec: CommandSpec
  readonly run: RunCommand
}

export interface CommandEntry {
  /** The words that call it: `jobs ls`. */
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Commands are loaded when they are called, so that `offstage --help` answers at once. */
  readonly load: () => Promise<Command>
}

/** Options that every command takes. */
export const globalOptions: OptionSpecs = {
  broker: { type: 'string', value: '<url>', help: 'the broker, such as sqlite:./offstage.db' },
  namespace: { type: 'string', value: '<name>', help: 'the namespace inside the broker' },
  entry: {
    type: 'string',
    value: '<file>',
    multiple: true,
    help: 'the module that exports the app or its tasks; may be repeated',
  },
  json: { type: 'boolean', help: 'print one JSON document instead of text' },
  quiet: { type: 'boolean', help: 'print no notes on stderr, only errors' },
  'no-color': { type: 'boolean', help: 'print no colours (also NO_COLOR=1; FORCE_COLOR=1 forces them)' },
  help: { type: 'boolean', short: 'h', help: 'print help' },
}
