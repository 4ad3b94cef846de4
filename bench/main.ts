// Runs a suite: every figure in a fresh process and a fresh folder, several times in turn (a, b, c, a, b, c: a slow
// moment of the machine hits all alike), and writes the medians with the machine and the date to `results/`.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, tmpdir, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, suites } from './suites.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string' },
    'no-record': { type: 'boolean', default: false },
  },
})
const name = positionals[0] ?? 'sqlite'
const runs = Number(flags.runs)
const suite = suites[name]
if (suite === undefined || !Number.isInteger(runs) || runs < 1) {
  process.stderr.write(
    `usage: npm run bench -- <${Object.keys(suites).join('|')}> [--runs 5] [--only a,b] [--no-record]\n`,
  )
  process.exit(2)
}
const wanted = flags.only?.split(',')
const figures = suite.filter((figure) => wanted === undefined || wanted.includes(figure.name))

const measured = new Map<string, { [value: string]: number }[]>()
const scripts = [...new Map(figures.map((figure) => [key(figure), figure])).values()]
for (let run = 1; run <= runs; run += 1) {
  for (const figure of scripts) {
    process.stderr.write(`run ${run} of ${runs}: ${figure.script} ${figure.args.join(' ')}\n`)
    const before = measured.get(key(figure)) ?? []
    measured.set(key(figure), [...before, once(figure)])
  }
}

const rows = figures.map((figure) => {
  const values = (measured.get(key(figure)) ?? []).map((run) => run[figure.value] ?? Number.NaN)
  return { figure, values, median: median(values) }
})
const table = render()
process.stdout.write(table)
if (!flags['no-record']) record()

function key(figure: Figure): string {
  return `${figure.script} ${figure.args.join(' ')}`
}

function once(figure: Figure): { [value: string]: number } {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-bench-'))
  try {
    const script = new URL(`./figures/${figure.script}.ts`, import.meta.url).pathname
    const out = execFileSync(
      process.execPath,
      ['--import', 'tsx', script, `folder=${folder}`, ...figure.args],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 600_000,
      },
    )
    return JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as { [value: string]: number }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function show(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}

function render(): string {
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()} ${arch()}, Node ${process.version}`
  const lines = rows.map(({ figure, values, median: middle }) => {
    const { target } = figure
    const aim =
      target === undefined
        ? '–'
        : 'atLeast' in target
          ? `≥ ${show(target.atLeast)}`
          : `< ${show(target.below)}`
    const met =
      target === undefined
        ? ''
        : ('atLeast' in target ? middle >= target.atLeast : middle < target.below)
          ? 'yes'
          : 'no'
    const range = `${show(Math.min(...values))} – ${show(Math.max(...values))}`
    return `| ${figure.title} | ${show(middle)} ${figure.unit} | ${range} | ${aim} | ${met} |`
  })
  return [
    `# ${name}, ${new Date().toISOString().slice(0, 10)}`,
    '',
    `${machine}. Medians of ${runs} runs; payload of 88 bytes, states kept, one worker process, durability FULL.`,
    '',
    '| figure | median | range | target | met |',
    '|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}

function record(): void {
  const file = new URL(`./results/${name}-${new Date().toISOString().slice(0, 10)}.md`, import.meta.url)
  writeFileSync(file, table)
  process.stderr.write(`recorded in bench/results/${name}-${new Date().toISOString().slice(0, 10)}.md\n`)
}
