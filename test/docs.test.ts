// Holds the docs to the code: pages that are made from tables of the library are rendered here and compared
// (`npx vitest run test/docs.test.ts -u` writes them), and code that is shown is code that is tested.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Capabilities } from '../src/broker/contract.ts'
import { memory } from '../src/brokers/memory/memory.ts'
import { postgres } from '../src/brokers/postgres/postgres.ts'
import { redis } from '../src/brokers/redis/redis.ts'
import { sqlite } from '../src/brokers/sqlite/sqlite.ts'
import { type ErrorCode, errorCodes } from '../src/errors/codes.ts'
import { jobStates, reasons, transitions } from '../src/job/states.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

describe('the reference', () => {
  test('lists every error code', async () => {
    const rows = Object.entries(errorCodes).map(
      ([code, { retryable, help }]) => `| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${help} |`,
    )
    const page = [
      '# Error codes',
      '',
      'Every error of the library is an `OffstageError` with one of these codes. Tell errors apart by `error.code`, never by',
      'class. "Retryable" means that the same call may succeed later without anybody changing anything.',
      '',
      '| code | retryable | what to do |',
      '|---|---|---|',
      ...rows,
      '',
    ]
    await expect(page.join('\n')).toMatchFileSnapshot('../docs/reference/errors.md')
  })

  test('knows no code that nothing raises', () => {
    const sources = files('src').filter(
      (path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.endsWith('errors/codes.ts'),
    )
    const text = sources.map(read).join('\n')
    const unused = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => !text.includes(`'${code}'`))
    expect(unused).toEqual([])
  })

  test('draws the states and their moves', async () => {
    const moves = transitions.map(
      ({ from, to, by, when }) => `| ${name(from)} | ${name(to)} | ${by} | ${when} |`,
    )
    const arrows = transitions.map(({ from, to, by }) => `    ${node(from)} --> ${node(to)}: ${by}`)
    const page = [
      '# The states of a job',
      '',
      '```mermaid',
      'stateDiagram-v2',
      ...arrows,
      '```',
      '',
      '| from | to | by | when |',
      '|---|---|---|---|',
      ...moves,
      '',
      `States: ${jobStates.map(name).join(', ')}. Reasons, stored where the state alone does not say why: ${reasons.map((reason) => `\`${reason}\``).join(', ')}.`,
      '',
    ]
    await expect(page.join('\n')).toMatchFileSnapshot('../docs/reference/states.md')
  })

  test('says what each broker can do', async () => {
    const brokers = {
      memory: memory().capabilities,
      '`sqlite::memory:`': sqlite('sqlite::memory:').capabilities,
      '`sqlite:./file.db`': sqlite('sqlite:./file.db').capabilities,
      '`redis://host`': redis('redis://host').capabilities,
      '`postgres://host`': postgres('postgres://host').capabilities,
    }
    const table = capabilityTable(brokers)
    await expect(`# What each broker can do\n\n${table}\n`).toMatchFileSnapshot(
      '../docs/brokers/capabilities.md',
    )
    expect(read('README.md')).toContain(table)
  })
})

test('the first program of the README is the example that is run', () => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(read('README.md')) ?? []
  expect(code).toBe(read('examples/hello/hello.ts'))
})

test('links in the docs lead somewhere', () => {
  const pages = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...files('docs').filter((path) => path.endsWith('.md')),
  ]
  const broken = pages.flatMap((page) => {
    const folder = new URL(`../${page}`, import.meta.url)
    return [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map(([, link]) => link ?? '')
      .filter((link) => !exists(new URL(link, folder)))
      .map((link) => `${page}: ${link}`)
  })
  expect(broken).toEqual([])
})

/** How many shards there are and how often to look are settings; what transactions exclude is for the guide. */
type Question = Exclude<keyof Capabilities, 'shards' | 'pollMs' | 'exclusiveTransactions'>

const questions: { readonly [C in Question]: string } = {
  durability: 'an accepted job survives the death of',
  shared: 'several processes share the jobs',
  wakesOthers: 'a new job wakes workers in other processes',
  outages: 'the broker can be down while its clients live',
  records: 'jobs can be listed, searched and steered',
  transactions: "enqueue and complete inside the application's transaction",
}

function capabilityTable(brokers: { readonly [name: string]: Capabilities }): string {
  const names = Object.keys(brokers)
  const answer = (value: boolean | string): string =>
    typeof value === 'string'
      ? ({ none: 'nothing', process: 'any process', machine: 'the machine (power)' }[value] ?? value)
      : value
        ? 'yes'
        : 'no'
  const rows = (Object.keys(questions) as Question[]).map((key) => {
    const cells = names.map((broker) => answer(brokers[broker]?.[key] ?? false))
    return `| ${questions[key]} | ${cells.join(' | ')} |`
  })
  return [`| | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`, ...rows].join('\n')
}

function name(state: string): string {
  return state === 'none' ? '–' : `\`${state}\``
}

function node(state: string): string {
  return state === 'none' ? '[*]' : state
}

function files(folder: string): string[] {
  return readdirSync(new URL(`../${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' }).map(
    (path) => `${folder}/${path}`,
  )
}

function exists(url: URL): boolean {
  try {
    readdirSync(url)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTDIR'
  }
}
