// A user's project in a folder of its own, and the compiled command line run in it as a process.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const main: string = join(root, 'dist/cli/main.js')
const LIMIT_MS = 20_000

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  readonly env?: { readonly [name: string]: string } | undefined
  readonly stdin?: string | undefined
  /** A folder of the project. Default its root. */
  readonly cwd?: string | undefined
  /** Runs as another user. */
  readonly uid?: number | undefined
}

/** A process that is under way. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''
  #waiting: (() => void)[] = []

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.on('data', (chunk: Buffer) => this.#take('stdout', chunk))
    child.stderr?.on('data', (chunk: Buffer) => this.#take('stderr', chunk))
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
        this.#wake()
      })
    })
  }

  /** Waits until stdout or stderr holds the text `times` times. */
  async says(text: string, times = 1): Promise<void> {
    const deadline = Date.now() + LIMIT_MS
    const count = (): number => `${this.stdout}${this.stderr}`.split(text).length - 1
    while (count() < times) {
      const left = deadline - Date.now()
      if (left <= 0 || this.child.exitCode !== null) {
        throw new Error(`the process never said '${text}'; it said:\n${this.stdout}${this.stderr}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  #take(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this[stream] += chunk.toString('utf8')
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

export class Project {
  readonly folder: string
  readonly #running = new Set<Running>()

  constructor(options: { readonly tsx: boolean } = { tsx: true }) {
    // As the process will see its working directory.
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'offstage-project-')))
    this.write('package.json', '{"name":"project","type":"module","private":true}')
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(root, join(this.folder, 'node_modules/offstage'), 'dir')
    if (options.tsx) symlinkSync(join(root, 'node_modules/tsx'), join(this.folder, 'node_modules/tsx'), 'dir')
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true })
    writeFileSync(this.path(name), text)
  }

  /** Starts `offstage` in the project. */
  start(argv: readonly string[], options: StartOptions = {}): Running {
    const child = spawn(process.execPath, [main, ...argv], {
      cwd: join(this.folder, options.cwd ?? '.'),
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.uid !== undefined && { uid: options.uid }),
    })
    // A process that ends before it has read its stdin is no failure of the test.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.stdin ?? '')
    const running = new Running(child)
    this.#running.add(running)
    void running.ended.finally(() => this.#running.delete(running))
    return running
  }

  /** Runs `offstage` in the project to its end. */
  run(argv: readonly string[], options: StartOptions = {}): Promise<Ended> {
    return this.start(argv, options).ended
  }

  async close(): Promise<void> {
    const left = [...this.#running]
    for (const { child } of left) child.kill('SIGKILL')
    await Promise.all(left.map(({ ended }) => ended))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What the test runner sets must not reach the process, nor what the user of this machine has set. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(OFFSTAGE_|VITEST|NODE_ENV$|NODE_OPTIONS$|NODE_PATH$|NO_COLOR$|FORCE_COLOR$)/.test(name),
  )
  return Object.fromEntries(kept)
}

/** Tasks in TypeScript on a SQLite file: one adds, one waits for a file. */
export const tasksSource = `
import { existsSync } from 'node:fs'
import { offstage } from 'offstage'

export const app = offstage({ broker: 'sqlite:jobs.db' })

interface Numbers { a: number; b: number }

export const add = app.task({
  name: 'add',
  retry: { attempts: 1 },
  run(input: Numbers, ctx) {
    ctx.log.info('adding')
    if (input.a < 0) throw new RangeError('a is negative')
    return { sum: input.a + input.b }
  },
})

export const hold = app.task({
  name: 'hold',
  async run(input: { file: string }, ctx) {
    console.error('holding')
    while (!existsSync(input.file) && !ctx.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10))
    return 'let go'
  },
})
`
