// Proves the help, the choice of the command, the exit codes of mistakes, and that docs/reference/cli.md tells the same.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runCli } from '../../test/cli/io.ts'
import { errorCodes } from '../errors/codes.ts'
import { OffstageError } from '../errors/error.ts'
import { catalog } from './catalog.ts'
import { exitCodeOf, exitCodes, exitMeanings, NotFoundError, UsageError } from './exit.ts'
import { commandHelp, topHelp } from './help.ts'
import { version } from './run.ts'
import { optionOf, type SettingName, settingSources } from './settings.ts'
import { globalOptions } from './spec.ts'

const reference = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8')

describe('help', () => {
  test.each([[[]], [['--help']], [['help']], [['-h']]])('%j prints the commands', async (argv) => {
    expect(await runCli(argv)).toEqual({ code: 0, stdout: `${topHelp(catalog)}\n`, stderr: '' })
  })

  test.each([[['jobs', '--help']], [['help', 'jobs']], [['jobs', '-h']]])(
    '%j prints the group',
    async (argv) => {
      const { code, stdout } = await runCli(argv)
      expect(code).toBe(0)
      expect(stdout).toContain('jobs retry')
      expect(stdout).not.toContain('queues')
    },
  )

  test.each(catalog.map(({ name }) => name))('offstage %s --help has examples', async (name) => {
    const words = name.split(' ')
    const { code, stdout } = await runCli([...words, '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain(`Usage: offstage ${name}`)
    expect(stdout).toMatch(/Examples:\n {2}\S/)
    expect(await runCli(['help', ...words])).toEqual({ code, stdout, stderr: '' })
  })

  test('--version', async () => {
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version()}\n`, stderr: '' })
    expect(version()).toMatch(/^\d+\.\d+\.\d+/)
  })
})

test.each<[readonly string[], string]>([
  [['wroker'], "unknown command 'wroker'; did you mean 'worker'?"],
  [['jobs'], 'offstage jobs needs a command: ls, show, retry, cancel, rm'],
  [['jobs', 'lst'], "unknown command 'jobs lst'; did you mean 'ls'?"],
  [['jobs', 'ls', '--stat', 'failed'], "unknown option '--stat'; did you mean '--state'?"],
  [['--jsno', 'status'], "unknown option '--jsno'; did you mean '--json'?"],
  [['status', '--broker'], '--broker needs a value: --broker <url>'],
  [['status', '--broker', 'rabbit:x'], 'rabbit'],
  [['worker'], 'name the module that exports the tasks'],
])('%j: wrong usage', async (argv, message) => {
  const ran = await runCli(argv, { cwd: '/' })
  expect(ran).toMatchObject({ code: 2, stdout: '' })
  expect(ran.stderr).toContain(message)
})

test('under --json an error is a document on stderr', async () => {
  const ran = await runCli(['wroker', '--json'])
  expect(ran.stdout).toBe('')
  expect(JSON.parse(ran.stderr)).toEqual({
    error: { code: 'USAGE', message: "unknown command 'wroker'; did you mean 'worker'?" },
  })
})

test('errors lead to exit codes', () => {
  const coded = (code: keyof typeof errorCodes) => exitCodeOf(new OffstageError(code, 'x'))
  expect(exitCodeOf(new UsageError('x'))).toBe(exitCodes.usage)
  expect(exitCodeOf(new NotFoundError('x'))).toBe(exitCodes.notFound)
  expect(exitCodeOf(new Error('x'))).toBe(exitCodes.failed)
  expect(coded('JOB_NOT_FOUND')).toBe(exitCodes.notFound)
  expect(coded('INPUT_INVALID')).toBe(exitCodes.usage)
  expect(coded('JOB_FAILED')).toBe(exitCodes.failed)
  // Every trouble with a broker or its store, but for those that a wrong name makes.
  const broker = Object.keys(errorCodes).filter((code) => /^(BROKER|STORE|SQLITE)_/.test(code))
  for (const code of broker as (keyof typeof errorCodes)[]) {
    const usage = code === 'BROKER_UNKNOWN' || code === 'BROKER_REQUIRED'
    expect([code, coded(code)]).toEqual([code, usage ? exitCodes.usage : exitCodes.brokerUnavailable])
  }
})

describe('docs/reference/cli.md', () => {
  test('has the commands in order, and no other', () => {
    const headings = [...reference.matchAll(/^### offstage (.+)$/gm)].map(([, name]) => name)
    expect(headings).toEqual(catalog.map(({ name }) => name))
  })

  test.each(catalog.map((entry) => [entry.name, entry] as const))(
    'tells the help of %s',
    async (name, entry) => {
      const { spec } = await entry.load()
      const section = reference.split(`### offstage ${name}\n`)[1]?.split('\n### ')[0]
      expect(section?.trim()).toBe(`\`\`\`text\n${commandHelp(entry, spec)}\n\`\`\``)
      for (const option of Object.keys(spec.options)) expect(globalOptions).not.toHaveProperty(option)
    },
  )

  test('has the exit codes', () => {
    const table = section('Exit codes')
    const rows = [...table.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning]) => [
      Number(code),
      meaning,
    ])
    expect(rows).toEqual(exitMeanings.map((row) => [...row]))
    expect(exitMeanings.map(([code]) => code)).toEqual(Object.values(exitCodes))
  })

  test('has the settings', () => {
    const rows = [
      ...section('Which broker, which tasks').matchAll(/\| `--([\w-]+)` \| `(\w+)` \| `(\w+)` \|$/gm),
    ]
    expect(rows.map(([, option, env, key]) => [option, env, key])).toEqual(
      Object.entries(settingSources).map(([name, { env }]) => [optionOf(name as SettingName), env, name]),
    )
  })
})

function section(title: string): string {
  return reference.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
}
