// Runs a suite: every figure in a fresh process on a fresh file or an emptied server, several rounds with the systems in
// turn (a slow moment of the machine hits all alike), and writes the medians with the machine and the date to `results/`.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, tmpdir, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Row, table } from './report.ts'
import { type BenchServer, startServer } from './servers.ts'
import { type Figure, type Suite, suites } from './suites.ts'
import type { SystemName } from './systems/names.ts'

const QUICK_SCALE = 0.1
/** From here on Node runs TypeScript by itself. */
const STRIPS_TYPES = 24

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string' },
    systems: { type: 'string' },
    quick: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    'no-record': { type: 'boolean', default: false },
  },
})
const name = positionals[0] ?? 'sqlite'
const suite = suites[name] ?? usage()
const rounds = flags.quick || flags.profile ? 1 : Number(flags.runs)
if (!Number.isInteger(rounds) || rounds < 1) usage()

// A profile is of our own way from call to handler, unless it is said of what.
const only = (flags.only ?? (flags.profile ? 'enqueue,enqueue-bulk,bulk,drain' : undefined))?.split(',')
const systems = (flags.systems ?? (flags.profile ? 'offstage' : undefined))?.split(',')
const figures = suite.figures
  .filter((figure) => only === undefined || only.includes(figure.name))
  .map((figure) => ({
    ...figure,
    systems: figure.systems.filter((system) => systems === undefined || systems.includes(system)),
  }))
  .filter((figure) => figure.systems.length > 0)
if (figures.length === 0)
  usage(`; figures of ${name}: ${suite.figures.map((figure) => figure.name).join(', ')}`)

// The runner may be an older Node than the one that is measured on.
const node = process.env.BENCH_NODE ?? process.execPath
const nodeVersion = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
const loader = Number(/\d+/.exec(nodeVersion)?.[0]) < STRIPS_TYPES ? ['--import', 'tsx'] : []

const server = suite.server === undefined ? undefined : await startServer(suite.server, flags.profile)
const measured = new Map<string, { [value: string]: number }[]>()
const profiles: string[] = []
try {
  await measure(suite, server)
  const report = await render(suite, server)
  process.stdout.write(report)
  // What was narrowed down by hand is for the eye only.
  const isWhole = flags.only === undefined && flags.systems === undefined && !flags.quick
  if (isWhole && !flags['no-record']) record(report)
} finally {
  await server?.stop()
}

async function measure(suite: Suite, server: BenchServer | undefined): Promise<void> {
  // Several figures may be values of one script: it runs once a round.
  const scripts = [...new Map(figures.map((figure) => [key(figure), figure])).values()]
  for (let round = 0; round < rounds; round += 1) {
    for (const figure of scripts) {
      const first = round % figure.systems.length
      for (const system of [...figure.systems.slice(first), ...figure.systems.slice(0, first)]) {
        if (round >= (figure.roundsOf[system] ?? rounds)) continue
        const call = key(figure, system)
        process.stderr.write(`round ${round + 1} of ${rounds}: ${call}\n`)
        const folder = mkdtempSync(join(tmpdir(), 'offstage-bench-'))
        const broker = server?.broker(`${measured.size}_${round}`) ?? `sqlite:${folder}/bench.db`
        const given = [`system=${system}`, `broker=${broker}`, ...suite.args, ...figure.args]
        const profile = `${folder}/profile`
        const values = once(figure, [...given, ...(figure.argsOf[system] ?? [])], profile)
        measured.set(call, [...(measured.get(call) ?? []), values])
        if (existsSync(profile)) profiles.push(readFileSync(profile, 'utf8'))
        rmSync(folder, { recursive: true, force: true })
        await server?.empty()
      }
    }
  }
}

function key({ script, args }: Figure, system = ''): string {
  return [script, ...args, system].join(' ').trim()
}

function once(figure: Figure, args: readonly string[], profile: string): { [value: string]: number } {
  const script = new URL(`./figures/${figure.script}.ts`, import.meta.url).pathname
  const scale = flags.quick ? [`scale=${QUICK_SCALE}`] : []
  try {
    const out = execFileSync(node, [...loader, script, ...args, ...scale], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 600_000,
      env: {
        ...process.env,
        // The figures measure what is built and published, not the sources that the project's own paths lead to.
        TSX_TSCONFIG_PATH: new URL('./tsconfig.json', import.meta.url).pathname,
        ...(flags.profile ? { BENCH_PROFILE: profile } : {}),
      },
    })
    return JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as { [value: string]: number }
  } catch (error) {
    // One figure that fails shows as such in the table, and the others are still worth having.
    process.stderr.write(`failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
    return {}
  }
}

async function render(suite: Suite, server: BenchServer | undefined): Promise<string> {
  const rows = figures.map((figure): Row => {
    const values = figure.systems.map((system): [SystemName, number[]] => [
      system,
      (measured.get(key(figure, system)) ?? []).map((run) => run[figure.value] ?? Number.NaN),
    ])
    return { figure, values: new Map(values) }
  })
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()} ${arch()}, Node ${nodeVersion}`
  const counts = `Medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}; ${suite.conditions}.`
  return [
    `# ${name}${flags.profile ? ', profile' : ''}, ${today()}`,
    '',
    `${machine}. ${counts}`,
    ...(server === undefined ? [] : ['', await server.about()]),
    ...(suite.peers.length > 0 ? ['', aboutPeers(suite)] : []),
    ...(flags.quick ? ['', 'A quick look: a tenth of the jobs, one round. Not to be quoted.'] : []),
    '',
    ...(flags.profile
      ? profiles.map((text) => `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`)
      : [...table(rows), '']),
  ].join('\n')
}

function aboutPeers({ client, peers }: Suite): string {
  const { dependencies } = readJson('./package.json') as { dependencies: { [name: string]: string } }
  const list = peers.map((peer) => `${peer} ${dependencies[peer]}`)
  const own = readJson(`../node_modules/${client}/package.json`) as { version: string }
  return `Side by side on that Node: Offstage with ${client} ${own.version}; ${list.join(', ')}. Ratios are taken within each round.`
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
}

function record(report: string): void {
  const file = `${name}-${flags.profile ? 'profile-' : ''}${today()}.md`
  writeFileSync(new URL(`./results/${file}`, import.meta.url), report)
  process.stderr.write(`recorded in bench/results/${file}\n`)
}

function today(): string {
  return new Date().toISOString().slice(0, 10)
}

function usage(more = ''): never {
  const names = Object.keys(suites).join('|')
  process.stderr.write(
    `usage: npm run bench -- <${names}> [--runs 5] [--only a,b] [--systems a,b] [--quick] [--profile] [--no-record]${more}\n`,
  )
  process.exit(2)
}
