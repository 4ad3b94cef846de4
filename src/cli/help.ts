// The help texts, made from the specifications of the commands.
import { exitMeanings } from './exit.ts'
import { topOptions } from './parse.ts'
import {
  type CommandEntry,
  type CommandSpec,
  globalOptions,
  type OptionSpec,
  type OptionSpecs,
} from './spec.ts'

const WIDTH = 100

/** What `offstage --help` prints. */
export function topHelp(catalog: readonly CommandEntry[]): string {
  return lines(
    'Usage: offstage <command> [options]',
    '',
    'Commands:',
    ...rows(catalog.map(({ name, summary }) => [name, summary])),
    '',
    'Options of every command:',
    ...optionRows(topOptions),
    '',
    'Settings come from the option, else from the environment (OFFSTAGE_BROKER, OFFSTAGE_NAMESPACE,',
    'OFFSTAGE_ENTRY), else from offstage.config.{ts,mts,js,mjs,json} or "offstage" in package.json.',
    '',
    'Exit codes:',
    ...rows(exitMeanings.map(([code, meaning]) => [String(code), meaning])),
    '',
    'Run offstage <command> --help for its options and examples.',
  )
}

/** What `offstage jobs --help` prints. */
export function groupHelp(group: string, catalog: readonly CommandEntry[]): string {
  const members = catalog.filter(({ name }) => name.startsWith(`${group} `))
  return lines(
    `Usage: offstage ${group} <command> [options]`,
    '',
    'Commands:',
    ...rows(members.map(({ name, summary }) => [name, summary])),
    '',
    `Run offstage ${group} <command> --help for its options and examples.`,
  )
}

/** What `offstage jobs ls --help` prints. */
export function commandHelp({ name, summary }: CommandEntry, spec: CommandSpec): string {
  const own = Object.keys(spec.options).length > 0
  return lines(
    `Usage: offstage ${[name, spec.args, '[options]'].filter((part) => part !== '').join(' ')}`,
    '',
    `${summary}.`,
    ...(spec.details === undefined ? [] : ['', ...wrap(spec.details.join(' '), WIDTH)]),
    ...(own ? ['', 'Options:', ...optionRows(spec.options)] : []),
    '',
    'Options of every command:',
    ...optionRows(globalOptions),
    '',
    'Examples:',
    ...spec.examples.map((example) => `  ${example}`),
  )
}

function optionRows(options: OptionSpecs): string[] {
  return rows(Object.entries(options).map(([name, option]) => [optionLabel(name, option), option.help]))
}

function optionLabel(name: string, { short, value }: OptionSpec): string {
  const label = short === undefined ? `    --${name}` : `-${short}, --${name}`
  return value === undefined ? label : `${label} ${value}`
}

/** Two columns; what does not fit into the width goes on below, indented. */
function rows(pairs: readonly (readonly [label: string, text: string])[]): string[] {
  const indent = Math.max(...pairs.map(([label]) => label.length)) + 4
  return pairs.flatMap(([label, text]) =>
    wrap(text, WIDTH - indent).map((part, i) =>
      i === 0 ? `  ${label.padEnd(indent - 2)}${part}` : `${' '.repeat(indent)}${part}`,
    ),
  )
}

function wrap(text: string, width: number): string[] {
  const out: string[] = []
  for (const word of text.split(' ')) {
    const last = out.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) out[out.length - 1] = `${last} ${word}`
    else out.push(word)
  }
  return out
}

function lines(...parts: readonly string[]): string {
  return parts.join('\n')
}
